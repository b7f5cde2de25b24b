//! HTTP/2 frames, as far as unary calls need them: RFC 9113, and of HPACK only literals that enter no table.
//!
//! Law: what is written never depends on what was written before, so a call's frames are made once and sent for ever.

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const HEAD_BYTES: usize = 9;
pub const WINDOW_MAX: u32 = (1 << 31) - 1;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const DATA_BYTES_MAX: usize = 16_384; // what every receiver takes in one frame

const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The head of a frame.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Head {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Head {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        Some(Self {
            length: u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize,
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & WINDOW_MAX,
        })
    }
}

pub fn put_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// How a connection begins: windows as wide as they can be, so that answers are never held back.
pub fn opening() -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let mut settings = Vec::new();
    settings.extend_from_slice(&INITIAL_WINDOW_SIZE.to_be_bytes());
    settings.extend_from_slice(&WINDOW_MAX.to_be_bytes());
    put_frame(&mut out, SETTINGS, 0, 0, &settings);
    put_frame(&mut out, WINDOW_UPDATE, 0, 0, &(WINDOW_MAX - 65_535).to_be_bytes());
    out
}

/// What a server's settings say: streams at once, and the window of each; where they say so.
pub fn read_settings(payload: &[u8]) -> (Option<u32>, Option<u32>) {
    let (mut streams, mut window) = (None, None);
    for entry in payload.chunks_exact(6) {
        let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
        match u16::from_be_bytes([entry[0], entry[1]]) {
            MAX_CONCURRENT_STREAMS => streams = Some(value),
            INITIAL_WINDOW_SIZE => window = Some(value),
            _ => {}
        }
    }
    (streams, window)
}

/// One call's frames. Their stream is set when they are sent.
pub struct Call {
    bytes: Vec<u8>,
    streams_at: Vec<usize>,
    /// What the call takes of the server's windows.
    pub window: usize,
}

impl Call {
    pub fn new(path: &str, authority: &str, authorization: Option<&str>, request: &[u8]) -> Self {
        let mut block = vec![0x83, 0x86]; // :method POST, :scheme http: of the table that both sides are born with
        put_header(&mut block, ":path", path);
        put_header(&mut block, ":authority", authority);
        put_header(&mut block, "content-type", "application/grpc");
        put_header(&mut block, "te", "trailers");
        if let Some(text) = authorization {
            put_header(&mut block, "authorization", text);
        }
        let mut message = vec![0];
        message.extend_from_slice(&(request.len() as u32).to_be_bytes());
        message.extend_from_slice(request);
        let (mut bytes, mut streams_at) = (Vec::new(), vec![5]);
        put_frame(&mut bytes, HEADERS, END_HEADERS, 0, &block);
        let parts = message.chunks(DATA_BYTES_MAX).count();
        for (number, part) in message.chunks(DATA_BYTES_MAX).enumerate() {
            streams_at.push(bytes.len() + 5);
            put_frame(&mut bytes, DATA, if number + 1 == parts { END_STREAM } else { 0 }, 0, part);
        }
        Self { bytes, streams_at, window: message.len() }
    }

    pub fn put(&self, out: &mut Vec<u8>, stream: u32) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        for at in &self.streams_at {
            out[begin + at..begin + at + 4].copy_from_slice(&stream.to_be_bytes());
        }
    }
}

/// A literal that enters no table, without Huffman's code. Both have fewer than 127 bytes: see `Options::checked`.
fn put_header(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).expect("names and values are short"));
        block.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_put() {
        let mut out = Vec::new();
        put_frame(&mut out, DATA, END_STREAM, 7, b"abc");
        assert_eq!(Head::read(&out), Some(Head { length: 3, kind: DATA, flags: END_STREAM, stream: 7 }));
        assert_eq!(Head::read(&out[..8]), None);
    }

    #[test]
    fn a_call_bears_its_stream_in_every_frame_and_ends_with_the_last() {
        let call = Call::new("/a/B", "host:1", Some("Bearer x"), &[1; 40_000]);
        let mut out = vec![9];
        call.put(&mut out, 5);
        let (mut at, mut heads) = (1, Vec::new());
        while let Some(head) = Head::read(&out[at..]) {
            at += HEAD_BYTES + head.length;
            heads.push((head.kind, head.flags, head.stream));
        }
        assert_eq!(heads, [(HEADERS, END_HEADERS, 5), (DATA, 0, 5), (DATA, 0, 5), (DATA, END_STREAM, 5)]);
        assert_eq!((at, call.window), (out.len(), 40_005));
    }

    #[test]
    fn settings_say_how_many_and_how_much() {
        assert_eq!(read_settings(&[0, 3, 0, 0, 0, 9, 0, 4, 0, 0, 1, 0, 0, 5, 0, 0, 64, 0]), (Some(9), Some(256)));
    }
}
