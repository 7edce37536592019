//! The timelines of a server's log (PostgreSQL documentation, "Timelines"): whether a stored position is a
//! place of the log that a server has now.
//!
//! A standby that is promoted goes on with a timeline of its own. Changes that the former primary logged
//! behind the place at which the timelines part are not there, and positions behind it name other places.

use super::connection::replication::LogPlace;
use super::connection::session::{lsn_text, parse_lsn};
use super::offset::PostgresPosition;
use crate::{CdcError, CdcErrorKind, CdcResult};

/// Returns whether the history of the server's timeline is needed to check a position.
pub(crate) fn needs_history(position: &PostgresPosition, place: &LogPlace) -> bool {
    position.timeline.is_some_and(|timeline| timeline < place.timeline)
}

/// Checks that a position is in the log of a server: on its timeline, or on one from which it has branched
/// off behind the position. `history` is the history of the server's timeline.
///
/// # Errors
/// `Position` when changes before the position are not in this log, or when it is another one.
pub(crate) fn check(position: &PostgresPosition, place: &LogPlace, history: Option<&str>) -> CdcResult<()> {
    let lsn = lsn_text(position.lsn);
    if place.system != position.system {
        return refuse(format!(
            "the stored position {lsn} is of another server than the one that responds now"
        ));
    }
    if let Some(timeline) = position.timeline.filter(|timeline| *timeline != place.timeline) {
        let now = place.timeline;
        let Some(end) = history.and_then(|history| end_of(timeline, history)) else {
            return refuse(format!(
                "the stored position {lsn} is on timeline {timeline}, but the server is on timeline {now}, which \
                 has not branched off from it: is it a former primary server?"
            ));
        };
        if position.reach() > end {
            return refuse(format!(
                "the server was promoted: its timeline {now} has branched off at {} from timeline {timeline}, \
                 before the stored position {lsn}, so that stored changes are not in its log",
                lsn_text(end)
            ));
        }
    }
    if position.lsn > place.end {
        return refuse(format!(
            "the server's log ends at {}, before the stored position {lsn}: it has lost changes that are stored, \
             such as by a backup that was restored",
            lsn_text(place.end)
        ));
    }
    Ok(())
}

/// Returns where a timeline ends, by the history of a later one: lines of a timeline, the position at which
/// the next one begins, and a reason.
fn end_of(timeline: u32, history: &str) -> Option<u64> {
    let lines = history.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse::<u32>().ok()?, parse_lsn(words.next()?).ok()?))
        })
        .find_map(|(ended, end)| (ended == timeline).then_some(end))
}

fn refuse(what: String) -> CdcResult<()> {
    Err(CdcError::new(
        CdcErrorKind::Position,
        format!("{what}; changes may be missing: capture under another name, into new streams"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::offset::SnapshotCut;
    use proptest::prelude::*;

    const HISTORY: &str = "# comment\n1\t0/100\tno recovery target specified\n\n2\t0/200\tpromoted\n";

    fn position(timeline: Option<u32>, lsn: u64) -> PostgresPosition {
        let text = format!(r#"{{"system":"7","database":"d","slot":"s","lsn":{lsn}}}"#);
        PostgresPosition { timeline, ..serde_json::from_str(&text).unwrap() }
    }

    fn place(timeline: u32) -> LogPlace {
        LogPlace { system: "7".into(), timeline, end: 0x300 }
    }

    #[test]
    fn positions_are_valid_up_to_the_end_of_their_timeline() {
        for (timeline, lsn, now, words) in [
            (Some(1), 0x300, 1, ""),
            (None, 0x300, 3, ""),
            (Some(1), 0x100, 3, ""),
            (Some(2), 0x200, 3, ""),
            (Some(1), 0x101, 3, "branched off at 0/100"),
            (Some(2), 0x201, 3, "branched off at 0/200"),
            (Some(3), 0x10, 2, "former primary"),
            (Some(1), 0x301, 1, "ends at 0/300"),
            (None, 0x301, 1, "ends at 0/300"),
        ] {
            let position = position(timeline, lsn);
            let history = needs_history(&position, &place(now)).then_some(HISTORY);
            let error = check(&position, &place(now), history).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert_eq!(words.is_empty(), error.is_empty(), "{timeline:?} {lsn:X} {now}: {error}");
            assert!(error.contains(words), "{timeline:?} {lsn:X} {now}: {error}");
        }
        let other = LogPlace { system: "8".into(), ..place(1) };
        assert!(
            check(&position(Some(1), 1), &other, None).unwrap_err().to_string().contains("another server")
        );
    }

    /// The rows of a snapshot may contain changes that the log does not have any more.
    #[test]
    fn snapshots_count_as_far_as_they_reach() {
        let cut = SnapshotCut { lsn: 0x150, xmin: 1, xmax: 1, in_progress: Vec::new() };
        let mut position = position(Some(1), 0x80);
        assert!(check(&position, &place(2), Some(HISTORY)).is_ok());
        position.snapshot_reads.get_or_insert_default().cuts.push(cut);
        assert!(check(&position, &place(2), Some(HISTORY)).is_err());
        position.forget_passed_snapshots();
        assert!(check(&position, &place(2), Some(HISTORY)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_history(text: String, timeline: u32) {
            let _ = end_of(timeline, &text);
        }
    }
}
