//! What becomes of events that cannot be decoded: the table options `unreadable-events` and
//! `unreadable-events.dead-letter-stream`, also in a hint:
//! `SELECT … FROM orders /*+ OPTIONS('unreadable-events' = 'skip') */`.

use crate::options::Options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::StreamId;
use std::sync::{Arc, Mutex, PoisonError};

/// The name of the option.
pub(crate) const OPTION: &str = "unreadable-events";
/// The option that names the stream of dead letters.
pub(crate) const STREAM_OPTION: &str = "unreadable-events.dead-letter-stream";

/// The policy for events that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum DecodeErrorPolicy {
    /// The query fails with an error that contains the event's pointer.
    #[default]
    Fail,
    /// The event is skipped and counted.
    Skip,
    /// The event is written to this stream, skipped and counted.
    DeadLetter(StreamId),
}

impl DecodeErrorPolicy {
    /// Returns the policy by the options of a table; streams are in `scope` if no other is named.
    ///
    /// # Errors
    /// `InvalidOption` for a stream that cannot be, or dead letters without one.
    pub(crate) fn of_options(options: &Options, scope: &str) -> SqlResult<Self> {
        let invalid = |what: String| SqlError::new(SqlErrorKind::InvalidOption, what);
        let stream = options.get(STREAM_OPTION);
        match (options.get(OPTION), stream) {
            (Some("dead-letter"), None) => {
                Err(invalid(format!("'{OPTION}' = 'dead-letter' needs '{STREAM_OPTION}'")))
            }
            (Some("dead-letter"), Some(name)) => {
                let stream = match name.split_once('/') {
                    Some((scope, name)) => StreamId::new(scope, name),
                    None => StreamId::new(scope, name),
                };
                let stream = stream.map_err(|e| invalid(format!("option '{STREAM_OPTION}': {e}")).because(e));
                Ok(Self::DeadLetter(stream?))
            }
            (_, Some(_)) => Err(invalid(format!("'{STREAM_OPTION}' needs '{OPTION}' = 'dead-letter'"))),
            (Some("skip"), None) => Ok(Self::Skip),
            (_, None) => Ok(Self::Fail),
        }
    }
}

/// The events that a query skipped. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct SkippedEvents(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    events: u64,
    /// The streams to which some were written, without repetitions.
    streams: Vec<StreamId>,
    /// The message of the first error.
    first: String,
}

impl SkippedEvents {
    /// Counts an event, or returns its error, by the policy.
    pub(crate) fn handle(&self, policy: &DecodeErrorPolicy, error: SqlError) -> SqlResult<()> {
        if *policy == DecodeErrorPolicy::Fail {
            return Err(error);
        }
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count.events == 0 {
            count.first = error.to_string();
        }
        if let DecodeErrorPolicy::DeadLetter(stream) = policy
            && !count.streams.contains(stream)
        {
            count.streams.push(stream.clone());
        }
        count.events += 1;
        Ok(())
    }

    /// Returns a warning with the number of skipped events; `None` when there are none.
    pub(crate) fn warning(&self) -> Option<String> {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let streams: Vec<String> = count.streams.iter().map(ToString::to_string).collect();
        let kept = match streams.as_slice() {
            [] => String::new(),
            streams => format!(" and written to {}", streams.join(", ")),
        };
        let first = &count.first;
        match count.events {
            0 => None,
            1 => Some(format!("1 event was skipped{kept}: {first}")),
            events => Some(format!("{events} events were skipped{kept}, the first of them: {first}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::CONNECTOR;

    #[test]
    fn policy_follows_from_the_options() {
        let policy = |given: &[(&str, &str)]| {
            let given: Vec<_> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let specs: Vec<_> = CONNECTOR.iter().collect();
            DecodeErrorPolicy::of_options(&Options::parse(&specs, "", &given)?, "shop")
        };
        let stream = |text: &str| DecodeErrorPolicy::DeadLetter(text.parse().unwrap());
        assert_eq!(policy(&[]).unwrap(), DecodeErrorPolicy::Fail);
        assert_eq!(policy(&[(OPTION, "SKIP")]).unwrap(), DecodeErrorPolicy::Skip);
        let letters = policy(&[(OPTION, "dead-letter"), (STREAM_OPTION, "dead")]).unwrap();
        assert_eq!(letters, stream("shop/dead"));
        let letters = policy(&[(OPTION, "dead-letter"), (STREAM_OPTION, "ops/dead")]).unwrap();
        assert_eq!(letters, stream("ops/dead"));
        for given in [
            &[(OPTION, "dead-letter")][..],
            &[(STREAM_OPTION, "dead")],
            &[(OPTION, "skip"), (STREAM_OPTION, "dead")],
            &[(OPTION, "dead-letter"), (STREAM_OPTION, "a b")],
            &[(OPTION, "dead")],
        ] {
            assert_eq!(policy(given).unwrap_err().kind(), SqlErrorKind::InvalidOption, "{given:?}");
        }
    }

    #[test]
    fn events_are_counted_with_their_streams() {
        let (skipped, error) = (SkippedEvents::default(), || SqlError::not_supported("x"));
        skipped.handle(&DecodeErrorPolicy::Fail, error()).unwrap_err();
        assert_eq!(skipped.warning(), None);
        skipped.handle(&DecodeErrorPolicy::Skip, error()).unwrap();
        assert_eq!(skipped.warning().unwrap(), "1 event was skipped: x is not supported yet");
        let letters = DecodeErrorPolicy::DeadLetter("shop/dead".parse().unwrap());
        skipped.clone().handle(&letters, error()).unwrap();
        let expected =
            "2 events were skipped and written to shop/dead, the first of them: x is not supported yet";
        assert_eq!(skipped.warning().unwrap(), expected);
    }
}
