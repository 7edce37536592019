//! The open connections: how many there are of each address, what each of them waits for, and which of them goes when
//! there is no room for another or when its client takes too long.
//!
//! A connection is *silent* while it waits for its client: for a handshake, a request's head or body, or for an answer to be
//! taken. It is not silent while the server works or waits for events. When all places are taken, the connection that
//! has been silent longest is closed, idle ones first. Nothing here reads or writes: [`Watched`] and the bodies say what
//! happens, and [`Connection::overdue`] is asked from time to time.

use kulya_auth::fair_share::{Permit, Pool, counted_address};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection that was silent for less is not closed for another.
const PATIENCE: Duration = Duration::from_secs(1);
/// With this begins whoever speaks HTTP/2.
const HTTP2: &[u8] = b"PRI";

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// For a TLS handshake.
    pub(crate) handshake: Duration,
    /// For the head of an HTTP/1 request, from its first byte on.
    pub(crate) head: Duration,
    /// Until its next request.
    pub(crate) idle: Duration,
    /// Without taking anything of an answer that is there.
    pub(crate) write: Duration,
}

impl Times {
    /// How often to look.
    fn tick(&self) -> Duration {
        let least = self.head.min(self.idle).min(self.write);
        (least / 4).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

/// All connections of one server.
pub(crate) struct Connections {
    places: Pool,
    handshakes: usize,
    begun: Instant,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    opened: AtomicU64,
    freed: Notify,
}

impl Connections {
    /// So many at a time, of which one address gets `percent`, and so many handshakes at a time.
    pub(crate) fn new(most: usize, percent: u32, handshakes: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Pool::new(most, percent),
            handshakes,
            begun: Instant::now(),
            open: Mutex::default(),
            opened: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    /// Ends when a connection has ended, or may have been silent for long enough.
    pub(crate) async fn changed(&self) {
        let _ = tokio::time::timeout(PATIENCE / 4, self.freed.notified()).await;
    }

    /// A place for a new connection, for which a silent one is closed where there is none. `is_proxy`: the address is not its
    /// client's, and is not counted.
    pub(crate) fn open(self: &Arc<Self>, address: SocketAddr, is_proxy: bool) -> Result<Open, NoPlace> {
        let counted = counted_address(address.ip());
        let share = self.places.share((!is_proxy).then_some(counted));
        let part = match share.take(1) {
            Some(part) => part,
            None => {
                let is_full = self.places.used() >= self.places.most();
                let (of, why) =
                    if is_full { (None, NoPlace::Full) } else { (Some(counted), NoPlace::HasItsShare) };
                if !self.close_silent(of) {
                    return Err(why);
                }
                share.force_acquire(1)
            }
        };
        let id = self.opened.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let connection = Arc::new(Connection {
            id,
            address,
            counted,
            begun: self.begun,
            is_shaking_hands: AtomicBool::new(true),
            is_http2: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            received: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now),
            head_since: AtomicU64::new(0),
            write_since: AtomicU64::new(0),
            exchanges: Mutex::default(),
            cut: CancellationToken::new(),
        });
        self.all().insert(id, Arc::clone(&connection));
        Ok(Open { connection, connections: Arc::clone(self), _part: part })
    }

    /// Cuts the oldest handshake off when there are too many, so that the next one need not wait.
    pub(crate) fn begin_handshake(&self) {
        let all = self.all();
        let shaking: Vec<_> = all.values().filter(|one| one.is_shaking_hands()).collect();
        if shaking.len() <= self.handshakes {
            return;
        }
        let mut by_address: HashMap<IpAddr, usize> = HashMap::new();
        for one in &shaking {
            *by_address.entry(one.counted).or_default() += 1;
        }
        // of whoever has most of them the oldest: it is the least likely to come to anything
        let oldest = shaking.iter().max_by_key(|one| (by_address[&one.counted], std::cmp::Reverse(one.id)));
        if let Some(oldest) = oldest {
            oldest.cut();
        }
    }

    /// Closes the connection that has been silent longest, an idle one before others; of one address, or of all.
    fn close_silent(&self, of: Option<IpAddr>) -> bool {
        let now = self.now();
        let all = self.all();
        let silent = all.values().filter(|one| of.is_none_or(|address| address == one.counted));
        let silent = silent.filter_map(|one| {
            let since = one.silent_since()?;
            (now.saturating_sub(since) >= millis(PATIENCE)).then_some((!one.is_idle(), since, one))
        });
        match silent.min_by_key(|(is_busy, since, one)| (*is_busy, *since, one.id)) {
            Some((.., one)) => {
                tracing::debug!("the connection from {} was silent and is closed for another", one.address);
                one.cut();
                true
            }
            None => false,
        }
    }

    fn now(&self) -> u64 {
        now(self.begun)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection is not taken, when none that is open can be closed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are as many as there may be: it waits.
    Full,
    /// Its address has as many as it may have: it is closed.
    HasItsShare,
}

/// Milliseconds since the server began; 0 is never.
fn now(begun: Instant) -> u64 {
    millis(begun.elapsed()) + 1
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A connection's place; given up when it is dropped.
pub(crate) struct Open {
    pub(crate) connection: Arc<Connection>,
    connections: Arc<Connections>,
    _part: Permit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.all().remove(&self.connection.id);
        self.connections.freed.notify_waiters();
    }
}

/// What is known of one connection. Times are milliseconds since the server began.
pub(crate) struct Connection {
    id: u64,
    address: SocketAddr,
    counted: IpAddr,
    begun: Instant,
    is_shaking_hands: AtomicBool,
    is_http2: AtomicBool,
    is_cut: AtomicBool,
    received: AtomicUsize,
    idle_since: AtomicU64,
    /// Since when a request's head is coming in.
    head_since: AtomicU64,
    /// Since when the system takes no more to send.
    write_since: AtomicU64,
    exchanges: Mutex<HashMap<u64, Arc<Exchange>>>,
    cut: CancellationToken,
}

impl Connection {
    /// From where.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends when somebody wants the connection closed at once.
    pub(crate) async fn cut_off(&self) {
        self.cut.cancelled().await;
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.cut.cancel();
    }

    /// From here on it speaks HTTP.
    pub(crate) fn shook_hands(&self) {
        self.is_shaking_hands.store(false, Ordering::Release);
        self.idle_since.store(self.now(), Ordering::Release);
    }

    fn is_shaking_hands(&self) -> bool {
        self.is_shaking_hands.load(Ordering::Acquire) && !self.is_cut.load(Ordering::Acquire)
    }

    fn is_idle(&self) -> bool {
        self.exchanges().is_empty()
    }

    /// A request's head has come. `stream` ends its HTTP/2 stream alone.
    pub(crate) fn begin(self: &Arc<Self>, stream: Option<CancellationToken>) -> InFlight {
        self.head_since.store(0, Ordering::Release);
        let exchange = Arc::new(Exchange {
            begun: self.begun,
            state: AtomicU64::new(Turn::Server.with(self.now())),
            unwritten: AtomicUsize::new(0),
            stream,
        });
        let mut exchanges = self.exchanges();
        let mut id = exchanges.len() as u64;
        while exchanges.contains_key(&id) {
            id += 1;
        }
        exchanges.insert(id, Arc::clone(&exchange));
        drop(exchanges);
        InFlight { connection: Arc::clone(self), id, exchange }
    }

    /// Since when the connection waits for its client and for nothing else.
    fn silent_since(&self) -> Option<u64> {
        if self.is_cut.load(Ordering::Acquire) {
            return None;
        }
        let write_since = self.write_since.load(Ordering::Acquire);
        if write_since > 0 {
            return Some(write_since);
        }
        let exchanges = self.exchanges();
        if exchanges.is_empty() {
            return Some(self.idle_since.load(Ordering::Acquire));
        }
        exchanges.values().try_fold(0, |latest, exchange| Some(exchange.client_since()?.max(latest)))
    }

    /// Why the connection must be closed now. Of HTTP/2 a stream whose answer is not taken is ended alone.
    fn overdue(&self, times: &Times) -> Option<&'static str> {
        let now = self.now();
        let is_over = |since: u64, time: Duration| since > 0 && now.saturating_sub(since) >= millis(time);
        if is_over(self.write_since.load(Ordering::Acquire), times.write) {
            return Some("nothing of what was sent is taken");
        }
        if is_over(self.head_since.load(Ordering::Acquire), times.head) {
            return Some("the head of a request does not come to its end");
        }
        let exchanges = self.exchanges();
        if exchanges.is_empty() {
            let is_idle = is_over(self.idle_since.load(Ordering::Acquire), times.idle);
            return is_idle.then_some("no request comes");
        }
        for exchange in exchanges.values() {
            if exchange.answer_since().is_some_and(|since| is_over(since, times.write)) {
                match &exchange.stream {
                    Some(stream) => stream.cancel(),
                    None => return Some("an answer is not taken"),
                }
            }
        }
        None
    }

    /// Ends when the client has taken too long, and says why.
    pub(crate) async fn watch(&self, times: &Times) -> &'static str {
        let mut ticks = tokio::time::interval(times.tick());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(why) = self.overdue(times) {
                return why;
            }
        }
    }

