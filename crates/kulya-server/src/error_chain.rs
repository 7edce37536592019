//! Formatting of errors for log lines.

use std::error::Error;

/// Formats an error and its sources on one line. A source whose text is already contained is not repeated.
pub(crate) fn format_error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_appended_once() {
        let cause = std::io::Error::other("disk removed");
        let error = kulya_store::Error::new(kulya_store::ErrorKind::Failed, "cannot append").because(cause);
        assert_eq!(format_error_chain(&error), "cannot append: disk removed");
    }
}
