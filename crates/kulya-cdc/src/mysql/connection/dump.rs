//! The stream of the binary log: its events as bytes, from the start that was requested.

use super::channel::{Channel, MessageLimit, Received, Waiting};
use super::command;
use super::dump_request::{DumpSettings, DumpStart, request};
use super::error::{ConnectionError, Endpoint};
use super::packet::Piece;
use super::query;
use super::server_error::{ERROR_MARKER, Phase};
use super::version::Flavor;
use bytes::{Buf, Bytes};

/// A part of an event, of at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPiece {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether the event begins with them.
    pub is_first: bool,
    /// Whether the event ends with them.
    pub is_last: bool,
}

/// An event, or the begin of one.
#[derive(Debug)]
pub(crate) enum ReceivedEvent {
    /// Header, body and checksum.
    Whole(Bytes),
    /// The first piece of a long event.
    Begun(EventPiece),
}

/// Bytes of an event's header.
const EVENT_HEADER_BYTES: usize = 19;
/// Where the header has the event's length.
const LENGTH_OFFSET: usize = 9;

const EVENT_MARKER: u8 = 0x00;
const END_MARKER: u8 = 0xfe;
/// A packet of the end marker with this many bytes or more is no end.
const END_BYTES: usize = 9;

/// Prepares the session and requests the log.
pub(super) async fn start(
    mut channel: Channel,
    flavor: Flavor,
    start: &DumpStart,
    settings: &DumpSettings,
) -> Result<BinlogStream, ConnectionError> {
    let request = request(flavor, start, settings).map_err(|what| {
        let what = format!("cannot read the binary log of {}: {what}", channel.endpoint.server);
        ConnectionError::InvalidRequest { what }
    })?;
    query::run(&mut channel, &request.session).await?;
    let register = command::register_slave(settings.server_id);
    query::run_command(&mut channel, &register, Phase::Dump).await?;
    channel.send_command(&request.command).await?;
    channel.waiting = Waiting::Heartbeat(settings.heartbeat.saturating_mul(settings.silent_periods));
    let limit = MessageLimit {
        // the marker precedes the event
        bytes: settings.max_event_bytes.saturating_add(1),
        what: "an event",
        advice: "raise the limit of an event's size in the settings",
    };
    let ends_at_log_end = settings.ends_at_log_end;
    Ok(BinlogStream { channel, limit, ends_at_log_end, is_inside_event: false, state: State::Open })
}
/// The events of the log, from a start on. Dropping the stream closes the connection.
pub struct BinlogStream {
    channel: Channel,
    limit: MessageLimit,
    ends_at_log_end: bool,
    is_inside_event: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    AtLogEnd,
    Failed,
}

impl BinlogStream {
    /// Returns the next event: header, body and checksum. `None` at the log's end, if the settings ask for
    /// it.
    ///
    /// A long event takes memory of its size; a short one shares a buffer of about 128 KiB with others, which
    /// is kept as long as one of them. Cancel-safe: no byte is lost.
    ///
    /// # Errors
    /// `Silent` or `Lost` for the network, `Server` for the server's error, `TooLong` beyond the limit. After
    /// an error each further call is `Lost`.
    pub async fn next_event(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        match self.state {
            State::Open => {
                let event = self.read_event().await;
                self.state = next_state(&event);
                event
            }
            State::AtLogEnd => Ok(None),
            State::Failed => Err(self.endpoint().lost(None)),
        }
    }

