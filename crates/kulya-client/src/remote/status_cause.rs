//! A gRPC status as the cause of an error, in words for the reader of a message.

use std::error::Error;
use std::fmt;
use tonic::Status;

/// A status as the cause of an error. Its text is that of the innermost cause, such as "connection refused",
/// or else the status's message, without the transport's types.
#[derive(Debug)]
pub(super) struct StatusCause(pub(super) Status);

impl fmt::Display for StatusCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.0.source();
        while let Some(next) = cause.and_then(Error::source) {
            cause = Some(next);
        }
        match cause {
            Some(cause) => write!(f, "{cause}"),
            None => f.write_str(self.0.message()),
        }
    }
}

impl Error for StatusCause {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_the_innermost_cause() {
        let refused = std::io::Error::other("Connection refused");
        let status = Status::from_error(Box::new(kulya_store::Error::invalid("transport").because(refused)));
        assert_eq!(StatusCause(status).to_string(), "Connection refused");
        assert_eq!(StatusCause(Status::internal("broken")).to_string(), "broken");
    }
}
