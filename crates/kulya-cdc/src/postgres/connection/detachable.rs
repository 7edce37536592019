//! A TCP stream that can be detached from the runtime's event loop.
//!
//! An attached socket wakes the runtime for each packet, also while nobody reads. PostgreSQL sends each
//! message by itself, so a reader that waits until many have arrived would pay a switch of threads for each
//! of them. A detached socket is read directly, and attached again when it has nothing.

use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream.
#[derive(Debug)]
pub(super) struct DetachableStream(Socket);

#[derive(Debug)]
enum Socket {
    Attached(TcpStream),
    Detached(std::net::TcpStream),
    /// The socket could not be attached or detached.
    Lost,
}

impl From<TcpStream> for DetachableStream {
    fn from(stream: TcpStream) -> Self {
        Self(Socket::Attached(stream))
    }
}

impl DetachableStream {
    /// Detaches the stream, until an access finds that it has to wait.
    pub(super) fn detach(&mut self) {
        self.0 = match std::mem::replace(&mut self.0, Socket::Lost) {
            // the next access reports that it is lost
            Socket::Attached(stream) => stream.into_std().map_or(Socket::Lost, Socket::Detached),
            other => other,
        };
    }

    /// Accesses the stream directly while it is detached; `None` if it has to wait, and is attached for that.
    fn try_detached<T>(
        &mut self,
        mut access: impl FnMut(&mut std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let Socket::Detached(stream) = &mut self.0 else { return None };
        loop {
            match access(stream) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                result => return Some(result),
            }
        }
        if let Socket::Detached(stream) = std::mem::replace(&mut self.0, Socket::Lost) {
            match TcpStream::from_std(stream) {
                Ok(stream) => self.0 = Socket::Attached(stream),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    fn attached(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        match &mut self.0 {
            Socket::Attached(stream) => Ok(Pin::new(stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for DetachableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(read) = self.try_detached(|stream| stream.read(buffer.initialize_unfilled())) {
            return Poll::Ready(read.map(|bytes| buffer.advance(bytes)));
        }
        self.attached()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for DetachableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = self.try_detached(|stream| stream.write(bytes)) {
            return Poll::Ready(written);
        }
        self.attached()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TCP sends what is written
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Socket::Detached(stream) = &self.0 {
            return Poll::Ready(stream.shutdown(std::net::Shutdown::Write));
        }
        self.attached()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (DetachableStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (ours.into(), theirs)
    }

    /// Once what was sent is readable at the other end.
    async fn arrived(stream: &DetachableStream, bytes: usize) {
        let Socket::Detached(stream) = &stream.0 else { panic!("it is attached") };
        let mut peeked = vec![0; bytes];
        while stream.peek(&mut peeked).unwrap_or(0) < bytes {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn detached_streams_are_read_and_written_and_wait_when_they_must() {
        let (mut ours, mut theirs) = pair().await;
        theirs.write_all(b"one").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 3);
        ours.detach();
        ours.detach();
        theirs.write_all(b"two").await.unwrap();
        arrived(&ours, 3).await;
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 3);
        assert!(matches!(ours.0, Socket::Detached(_)), "it has not waited");
        ours.write_all(b"three").await.unwrap();
        assert!(matches!(ours.0, Socket::Detached(_)), "it has not waited");
        assert_eq!(theirs.read(&mut buffer).await.unwrap(), 5);
        let (read, ()) = tokio::join!(ours.read(&mut buffer), async {
            theirs.write_all(b"four").await.unwrap();
        });
        assert_eq!(read.unwrap(), 4);
        assert!(matches!(ours.0, Socket::Attached(_)), "it had to wait");
        ours.detach();
        ours.shutdown().await.unwrap();
        assert_eq!(theirs.read(&mut buffer).await.unwrap(), 0);
        drop(theirs);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn writes_to_a_full_stream_wait() {
        let (mut ours, mut theirs) = pair().await;
        ours.detach();
        let sent = vec![7; 16 << 20];
        let (mut received, mut buffer) = (0, vec![0; 1 << 20]);
        let (written, ()) = tokio::join!(ours.write_all(&sent), async {
            while received < sent.len() {
                received += theirs.read(&mut buffer).await.unwrap();
            }
        });
        written.unwrap();
        assert!(matches!(ours.0, Socket::Attached(_)), "it had to wait");
    }
}