    fn received(&self, bytes: &[u8]) {
        let before = self.received.fetch_add(bytes.len(), Ordering::AcqRel);
        if before == 0 && bytes.starts_with(HTTP2) {
            self.is_http2.store(true, Ordering::Release);
        }
        // HTTP/2 keeps an idle connection alive by frames of its own, and has pings against a head that never ends
        if !self.is_http2.load(Ordering::Acquire) && self.exchanges().is_empty() {
            let _ = self.head_since.compare_exchange(0, self.now(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn now(&self) -> u64 {
        now(self.begun)
    }

    fn exchanges(&self) -> MutexGuard<'_, HashMap<u64, Arc<Exchange>>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For whom a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The server works, or waits for events.
    Server,
    /// The client has to send more of the body.
    Body,
    /// The client has to take what was answered.
    Answer,
}

impl Turn {
    /// With the time of the last progress, in one word.
    fn with(self, at: u64) -> u64 {
        at << 2 | self as u64
    }
}

/// A request and its answer.
struct Exchange {
    begun: Instant,
    /// Whose turn it is, and when there was progress last.
    state: AtomicU64,
    /// Bytes of the answer that were handed on, and are in memory yet.
    unwritten: AtomicUsize,
    stream: Option<CancellationToken>,
}

impl Exchange {
    /// The time is new, unless something is not taken yet: what is put behind it is no progress.
    fn turn(&self, turn: Turn) {
        let at = match self.unwritten.load(Ordering::Acquire) {
            0 => now(self.begun),
            _ => self.state.load(Ordering::Acquire) >> 2,
        };
        self.state.store(turn.with(at), Ordering::Release);
    }

    fn client_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let is_clients = state & 3 != Turn::Server as u64 || self.unwritten.load(Ordering::Acquire) > 0;
        is_clients.then_some(state >> 2)
    }

    fn answer_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let is_answer = state & 3 == Turn::Answer as u64 || self.unwritten.load(Ordering::Acquire) > 0;
        is_answer.then_some(state >> 2)
    }
}

/// A request until the last byte of its answer is written.
pub(crate) struct InFlight {
    connection: Arc<Connection>,
    id: u64,
    exchange: Arc<Exchange>,
}

impl InFlight {
    /// The server works on it, or waits for what it answers with.
    pub(crate) fn is_worked_on(&self) {
        self.exchange.turn(Turn::Server);
    }

    /// More of the body must come.
    pub(crate) fn waits_for_body(&self) {
        // the time is that of the last progress
        let state = self.exchange.state.load(Ordering::Acquire);
        self.exchange.state.store(Turn::Body.with(state >> 2), Ordering::Release);
    }

    /// An answer is there to be taken.
    pub(crate) fn answers(&self) {
        self.exchange.turn(Turn::Answer);
    }

    /// So many bytes were handed on to be written.
    pub(crate) fn hand_on(&self, bytes: usize) {
        self.answers();
        self.exchange.unwritten.fetch_add(bytes, Ordering::AcqRel);
    }

    /// So many of those are written, or given up.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.exchange.unwritten.fetch_sub(bytes, Ordering::AcqRel);
        // whose turn it is stays; the time is new
        let state = self.exchange.state.load(Ordering::Acquire);
        self.exchange.state.store((state & 3) | now(self.exchange.begun) << 2, Ordering::Release);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut exchanges = self.connection.exchanges();
        exchanges.remove(&self.id);
        if exchanges.is_empty() {
            self.connection.idle_since.store(self.connection.now(), Ordering::Release);
        }
    }
}

/// A connection's bytes, which say on their way what happens.
pub(crate) struct Watched<C> {
    io: C,
    connection: Arc<Connection>,
}

impl<C> Watched<C> {
    pub(crate) fn new(io: C, connection: Arc<Connection>) -> Self {
        Self { io, connection }
    }

