//! One connection that asks: as answers come, or at a rate whether they come or not.
//!
//! At a rate, a call's time begins when it should have been sent, not when it could be: a server that stands still for
//! a second has kept a second's worth of callers waiting, and that shows.
//! Law: every call that was sent ends as an answer, a wrong one or a failure, exactly once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{
    ACK, Call, DATA, END_STREAM, GOAWAY, HEAD_BYTES, HEADERS, Head, PING, RST_STREAM, SETTINGS, WINDOW_MAX,
    WINDOW_UPDATE, opening, put_frame, read_settings,
};
use crate::options::Options;
use crate::tally::Tally;

const MESSAGE_PREFIX_BYTES: usize = 5;
const BUFFER_BYTES: usize = 256 * 1024;
/// Widen our window again after so much was received.
const WIDEN_AT_BYTES: u32 = 1 << 29;
/// Nothing is awaited longer, once nothing more is asked.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

struct Asked {
    request: usize,
    since: Instant,
    has_message: bool,
    is_right: bool,
}

struct Session {
    options: Arc<Options>,
    calls: Vec<Call>,
    next_request: usize,
    next_stream: u32,
    under_way: HashMap<u32, Asked, BuildStreamHasher>,
    due: VecDeque<Instant>,
    window: i64,
    streams_max: usize,
    received: u32,
    count_from: Instant,
    ask_until: Instant,
    is_closing: bool,
    out: Vec<u8>,
    tally: Tally,
}

/// Streams are numbered by us: their numbers are their own hashes.
#[derive(Default, Clone)]
struct BuildStreamHasher;
struct StreamHasher(u64);

impl std::hash::BuildHasher for BuildStreamHasher {
    type Hasher = StreamHasher;
    fn build_hasher(&self) -> StreamHasher {
        StreamHasher(0)
    }
}

impl std::hash::Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash << 8 | u64::from(*byte));
    }
    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number);
    }
}

/// Ask until the time is over; what was counted.
pub async fn ask(options: Arc<Options>, number: usize, began: Instant) -> Result<Tally, String> {
    let mut socket = TcpStream::connect(&options.address).await.map_err(|error| format!("no connection: {error}"))?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let count_from = began + options.warm_up;
    let call =
        |request: &Vec<u8>| Call::new(&options.path, &options.address, options.authorization.as_deref(), request);
    let mut session = Session {
        calls: options.requests.iter().map(call).collect(),
        next_request: number % options.requests.len(), // each connection begins elsewhere
        next_stream: 1,
        under_way: HashMap::default(),
        due: VecDeque::new(),
        window: 65_535,
        streams_max: options.in_flight,
        received: 0,
        count_from,
        ask_until: count_from + options.duration,
        is_closing: false,
        out: opening(),
        tally: Tally::new(&options),
        options: Arc::clone(&options),
    };
    session.run(&mut socket).await?;
    Ok(session.tally)
}