    /// Returns the next event, or only its first piece if it is longer than `max_whole` bytes; the others are
    /// to be read by [`Self::next_piece`] then. `None` at the log's end, if the settings ask for it.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub(crate) async fn next_whole_or_piece(
        &mut self,
        max_whole: usize,
    ) -> Result<Option<ReceivedEvent>, ConnectionError> {
        match self.state {
            State::Open => {
                let event = self.read_whole_or_piece(max_whole).await;
                self.state = next_state(&event);
                event
            }
            State::AtLogEnd => Ok(None),
            State::Failed => Err(self.endpoint().lost(None)),
        }
    }

    async fn read_whole_or_piece(
        &mut self,
        max_whole: usize,
    ) -> Result<Option<ReceivedEvent>, ConnectionError> {
        let is_long = |piece: &Piece| message_bytes(&piece.bytes).is_some_and(|bytes| bytes > max_whole + 1);
        match self.channel.receive_or_begin(self.limit, message_bytes, is_long).await? {
            Received::Message(message) => Ok(self.event_of(message)?.map(ReceivedEvent::Whole)),
            Received::Begun(piece) => {
                self.is_inside_event = !piece.is_last;
                let bytes = self.content(piece.bytes)?;
                let piece = |bytes| EventPiece { bytes, is_first: true, is_last: piece.is_last };
                Ok(bytes.map(|bytes| ReceivedEvent::Begun(piece(bytes))))
            }
        }
    }

    /// Returns the next piece of an event, for events that are not to be in memory as a whole; their limit
    /// does not apply. Not to be mixed with [`Self::next_event`] within an event. `None` at the log's end.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub async fn next_piece(&mut self) -> Result<Option<EventPiece>, ConnectionError> {
        match self.state {
            State::Open => {
                let piece = self.read_piece().await;
                self.state = next_state(&piece);
                piece
            }
            State::AtLogEnd => Ok(None),
            State::Failed => Err(self.endpoint().lost(None)),
        }
    }

    async fn read_event(&mut self) -> Result<Option<Bytes>, ConnectionError> {
        let message = self.channel.receive_message(self.limit, message_bytes).await?;
        self.event_of(message)
    }

    /// Returns the event that a message is, `None` at the log's end.
    fn event_of(&self, message: Bytes) -> Result<Option<Bytes>, ConnectionError> {
        let Some(event) = self.content(message)? else { return Ok(None) };
        match event_bytes(&event) {
            Some(length) if length == event.len() => Ok(Some(event)),
            _ => Err(self.channel.endpoint.malformed("an event of another length than its header says")),
        }
    }

    async fn read_piece(&mut self) -> Result<Option<EventPiece>, ConnectionError> {
        let piece = self.channel.receive_piece().await?;
        let is_first = !self.is_inside_event;
        let bytes = match is_first {
            true => match self.content(piece.bytes)? {
                Some(bytes) => bytes,
                None => return Ok(None),
            },
            false => piece.bytes,
        };
        self.is_inside_event = !piece.is_last;
        Ok(Some(EventPiece { bytes, is_first, is_last: piece.is_last }))
    }

    /// Returns the event of a message, `None` at the log's end.
    fn content(&self, mut message: Bytes) -> Result<Option<Bytes>, ConnectionError> {
        match message.first() {
            Some(&EVENT_MARKER) => {
                message.advance(1);
                Ok(Some(message))
            }
            Some(&ERROR_MARKER) => Err(self.channel.decode_error(&message, Phase::Dump)),
            Some(&END_MARKER) if message.len() < END_BYTES => match self.ends_at_log_end {
                true => Ok(None),
                // a server that ends a waiting reader must not seem to have nothing more
                false => Err(self.endpoint().lost(None)),
            },
            _ => Err(self.endpoint().malformed("a message that is no event")),
        }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.channel.endpoint
    }
}

fn next_state<T>(result: &Result<Option<T>, ConnectionError>) -> State {
    match result {
        Ok(Some(_)) => State::Open,
        Ok(None) => State::AtLogEnd,
        Err(_) => State::Failed,
    }
}

/// Returns the length that an event's header says.
fn event_bytes(event: &[u8]) -> Option<usize> {
    let header = event.get(..EVENT_HEADER_BYTES)?;
    let mut length = header.get(LENGTH_OFFSET..)?;
    length.try_get_u32_le().ok().map(|length| length as usize)
}

/// Returns the length of a message that begins with an event's first piece.
pub(super) fn message_bytes(piece: &[u8]) -> Option<usize> {
    match piece.split_first()? {
        (&EVENT_MARKER, event) => event_bytes(event)?.checked_add(1),
        _ => None,
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_have_a_length_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(event_bytes(&bytes).is_some(), bytes.len() >= EVENT_HEADER_BYTES);
            let _ = message_bytes(&bytes);
        }
    }
}