    fn written<T>(&self, polled: Poll<T>) -> Poll<T> {
        let since = &self.connection.write_since;
        match polled {
            Poll::Pending => {
                let now = self.connection.now();
                let _ = since.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
            }
            Poll::Ready(_) => since.store(0, Ordering::Release),
        }
        polled
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Watched<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if let Some(read) = buffer.filled().get(before..).filter(|read| !read.is_empty()) {
            self.connection.received(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Watched<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.written(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.written(polled)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn times() -> Times {
        let seconds = Duration::from_secs;
        Times { handshake: seconds(10), head: seconds(10), idle: seconds(120), write: seconds(30) }
    }

    /// A request on a connection that nobody looks at.
    pub(crate) fn in_flight() -> Arc<InFlight> {
        let connections = Connections::new(1, 100, 1);
        let open = connections.open(address(1), false).unwrap();
        Arc::new(open.connection.begin(None))
    }

    fn speaking(connections: &Arc<Connections>, port: u16) -> Open {
        let open = connections.open(address(port), false).unwrap();
        open.connection.shook_hands();
        open
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_an_answer_and_a_pause_have_their_times() {
        let connections = Connections::new(10, 100, 10);
        let (idle, head) = (speaking(&connections, 1), speaking(&connections, 2));
        let overdue = |open: &Open| open.connection.overdue(&times());
        head.connection.received(b"GET /pi");
        pass(9).await;
        assert_eq!((overdue(&idle), overdue(&head)), (None, None));
        pass(1).await;
        assert_eq!(overdue(&head), Some("the head of a request does not come to its end"));
        let request = head.connection.begin(None);
        assert_eq!(overdue(&head), None, "it has come");
        pass(100).await;
        assert_eq!(overdue(&head), None, "the server works");
        request.hand_on(10);
        request.is_worked_on();
        pass(15).await;
        // such as a tail's word that it is there yet
        request.hand_on(3);
        request.is_worked_on();
        pass(14).await;
        assert_eq!(overdue(&head), None);
        pass(1).await;
        assert_eq!(overdue(&head), Some("an answer is not taken"), "though the server has no more of it");
        request.wrote(3);
        request.wrote(5);
        assert_eq!(overdue(&head), None, "some of it was taken");
        request.wrote(5);
        pass(1000).await;
        assert_eq!(overdue(&head), None, "a tail waits for events");
        assert_eq!(overdue(&idle), Some("no request comes"));
        drop(request);
        assert_eq!(overdue(&head), None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_http2_one_stream_ends_and_the_connection_goes_on() {
        let connections = Connections::new(10, 100, 10);
        let open = speaking(&connections, 1);
        open.connection.received(b"PRI * HTTP/2.0\r\n");
        pass(1000).await;
        let (one, other) = (CancellationToken::new(), CancellationToken::new());
        let stalled = open.connection.begin(Some(one.clone()));
        let _working = open.connection.begin(Some(other.clone()));
        stalled.answers();
        pass(31).await;
        assert_eq!(open.connection.overdue(&times()), None);
        assert_eq!((one.is_cancelled(), other.is_cancelled()), (true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_longest_goes_first_and_who_is_served_stays() {
        let connections = Connections::new(4, 100, 10);
        let opens: Vec<_> = (0..4).map(|port| speaking(&connections, port)).collect();
        let working = opens[0].connection.begin(None);
        let trickling = opens[1].connection.begin(None);
        trickling.waits_for_body();
        pass(2).await;
        // the third is idle for longer than the fourth
        drop(opens[3].connection.begin(None));
        let cut = |count: usize| {
            assert!(connections.close_silent(None));
            let is_cut: Vec<_> = opens.iter().map(|open| open.connection.cut.is_cancelled()).collect();
            assert_eq!(is_cut.iter().filter(|is| **is).count(), count);
            is_cut
        };
        assert_eq!(cut(1), [false, false, true, false]);
        assert_eq!(cut(2), [false, true, true, false], "the fourth has asked just now");
        pass(2).await;
        assert_eq!(cut(3), [false, true, true, true]);
        assert!(!connections.close_silent(None), "the first waits for the server");
        drop(working);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_its_share_gives_up_what_is_silent_and_gets_no_more() {
        let connections = Connections::new(8, 75, 10);
        let mut opens: Vec<_> = (0..6).map(|port| speaking(&connections, port)).collect();
        assert_eq!(
            connections.open(address(7), false).err(),
            Some(NoPlace::HasItsShare),
            "all have come just now"
        );
        let other = SocketAddr::from(([10, 0, 0, 2], 1));
        opens.push(connections.open(other, false).unwrap());
        assert!(connections.open(other, true).is_ok(), "a proxy's are not counted");
        pass(2).await;
        let one_more = connections.open(address(7), false).unwrap();
        assert!(opens[0].connection.cut.is_cancelled());
        drop((opens, one_more));
        assert_eq!(connections.places.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_handshake_makes_room_for_the_next() {
        let connections = Connections::new(100, 100, 3);
        let shaking = |last: u8| {
            let open = connections.open(SocketAddr::from(([10, 0, 0, last], 1)), false).unwrap();
            connections.begin_handshake();
            open
        };
        let opens = [shaking(2), shaking(1), shaking(1), shaking(1)];
        let is_cut: Vec<_> = opens.iter().map(|open| open.connection.cut.is_cancelled()).collect();
        assert_eq!(is_cut, [false, true, false, false], "of the address that has most of them");
        opens[2].connection.shook_hands();
        let _next = shaking(3);
        assert!(!opens[0].connection.cut.is_cancelled(), "one has come to its end");
    }
}