impl Session {
    async fn run(&mut self, socket: &mut TcpStream) -> Result<(), String> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut filled = 0;
        let every = (self.options.rate > 0.0)
            .then(|| Duration::from_secs_f64(self.options.connections as f64 / self.options.rate));
        let mut next_due = Instant::now();
        loop {
            let now = Instant::now();
            let is_over = now >= self.ask_until || self.is_closing;
            if is_over && (self.under_way.is_empty() || now >= self.ask_until + LAST_ANSWERS) {
                self.under_way.drain().for_each(|_| self.tally.has_failed());
                return Ok(());
            }
            if !is_over {
                match every {
                    None => self.send(now, self.options.in_flight),
                    Some(every) => {
                        while next_due <= now {
                            self.due.push_back(next_due);
                            next_due += every;
                        }
                        self.send_due();
                    }
                }
            }
            if !self.out.is_empty() {
                socket.write_all(&self.out).await.map_err(|error| format!("the connection ended: {error}"))?;
                self.out.clear();
            }
            let wake = if is_over {
                self.ask_until + LAST_ANSWERS
            } else if every.is_some() {
                next_due
            } else {
                self.ask_until
            };
            tokio::select! {
                read = socket.read(&mut buffer[filled..]) => {
                    let read = read.map_err(|error| format!("the connection ended: {error}"))?;
                    if read == 0 {
                        return Err("the server closed the connection".to_owned());
                    }
                    filled += read;
                    let used = self.take(&buffer[..filled])?;
                    buffer.copy_within(used..filled, 0);
                    filled -= used;
                    if filled == buffer.len() {
                        buffer.resize(2 * filled, 0);
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn send(&mut self, now: Instant, most: usize) {
        while self.under_way.len() < most.min(self.streams_max) && self.has_room() {
            self.send_one(now);
        }
    }

    fn send_due(&mut self) {
        while self.under_way.len() < self.streams_max && self.has_room() {
            match self.due.pop_front() {
                Some(since) => self.send_one(since),
                None => return,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.window >= self.calls[self.next_request].window as i64 && self.next_stream < WINDOW_MAX
    }

    fn send_one(&mut self, since: Instant) {
        let call = &self.calls[self.next_request];
        call.put(&mut self.out, self.next_stream);
        self.window -= call.window as i64;
        let asked = Asked { request: self.next_request, since, has_message: false, is_right: false };
        self.under_way.insert(self.next_stream, asked);
        self.next_stream += 2;
        self.next_request = (self.next_request + 1) % self.calls.len();
    }

    /// Take what came; how many bytes of it were whole frames.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let (mut at, now) = (0, Instant::now());
        while let Some(head) = Head::read(&bytes[at..]) {
            let Some(payload) = bytes.get(at + HEAD_BYTES..at + HEAD_BYTES + head.length) else {
                break;
            };
            at += HEAD_BYTES + head.length;
            match head.kind {
                DATA => {
                    self.received += head.length as u32;
                    self.hear(head.stream, payload);
                    self.end_if(head.flags & END_STREAM != 0, head.stream, now);
                }
                HEADERS => self.end_if(head.flags & END_STREAM != 0, head.stream, now),
                RST_STREAM => self.end_if(true, head.stream, now),
                SETTINGS if head.flags & ACK == 0 => {
                    let (streams, _) = read_settings(payload);
                    let wanted = if self.options.rate > 0.0 { usize::MAX } else { self.options.in_flight };
                    self.streams_max = streams.map_or(wanted, |most| wanted.min(most as usize));
                    put_frame(&mut self.out, SETTINGS, ACK, 0, &[]);
                }
                PING if head.flags & ACK == 0 => put_frame(&mut self.out, PING, ACK, 0, payload),
                WINDOW_UPDATE if head.stream == 0 => {
                    let by = payload.try_into().map(u32::from_be_bytes).map_err(|_| "a damaged window update")?;
                    self.window += i64::from(by & WINDOW_MAX);
                }
                GOAWAY => self.is_closing = true,
                _ => {}
            }
        }
        if self.received >= WIDEN_AT_BYTES {
            put_frame(&mut self.out, WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
            self.received = 0;
        }
        Ok(at)
    }

    /// Part of an answer. Its verdict is in the first frame.
    fn hear(&mut self, stream: u32, payload: &[u8]) {
        if let Some(asked) = self.under_way.get_mut(&stream).filter(|asked| !asked.has_message && !payload.is_empty()) {
            let expected = self.options.expected[asked.request];
            let verdict = payload.get(MESSAGE_PREFIX_BYTES + self.options.verdict_at).copied();
            asked.has_message = true;
            asked.is_right = expected == 0 || verdict == Some(expected);
        }
    }

    fn end_if(&mut self, is_end: bool, stream: u32, now: Instant) {
        if !is_end {
            return;
        }
        let Some(asked) = self.under_way.remove(&stream) else {
            return;
        };
        // At a rate, calls count by when they were due. Asked as fast as they are answered, they count by their answers:
        // or a slow server would lose those that were under way when the warm-up ended, and keep none for them at the end.
        let counts_at = if self.options.rate > 0.0 { asked.since } else { now };
        if counts_at < self.count_from || now > self.ask_until {
            return;
        }
        match asked {
            Asked { has_message: false, .. } => self.tally.has_failed(),
            Asked { is_right: false, .. } => self.tally.was_wrong(),
            _ => self.tally.answered(now.saturating_duration_since(asked.since)),
        }
    }
}
