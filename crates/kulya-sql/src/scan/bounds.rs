//! From where to where a query reads the streams of a table: cuts, times, or one event, in options of the
//! table or a hint; without any from the head to the tail of now.

use super::cut_text::NamedCut;
use crate::options::Options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use chrono::{NaiveDate, NaiveDateTime};
use kulya_store::{
    BoundedSegment, ErrorKind, EventPointer, SegmentId, SegmentInfo, StreamCut, StreamId, StreamStore,
    framing,
};
use std::time::Duration;

const START_CUTS: &str = "scan.start-streamcuts";
const END_CUTS: &str = "scan.end-streamcuts";
const START_TIME: &str = "scan.start-timestamp";
const END_TIME: &str = "scan.end-timestamp";
const POINTER: &str = "scan.event-pointer";

/// From where to where the streams of a table are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadBounds {
    /// From one position to another.
    Range { start: Bound, end: Bound },
    /// One event.
    Event(EventPointer),
}

/// An end of what is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The head or the tail of now.
    Open,
    /// A cut for each stream; `None` for the head or the tail.
    Cuts(&'static str, Vec<Option<NamedCut>>),
    /// The first event that was committed at this time, since 1970, or later.
    Time(Duration),
}

impl ReadBounds {
    /// Returns whether all events are read, from the head to the tail of now.
    pub(crate) fn is_open(&self) -> bool {
        *self == Self::Range { start: Bound::Open, end: Bound::Open }
    }

    /// Returns the bounds in the options of a table with these streams.
    ///
    /// # Errors
    /// `InvalidOption`: options that are no cuts or times, or that contradict each other.
    pub(crate) fn of_options(options: &Options, streams: &[StreamId]) -> SqlResult<Self> {
        let invalid = |what: String| SqlError::new(SqlErrorKind::InvalidOption, what);
        if let Some(text) = options.get(POINTER) {
            let others = [START_CUTS, END_CUTS, START_TIME, END_TIME];
            if let Some(other) = others.iter().find(|key| options.is_given(key)) {
                return Err(invalid(format!("'{POINTER}' reads one event, and has no '{other}' beside it")));
            }
            let pointer = parse_pointer(text)?;
            if streams.contains(&pointer.segment.stream) {
                return Ok(Self::Event(pointer));
            }
            let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
            let (of, names) = (&pointer.segment.stream, names.join(", "));
            return Err(invalid(format!("event {pointer} is of stream {of}, but the table reads {names}")));
        }
        let bound = |cuts: &'static str, time: &str| match (options.get(cuts), options.get(time)) {
            (None, None) => Ok(Bound::Open),
            // a hint may do without the cuts of its table
            (Some(text), Some(at)) => match parse_cuts(cuts, text, streams)?.iter().all(Option::is_none) {
                true => parse_time(time, at).map(Bound::Time),
                false => Err(invalid(format!("'{cuts}' and '{time}' are both given: choose one"))),
            },
            (Some(text), None) => Ok(Bound::Cuts(cuts, parse_cuts(cuts, text, streams)?)),
            (None, Some(text)) => parse_time(time, text).map(Bound::Time),
        };
        Ok(Self::Range { start: bound(START_CUTS, START_TIME)?, end: bound(END_CUTS, END_TIME)? })
    }

    /// Returns readers of the segments of one of the table's streams, as they are now, within the bounds.
    /// `number` is the stream's among those of the table.
    ///
    /// # Errors
    /// `InvalidOption`: a cut that is none of the stream as it is, or whose events are truncated.
    /// `NotSupported` for a time on a store that does not know any.
    pub(crate) async fn readers(
        &self,
        store: &dyn StreamStore,
        (number, stream): (usize, &StreamId),
        segments: Vec<SegmentInfo>,
    ) -> SqlResult<Vec<BoundedSegment>> {
        let (start, end) = match self {
            Self::Event(pointer) if pointer.segment.stream == *stream => {
                let reader = event_reader(pointer, segments)?;
                // also says so when the pointer is not that of an event
                store.event(pointer).await.map_err(|e| {
                    let kind = match e.kind() {
                        ErrorKind::InvalidInput | ErrorKind::Truncated => SqlErrorKind::InvalidOption,
                        _ => SqlErrorKind::Failed,
                    };
                    SqlError::new(kind, format!("event {pointer} cannot be read: {e}")).because(e)
                })?;
                return Ok(vec![reader]);
            }
            Self::Event(_) => return Ok(Vec::new()),
            Self::Range { start, end } => (start, end),
        };
        let from = start.cut(store, (number, stream), &segments).await?;
        let to = end.cut(store, (number, stream), &segments).await?;
        // a cut by time may be after the tail that was looked up before it
        let is_time = matches!(end, Bound::Time(_));
        let to = to.map(|to| if is_time { at_most_tails(&to, &segments) } else { to });
        let readers = BoundedSegment::between_cuts(segments, from.as_ref(), to.as_ref());
        readers.map_err(|e| match (e.kind(), start, end) {
            (ErrorKind::Truncated, ..) => {
                let what = format!("option '{START_CUTS}': {e}, which is the oldest event");
                SqlError::new(SqlErrorKind::InvalidOption, what).because(e)
            }
            (ErrorKind::InvalidInput, ..) => {
                let key = if matches!(end, Bound::Cuts(..)) { END_CUTS } else { START_CUTS };
                SqlError::new(SqlErrorKind::InvalidOption, format!("option '{key}': {e}")).because(e)
            }
            _ => e.into(),
        })
    }
}

