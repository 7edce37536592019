//! The configuration of a stream.

use crate::{Error, Result, StreamId};
use std::time::Duration;

/// The configuration of a stream: its number of segments and its retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamConfig {
    /// The number of segments, 1 to 10,000: the unit of parallel writing and reading.
    pub segments: u32,
    /// The retention of its events.
    pub retention: Retention,
}

/// The retention of a stream. Events beyond either limit are truncated from time to time. By default all
/// events are kept until an explicit truncation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// The maximum age of an event, in milliseconds.
    pub age: Option<Duration>,
    /// The maximum size of the stream, in bytes.
    pub bytes: Option<u64>,
}

impl StreamConfig {
    /// Creates a configuration with a fixed number of segments and unlimited retention.
    pub fn with_segments(segments: u32) -> Self {
        Self { segments, retention: Retention::default() }
    }

    /// Sets the retention.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Validates the configuration of a new stream.
    ///
    /// # Errors
    /// `InvalidInput` if the number of segments is not 1 to 10,000.
    pub fn validate(&self, stream: &StreamId) -> Result<()> {
        match self.segments {
            1..=10_000 => Ok(()),
            n => Err(Error::invalid(format!("stream {stream} cannot have {n} segments: choose 1 to 10000"))),
        }
    }

    /// Validates a change of the configuration from `current` to `self`.
    ///
    /// # Errors
    /// `InvalidInput` if the number of segments changes.
    pub fn validate_update(&self, stream: &StreamId, current: &Self) -> Result<()> {
        if self.segments == current.segments {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "stream {stream} has {} segments and cannot get {}: the number of segments is fixed when a stream is created",
            current.segments, self.segments
        )))
    }
}
