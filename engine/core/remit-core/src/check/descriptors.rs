//! The descriptors of tools that a store keeps: what the calls of a tool are read by before anything is judged.
//!
//! Law: what is kept under a digest never changes; it is read when it is first asked for.

use hashbrown::HashMap;
use remit_arguments::{Descriptor, Json, ReadCall};
use std::sync::OnceLock;

/// What is told of a tool, as it was written and as it is read; None where it cannot be read.
struct Kept {
    document: Box<[u8]>,
    read: OnceLock<Option<Box<Descriptor>>>,
}

/// By digest.
#[derive(Default)]
pub struct Descriptors {
    kept: HashMap<Box<str>, Kept>,
}

impl Descriptors {
    /// A record was written, or (None) is gone.
    pub fn put(&mut self, digest: &str, document: Option<Box<[u8]>>) {
        match document {
            Some(document) => {
                self.kept.insert(digest.into(), Kept { document, read: OnceLock::new() });
            }
            None => {
                self.kept.remove(digest);
            }
        }
    }

    /// A call as its tool gets it by the descriptor of a digest; unjudgeable where there is none, or the arguments do not fit.
    pub(super) fn described(&self, digest: &str, call: &ReadCall) -> ReadCall {
        let described = self.find(digest).and_then(|descriptor| match descriptor.filled(call.arguments()).ok()? {
            Json::Object(arguments) => Some(call.clone().described(arguments, descriptor.types().clone())),
            _ => None,
        });
        described.unwrap_or_else(|| call.clone().unjudgeable())
    }

    fn find(&self, digest: &str) -> Option<&Descriptor> {
        let kept = self.kept.get(digest)?;
        let read = || Descriptor::read(&kept.document).ok().map(Box::new);
        kept.read.get_or_init(read).as_deref()
    }

    /// Bytes held, apart from what documents were read to.
    pub fn bytes(&self) -> usize {
        let documents: usize = self.kept.iter().map(|(digest, kept)| digest.len() + kept.document.len()).sum();
        documents + self.kept.allocation_size()
    }
}
