//! The way to Python: a few HTTP/2 connections to the grpcio server of this process, over its unix socket.
//!
//! Law: a stream that waits for its reader holds up no other, and nobody is sent anything but this process. The
//! connections' own windows are as wide as they can be, so only each stream's window holds back what nobody takes.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use parking_lot::Mutex;
use tokio::net::UnixStream;

/// Streams a connection carries before another is opened: grpcio reads each connection by itself.
const SPREAD: usize = 64;
const WINDOW_BYTES: u32 = 64 * 1024;
const ALL_WINDOWS_BYTES: u32 = (1 << 31) - 1;
/// What h2 takes of one call's messages before the socket does: little, for nobody counts it, and its caller is let go on.
const SEND_BUFFER_BYTES: usize = 16 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection may have been closed, for idleness, in the moment it was chosen: then another is tried.
const TRIES: usize = 3;

/// There is no server behind the socket, or it takes no more.
#[derive(Debug)]
pub struct Unreachable;

/// One thread's connections.
pub struct Upstream {
    path: PathBuf,
    links: Mutex<Vec<Link>>,
    links_max: usize,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Link {
    sender: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
}

/// A stream's place on its connection, given back when dropped.
pub struct StreamPlace(Arc<AtomicUsize>);

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Upstream {
    pub fn new(path: PathBuf, streams_max: usize) -> Self {
        let links_max = streams_max / SPREAD + 1;
        Self { path, links: Mutex::new(Vec::new()), links_max, connecting: tokio::sync::Mutex::new(()) }
    }

    /// Begin a call. `ended`: nothing follows its headers.
    pub async fn open(
        &self,
        request: &Request<()>,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>, StreamPlace), Unreachable> {
        for _ in 0..TRIES {
            let link = match self.chosen() {
                Some(link) => link,
                None => self.another().await?,
            };
            link.streams.fetch_add(1, Relaxed);
            let place = StreamPlace(Arc::clone(&link.streams));
            let mut sender = link.sender;
            if poll_fn(|context| sender.poll_ready(context)).await.is_ok()
                && let Ok((response, body)) = sender.send_request(request.clone(), ended)
            {
                return Ok((response, body, place));
            }
            self.links.lock().retain(|known| !Arc::ptr_eq(&known.streams, &place.0));
        }
        Err(Unreachable)
    }

    /// The connection with the fewest streams, unless another should be opened.
    fn chosen(&self) -> Option<Link> {
        let links = self.links.lock();
        let least = links.iter().min_by_key(|link| link.streams.load(Relaxed))?;
        let has_room = least.streams.load(Relaxed) < SPREAD || links.len() >= self.links_max;
        has_room.then(|| least.clone())
    }

    /// One more connection, unless there was one while others were waited for: of a thousand calls that come at once, each
    /// would open its own.
    async fn another(&self) -> Result<Link, Unreachable> {
        let _one_at_a_time = self.connecting.lock().await;
        match self.chosen() {
            Some(link) => Ok(link),
            None => self.connected().await,
        }
    }

    /// Nothing is sent to whoever else listens there: calls bring the texts of keys.
    async fn connected(&self) -> Result<Link, Unreachable> {
        let connecting = async {
            let socket = UnixStream::connect(&self.path).await.map_err(|_| Unreachable)?;
            if !is_ours(&socket) {
                return Err(Unreachable);
            }
            Builder::new()
                .initial_window_size(WINDOW_BYTES)
                .initial_connection_window_size(ALL_WINDOWS_BYTES)
                .max_send_buffer_size(SEND_BUFFER_BYTES)
                .enable_push(false)
                .handshake::<_, Bytes>(socket)
                .await
                .map_err(|_| Unreachable)
        };
        let (sender, connection) =
            tokio::time::timeout(CONNECT_WITHIN, connecting).await.map_err(|_| Unreachable)??;
        let link = Link { sender, streams: Arc::new(AtomicUsize::new(0)) };
        self.links.lock().push(link.clone());
        // How it ends, its streams tell those who wait for them.
        tokio::spawn(async move { connection.await.is_ok() });
        Ok(link)
    }
}

/// Whether this very process listens at the other end. The kernel says so (`SO_PEERCRED`).
fn is_ours(socket: &UnixStream) -> bool {
    socket.peer_cred().is_ok_and(|peer| peer.pid().and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id()))
}
