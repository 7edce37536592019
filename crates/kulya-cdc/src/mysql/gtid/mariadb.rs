//! MariaDB's transaction ids: `domain-server-sequence`, and positions with one id for each replication
//! domain. Within a domain the order of the log counts, so a position stands for all transactions up to its
//! ids.

use super::error::GtidError;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The id of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MariadbGtid {
    /// The replication domain.
    pub domain: u32,
    /// The server that first committed the transaction.
    pub server: u32,
    /// The sequence number, which grows within the domain.
    pub sequence: u64,
}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for MariadbGtid {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let mut numbers = text.split('-').map(|number| {
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| number.parse::<u64>().ok()).flatten()
        });
        let mut next = || numbers.next().flatten();
        let parsed = (|| {
            let domain = u32::try_from(next()?).ok()?;
            let server = u32::try_from(next()?).ok()?;
            Some(Self { domain, server, sequence: next()? })
        })();
        parsed
            .filter(|_| numbers.next().is_none())
            .ok_or_else(|| GtidError::text("a domain-server-sequence", text))
    }
}

/// The last transaction of each domain, as in `gtid_binlog_pos` and `gtid_slave_pos`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MariadbPosition {
    domains: BTreeMap<u32, MariadbGtid>,
}

impl MariadbPosition {
    /// Sets the last transaction of the id's domain, and returns the former one.
    pub fn advance(&mut self, gtid: MariadbGtid) -> Option<MariadbGtid> {
        self.domains.insert(gtid.domain, gtid)
    }

    /// Returns the last transaction of a domain.
    pub fn domain(&self, domain: u32) -> Option<MariadbGtid> {
        self.domains.get(&domain).copied()
    }

    /// Returns the last transactions, sorted by domain.
    pub fn gtids(&self) -> impl Iterator<Item = MariadbGtid> {
        self.domains.values().copied()
    }

    /// Whether the position is without a domain.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether a transaction is at or before the position.
    pub fn contains(&self, gtid: MariadbGtid) -> bool {
        self.domain(gtid.domain).is_some_and(|last| gtid.sequence <= last.sequence)
    }

    /// Whether every domain is at or before `other`. A server accepts a start position with a domain that it
    /// has never written; compare the position with its `gtid_binlog_pos` before starting there.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.gtids().all(|gtid| other.contains(gtid))
    }

    /// Returns the last transactions of those domains that are after `other` or missing in it.
    pub fn difference(&self, other: &Self) -> Vec<MariadbGtid> {
        self.gtids().filter(|gtid| !other.contains(*gtid)).collect()
    }

    /// Advances each domain that is further in `other`.
    pub fn union(&mut self, other: &Self) {
        for gtid in other.difference(self) {
            self.advance(gtid);
        }
    }
}

impl FromIterator<MariadbGtid> for MariadbPosition {
    /// Collects a position; of several ids of a domain the last one counts, as in GTID_LIST events.
    fn from_iter<I: IntoIterator<Item = MariadbGtid>>(gtids: I) -> Self {
        Self { domains: gtids.into_iter().map(|gtid| (gtid.domain, gtid)).collect() }
    }
}

impl fmt::Display for MariadbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gtid) in self.gtids().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{gtid}")?;
        }
        Ok(())
    }
}

impl FromStr for MariadbPosition {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let mut position = Self::default();
        if text.trim().is_empty() {
            return Ok(position);
        }
        for part in text.split(',') {
            let gtid: MariadbGtid = part.trim().parse()?;
            if position.advance(gtid).is_some() {
                return Err(GtidError::DuplicateDomain { domain: gtid.domain });
            }
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(text: &str) -> MariadbPosition {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn positions() {
        for (text, normal) in [
            ("", ""),
            ("0-1-5", "0-1-5"),
            ("7-2-1, 0-1-5", "0-1-5,7-2-1"),
            ("4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615"),
        ] {
            assert_eq!(position(text).to_string(), normal);
        }
        for text in
            ["0-1", "0-1-2-3", "-1-2", "0-1-x", "4294967296-1-1", "0-1-18446744073709551616", "0-1-1,"]
        {
            assert!(matches!(text.parse::<MariadbPosition>(), Err(GtidError::Text { .. })), "{text}");
        }
        assert_eq!("1-1-1,1-2-2".parse::<MariadbPosition>(), Err(GtidError::DuplicateDomain { domain: 1 }));
    }

    #[test]
    fn positions_are_compared_by_domain() {
        let mut stored = position("0-1-5,1-1-7");
        for (gtid, is_inside) in [("0-9-5", true), ("0-1-6", false), ("1-1-1", true), ("2-1-1", false)] {
            assert_eq!(stored.contains(gtid.parse().unwrap()), is_inside, "{gtid}");
            assert_eq!(position(gtid).is_subset(&stored), is_inside, "{gtid}");
        }
        assert_eq!(stored.difference(&position("0-1-4,1-1-9")), ["0-1-5".parse().unwrap()]);
        stored.union(&position("0-2-4,1-2-9,3-1-1"));
        assert_eq!(stored.to_string(), "0-1-5,1-2-9,3-1-1");
        let list = ["0-1-5", "0-2-6", "1-1-1"].map(|gtid| gtid.parse().unwrap());
        assert_eq!(list.into_iter().collect::<MariadbPosition>(), position("0-2-6,1-1-1"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "[-, 0-9]{0,40}", any: String) {
            for text in [text, any] {
                if let Ok(position) = text.parse::<MariadbPosition>() {
                    prop_assert_eq!(position.to_string().parse(), Ok(position));
                }
            }
        }
    }
}
