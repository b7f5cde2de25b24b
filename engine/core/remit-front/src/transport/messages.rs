//! The messages of a body, followed as its bytes pass by: each is five bytes, which say how long it is, and the rest.
//!
//! Law: what is known of them does not depend on how the bytes were cut into frames.

use crate::hot_path::questions::PREFIX_BYTES;

#[derive(Debug, Default)]
pub struct Messages {
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    /// Of the message that has begun, how much has not come.
    left: usize,
    begun: u64,
    largest: usize,
}

impl Messages {
    /// More of the body. Cost: O(messages that begin in it).
    pub fn pass(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.left > 0 {
                let part = self.left.min(data.len());
                self.left -= part;
                data = &data[part..];
                continue;
            }
            let part = (PREFIX_BYTES - self.prefix_bytes).min(data.len());
            self.prefix[self.prefix_bytes..self.prefix_bytes + part].copy_from_slice(&data[..part]);
            self.prefix_bytes += part;
            data = &data[part..];
            if self.prefix_bytes == PREFIX_BYTES {
                let [_, size @ ..] = self.prefix;
                self.prefix_bytes = 0;
                self.left = u32::from_be_bytes(size) as usize;
                self.begun += 1;
                self.largest = self.largest.max(self.left);
            }
        }
    }

    /// How many have said how large they are.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// How large the largest of those is.
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// Whether every message that began has come whole.
    pub fn is_between(&self) -> bool {
        self.left == 0 && self.prefix_bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn how_a_body_is_cut_makes_no_difference(
            sizes in prop::collection::vec(0usize..70, 0..6),
            cut_at in prop::collection::vec(0usize..400, 0..8),
            missing in 0usize..6,
        ) {
            let mut body = Vec::new();
            for size in &sizes {
                body.push(0);
                body.extend_from_slice(&(*size as u32).to_be_bytes());
                body.extend(std::iter::repeat_n(9, *size));
            }
            body.truncate(body.len().saturating_sub(missing));
            // By the plain meaning: what a reader of the whole finds.
            let (mut at, mut begun) = (0, Vec::new());
            while at + PREFIX_BYTES <= body.len() {
                let size = u32::from_be_bytes(body[at + 1..at + PREFIX_BYTES].try_into().unwrap()) as usize;
                begun.push(size);
                at += PREFIX_BYTES + size;
            }
            let mut messages = Messages::default();
            let mut cuts: Vec<_> = cut_at.into_iter().map(|at| at.min(body.len())).chain([0, body.len()]).collect();
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                messages.pass(&body[pair[0]..pair[1]]);
            }
            prop_assert_eq!(messages.largest(), begun.iter().max().copied().unwrap_or(0));
            prop_assert_eq!(messages.begun(), begun.len() as u64);
            prop_assert_eq!(messages.is_between(), at == body.len());
        }
    }
}
