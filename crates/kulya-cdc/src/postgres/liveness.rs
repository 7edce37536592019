//! How long a connection may be silent: the parameters `keepalives_idle`, `keepalives_interval` and
//! `keepalives_retries` of the URL. They hold for PostgreSQL's own messages, and not for TCP's: those would
//! not notice that a proxy, or the server behind it, stands still.

use std::time::Duration;

/// The default of the driver for `keepalives_idle`, which means that the URL does not say it.
const UNSET: Duration = Duration::from_secs(2 * 60 * 60);
const IDLE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_secs(11);
const RETRIES: u32 = 5;

/// The times of a silent connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Liveness {
    /// The time without any message after which the server is asked for one. Default: 20 s.
    pub(crate) ask_after: Duration,
    /// The time without any message after which the connection counts as lost. A server that decodes a large
    /// transaction of which nothing is captured may be silent for a while; its own limit is 60 s by default.
    /// Default: 75 s.
    pub(crate) lost_after: Duration,
}

impl Liveness {
    /// Returns the times that a URL sets, and the defaults of the others.
    pub(crate) fn of(config: &tokio_postgres::Config) -> Self {
        let ask_after = Some(config.get_keepalives_idle()).filter(|idle| *idle != UNSET).unwrap_or(IDLE);
        let interval = config.get_keepalives_interval().unwrap_or(INTERVAL);
        let retries = config.get_keepalives_retries().unwrap_or(RETRIES);
        Self { ask_after, lost_after: ask_after.saturating_add(interval.saturating_mul(retries)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_url() {
        for (parameters, ask, lost) in [
            ("", 20, 75),
            ("?keepalives_idle=2", 2, 57),
            ("?keepalives_idle=2&keepalives_interval=1&keepalives_retries=3", 2, 5),
        ] {
            let config = format!("postgres://me@db/x{parameters}").parse().unwrap();
            let Liveness { ask_after, lost_after } = Liveness::of(&config);
            assert_eq!((ask_after.as_secs(), lost_after.as_secs()), (ask, lost), "{parameters}");
        }
    }
}