impl Bound {
    async fn cut(
        &self,
        store: &dyn StreamStore,
        (number, stream): (usize, &StreamId),
        segments: &[SegmentInfo],
    ) -> SqlResult<Option<StreamCut>> {
        match self {
            Self::Open => Ok(None),
            Self::Time(since_epoch) => Ok(Some(store.cut_at(stream, *since_epoch).await?)),
            Self::Cuts(key, cuts) => {
                let Some(Some(cut)) = cuts.get(number) else { return Ok(None) };
                let mut offsets: Vec<(&SegmentId, u64)> = Vec::with_capacity(cut.offsets.len());
                for (segment, offset) in &cut.offsets {
                    let info = segments.iter().find(|info| info.id == *segment).ok_or_else(|| {
                        let what =
                            format!("option '{key}': stream {stream} has no segment {segment} any more");
                        SqlError::new(SqlErrorKind::InvalidOption, what)
                    })?;
                    offsets.push((segment, offset.unwrap_or(info.tail)));
                }
                Ok(Some(StreamCut::of(stream, offsets)))
            }
        }
    }
}

/// Returns the cut with offsets that are not after the tails.
fn at_most_tails(cut: &StreamCut, segments: &[SegmentInfo]) -> StreamCut {
    let offset = |info: &SegmentInfo| cut.offset(&info.id).map_or(info.tail, |offset| offset.min(info.tail));
    StreamCut::of(&cut.stream, segments.iter().map(|info| (&info.id, offset(info))))
}

/// Returns the reader of one event.
fn event_reader(pointer: &EventPointer, segments: Vec<SegmentInfo>) -> SqlResult<BoundedSegment> {
    let invalid = |what: String| SqlError::new(SqlErrorKind::InvalidOption, what);
    let Some(info) = segments.into_iter().find(|info| info.id == pointer.segment) else {
        let (stream, segment) = (&pointer.segment.stream, &pointer.segment);
        return Err(invalid(format!("event {pointer}: stream {stream} has no segment {segment}")));
    };
    if pointer.offset < info.head {
        let what = format!("event {pointer} is truncated: the oldest one of its segment is at {}", info.head);
        return Err(invalid(what));
    }
    let end = pointer.offset.saturating_add(u64::from(pointer.length));
    if end > info.tail || pointer.length < framing::HEADER_BYTES as u32 {
        let what = format!("there is no event {pointer}: its segment ends at {}", info.tail);
        return Err(invalid(what));
    }
    let (from, to) = (pointer.offset, end);
    BoundedSegment::between(info, from, to).map_err(|e| invalid(format!("event {pointer}: {e}")).because(e))
}

/// Parses a pointer: its bytes in hexadecimal, or its text.
fn parse_pointer(text: &str) -> SqlResult<EventPointer> {
    let text = text.trim();
    let failed = || {
        let what = format!(
            "{text:.60?} is no event pointer: write its bytes as X'…', or its text, such as \
             scope/stream/0.#epoch.0@120+18"
        );
        SqlError::new(SqlErrorKind::InvalidOption, what)
    };
    if let Some((segment, place)) = text.split_once('@') {
        let (offset, length) = place.split_once('+').ok_or_else(failed)?;
        let segment = segment.parse().map_err(|_| failed())?;
        let (offset, length) = (offset.parse().map_err(|_| failed())?, length.parse().map_err(|_| failed())?);
        return Ok(EventPointer { segment, offset, length });
    }
    let digits = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = digits.0.iter().map(byte).collect::<Option<Vec<u8>>>();
    let bytes = bytes.filter(|bytes| !bytes.is_empty() && digits.1.is_empty()).ok_or_else(failed)?;
    EventPointer::from_bytes(&bytes).map_err(|e| failed().because(e))
}

