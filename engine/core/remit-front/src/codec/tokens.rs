//! A token: which store, which life of it, which revision, as text. The form is `tokens.py`'s.
//!
//! Law: what Python encodes is decoded here to the same, and the other way round.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &[u8] = b"r1.";
const BODY_BYTES: usize = 32;
const ALL_BYTES: usize = BODY_BYTES + 4;
const TEXT_BYTES: usize = ALL_BYTES / 3 * 4;
/// How long the text of a token is.
pub const TOKEN_BYTES: usize = PREFIX.len() + TEXT_BYTES;

/// A revision of one life of one store.
#[derive(Debug, PartialEq, Eq, Clone, Copy, Default)]
pub struct Token {
    pub uuid: [u8; 16],
    pub epoch: u64,
    pub revision: u64,
}

impl Token {
    /// Cost: some 0.1 µs.
    pub fn encode(&self) -> [u8; TOKEN_BYTES] {
        let mut raw = [0; ALL_BYTES];
        raw[..16].copy_from_slice(&self.uuid);
        raw[16..24].copy_from_slice(&self.epoch.to_be_bytes());
        raw[24..BODY_BYTES].copy_from_slice(&self.revision.to_be_bytes());
        let check = crc32fast::hash(&raw[..BODY_BYTES]);
        raw[BODY_BYTES..].copy_from_slice(&check.to_be_bytes());
        let mut text = [0; TOKEN_BYTES];
        text[..PREFIX.len()].copy_from_slice(PREFIX);
        let written = URL_SAFE_NO_PAD.encode_slice(raw, &mut text[PREFIX.len()..]);
        assert_eq!(written, Ok(TEXT_BYTES), "three bytes are four letters");
        text
    }

    /// `None` for what is no token; Python says why.
    pub fn decode(text: &[u8]) -> Option<Self> {
        let letters = text.strip_prefix(PREFIX).filter(|letters| letters.len() == TEXT_BYTES)?;
        let mut raw = [0; ALL_BYTES];
        URL_SAFE_NO_PAD.decode_slice(letters, &mut raw).ok()?;
        if crc32fast::hash(&raw[..BODY_BYTES]).to_be_bytes() != raw[BODY_BYTES..] {
            return None;
        }
        Some(Self {
            uuid: part(&raw, 0),
            epoch: u64::from_be_bytes(part(&raw, 16)),
            revision: u64::from_be_bytes(part(&raw, 24)),
        })
    }

    /// Whether an answer at `self` is at least as fresh as `asked`: of the same life of the same store, and not behind.
    pub fn satisfies(&self, asked: &Self) -> bool {
        (self.uuid, self.epoch) == (asked.uuid, asked.epoch) && asked.revision <= self.revision
    }
}

fn part<const N: usize>(raw: &[u8; ALL_BYTES], at: usize) -> [u8; N] {
    raw[at..at + N].try_into().expect("the slice has that length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(uuid: [u8; 16], epoch: u64, revision: u64) {
            let token = Token { uuid, epoch, revision };
            prop_assert_eq!(Token::decode(&token.encode()), Some(token));
        }

        #[test]
        fn a_wrong_letter_is_found(at in 0usize..TOKEN_BYTES, letter: u8) {
            let mut text = Token { uuid: [7; 16], epoch: 3, revision: 9 }.encode();
            prop_assume!(text[at] != letter);
            text[at] = letter;
            prop_assert_eq!(Token::decode(&text), None);
        }
    }

    #[test]
    fn the_text_is_pythons() {
        // encode_token(StoreIdentity("default", bytes(range(16)), 1), 258)
        let token = Token { uuid: std::array::from_fn(|at| at as u8), epoch: 1, revision: 258 };
        assert_eq!(std::str::from_utf8(&token.encode()).unwrap(), PYTHONS);
    }

    const PYTHONS: &str = "r1.AAECAwQFBgcICQoLDA0ODwAAAAAAAAABAAAAAAAAAQJpVIyW";

    #[test]
    fn a_token_is_satisfied_by_its_own_store_at_its_revision_or_later() {
        let head = Token { uuid: [1; 16], epoch: 2, revision: 5 };
        assert!(head.satisfies(&head) && head.satisfies(&Token { revision: 4, ..head }));
        for other in [Token { revision: 6, ..head }, Token { epoch: 1, ..head }, Token { uuid: [2; 16], ..head }] {
            assert!(!head.satisfies(&other));
        }
    }
}
