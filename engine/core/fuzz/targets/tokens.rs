//! Tokens, as text from outside and as numbers from within.
//!
//! Law: a text is a token exactly where base64 and CRC-32 as others wrote them say so, and to the same numbers.
#![no_main]

use arbitrary::Arbitrary;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use remit_front::codec::tokens::Token;

#[derive(Arbitrary, Debug)]
enum Given {
    Text(Vec<u8>),
    /// A token, and one letter of it changed.
    Numbers {
        uuid: [u8; 16],
        epoch: u64,
        revision: u64,
        at: u8,
        letter: u8,
    },
}

fuzz_target!(|given: Given| match given {
    Given::Text(text) => require_same(&text),
    Given::Numbers { uuid, epoch, revision, at, letter } => {
        let token = Token { uuid, epoch, revision };
        let mut text = token.encode();
        assert_eq!(Token::decode(&text), Some(token));
        require_same(&text);
        let at = usize::from(at) % text.len();
        text[at] = letter;
        require_same(&text);
    }
});

fn require_same(text: &[u8]) {
    assert_eq!(Token::decode(text), second(text));
}

fn second(text: &[u8]) -> Option<Token> {
    let raw: [u8; 36] = URL_SAFE_NO_PAD.decode(text.strip_prefix(b"r1.")?).ok()?.try_into().ok()?;
    let (body, check) = raw.split_at(32);
    let number = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().expect("eight bytes"));
    (crc32fast::hash(body).to_be_bytes() == check).then(|| Token {
        uuid: body[..16].try_into().expect("sixteen bytes"),
        epoch: number(16),
        revision: number(24),
    })
}