fn parse_cuts(key: &'static str, text: &str, streams: &[StreamId]) -> SqlResult<Vec<Option<NamedCut>>> {
    let invalid = |what: String| SqlError::new(SqlErrorKind::InvalidOption, what);
    let cuts = text.split(';').map(|text| NamedCut::parse(key, text)).collect::<SqlResult<Vec<_>>>()?;
    if cuts.len() != streams.len() {
        let (cuts, streams) = (cuts.len(), streams.len());
        let what = format!("option '{key}' has {cuts} cuts, but the table reads {streams} streams");
        return Err(invalid(what));
    }
    for (cut, stream) in cuts.iter().zip(streams) {
        if let Some(cut) = cut
            && cut.stream != *stream
        {
            let what =
                format!("option '{key}': the cut of stream {} is in the place of {stream}", cut.stream);
            return Err(invalid(what));
        }
    }
    Ok(cuts)
}

/// Parses a time in UTC, or milliseconds since 1970.
fn parse_time(key: &str, text: &str) -> SqlResult<Duration> {
    let text = text.trim();
    if let Ok(millis) = text.parse() {
        return Ok(Duration::from_millis(millis));
    }
    let plain = text.strip_suffix('Z').unwrap_or(text).replacen('T', " ", 1);
    let time = NaiveDateTime::parse_from_str(&plain, "%Y-%m-%d %H:%M:%S%.f").ok();
    let date = || NaiveDate::parse_from_str(&plain, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let millis = time.or_else(date).map(|time| time.and_utc().timestamp_millis());
    // before 1970 there are no events
    millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))).ok_or_else(|| {
        let what = format!(
            "option '{key}' = '{text:.60}' is no time: write 2024-02-29 12:34:56.789, which is in UTC, or \
             milliseconds since 1970"
        );
        SqlError::new(SqlErrorKind::InvalidOption, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::CONNECTOR;

    fn bounds(given: &[(&str, &str)]) -> SqlResult<ReadBounds> {
        let given: Vec<_> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let specs: Vec<_> = CONNECTOR.iter().collect();
        let streams = ["shop/a".parse().unwrap(), "shop/b".parse().unwrap()];
        ReadBounds::of_options(&Options::parse(&specs, "", &given)?, &streams)
    }

    #[test]
    fn bounds_follow_from_the_options() {
        assert_eq!(bounds(&[]).unwrap(), ReadBounds::Range { start: Bound::Open, end: Bound::Open });
        let ReadBounds::Range { start: Bound::Cuts(_, cuts), end: Bound::Time(time) } =
            bounds(&[(START_CUTS, "UNBOUNDED;shop/b@0.0:8"), (END_TIME, "1970-01-02T00:00:01.5Z")]).unwrap()
        else {
            panic!("cuts and a time")
        };
        assert_eq!((cuts[0].is_none(), cuts[1].is_some()), (true, true));
        let given = [(START_CUTS, "UNBOUNDED;UNBOUNDED"), (START_TIME, "7")];
        let start = Bound::Time(Duration::from_millis(7));
        assert_eq!(bounds(&given).unwrap(), ReadBounds::Range { start, end: Bound::Open });
        assert_eq!(time, Duration::from_millis(86_401_500));
        for (given, expected) in [
            (&[(START_CUTS, "shop/a@0.0:8")][..], "has 1 cuts, but the table reads 2 streams"),
            (&[(END_CUTS, "shop/b@0.0:8;shop/a@0.0:8")], "stream shop/b is in the place of shop/a"),
            (&[(END_CUTS, "x;UNBOUNDED")], "option 'scan.end-streamcuts': \"x\" is no stream cut"),
            (&[(START_CUTS, "UNBOUNDED;shop/b@0.0:8"), (START_TIME, "0")], "choose one"),
            (&[(START_TIME, "yesterday")], "is no time"),
            (&[(POINTER, "00")], "is no event pointer"),
            (&[(POINTER, "shop/a/0.#epoch.0@0+x")], "is no event pointer"),
            (
                &[(POINTER, "shop/c/0.#epoch.0@0+9")],
                "is of stream shop/c, but the table reads shop/a, shop/b",
            ),
            (&[(POINTER, "shop/a/0.#epoch.0@0+9"), (END_TIME, "0")], "has no 'scan.end-timestamp' beside it"),
        ] {
            let error = bounds(given).unwrap_err();
            assert_eq!(error.kind(), SqlErrorKind::InvalidOption, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn times_have_several_forms() {
        for (text, millis) in [
            ("1500", 1500),
            ("1970-01-01 00:00:02", 2000),
            ("1970-01-02", 86_400_000),
            ("1969-12-31 23:00:00", 0),
        ] {
            assert_eq!(parse_time("x", text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn a_pointer_has_two_texts() {
        let pointer = EventPointer { segment: "shop/a/0.#epoch.0".parse().unwrap(), offset: 15, length: 15 };
        let hex: String = pointer.to_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        for text in [pointer.to_string(), hex.clone(), hex.to_lowercase()] {
            assert_eq!(parse_pointer(&text).unwrap(), pointer);
        }
    }
}
