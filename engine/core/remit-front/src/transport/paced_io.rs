//! A socket whose other end cannot make us work or remember more than it takes part in.
//!
//! Whoever sends and reads nothing would let answers pile up here, so nothing more is read from a connection while what was
//! written to it is not taken; and one that takes nothing for long is let go. Frames that ask nothing (pings, settings,
//! priorities, windows) are read without an end as long as they come, so a connection gives way to others after some.
//! Law: a connection that does not read is not read, and no connection holds its thread longer than it takes to read some
//! kilobytes.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Read of one connection before the others of its thread have their turn: some thousand of the smallest frames.
const TURN_BYTES: usize = 16 * 1024;

pub struct PacedIo<Io> {
    io: Io,
    /// For what was written to be taken.
    patience: Duration,
    /// Since when something waits to be taken; nothing is read meanwhile.
    stuck: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
    read_bytes: usize,
}

impl<Io> PacedIo<Io> {
    pub fn new(io: Io, patience: Duration) -> Self {
        Self { io, patience, stuck: None, reader: None, read_bytes: 0 }
    }

    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "what was sent is not taken")))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for PacedIo<Io> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.stuck.is_some() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.read_bytes >= TURN_BYTES {
            self.read_bytes = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        self.read_bytes = match read {
            Poll::Ready(_) => self.read_bytes + buffer.filled().len() - before,
            Poll::Pending => 0, // the others have their turn
        };
        read
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for PacedIo<Io> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, data);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, data);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    fn is_pending(future: impl Future) -> bool {
        std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn nothing_is_read_while_what_was_written_is_not_taken() {
        run(async {
            let (ours, mut theirs) = duplex(8);
            let mut io = PacedIo::new(ours, Duration::from_secs(60));
            theirs.write_all(b"question").await.unwrap();
            let mut read = [0; 8];
            assert_eq!(io.read(&mut read[..1]).await.unwrap(), 1);
            assert!(is_pending(io.write_all(b"an answer that is too long")));
            assert!(is_pending(io.read(&mut read)));
            assert_eq!(theirs.read(&mut read).await.unwrap(), 8);
            io.write_all(b"on").await.unwrap();
            assert_eq!(io.read(&mut read).await.unwrap(), 7);
        });
    }

    #[test]
    fn who_takes_nothing_for_long_is_let_go() {
        run(async {
            let (ours, _theirs) = duplex(8);
            let mut io = PacedIo::new(ours, Duration::from_millis(1));
            let error = io.write_all(b"an answer that is too long").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        });
    }

    #[test]
    fn who_sends_without_an_end_gives_way() {
        run(async {
            let (ours, mut theirs) = duplex(4 * TURN_BYTES);
            theirs.write_all(&vec![7; 2 * TURN_BYTES]).await.unwrap();
            let mut io = PacedIo::new(ours, Duration::from_secs(60));
            let mut data = vec![0; TURN_BYTES];
            io.read_exact(&mut data).await.unwrap();
            assert!(is_pending(io.read(&mut data)));
            assert_eq!(io.read(&mut data).await.unwrap(), TURN_BYTES);
        });
    }
}
