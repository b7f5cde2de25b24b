//! The descriptors of tools that a store keeps: what the calls of a tool are read by before anything is judged.
//!
//! All documents are held as they were written. What they are read to takes far more (2 KB of memory a subschema, and 60 where
//! its pattern is as large as it may be), so that is kept of those that were asked for lately alone.
//! Law: what is kept under a digest never changes; it is read when it is asked for.

use hashbrown::HashMap;
use parking_lot::Mutex;
use remit_arguments::{Descriptor, Json, ReadCall};
use std::mem;
use std::sync::Arc;

/// Subschemas of what is kept read, in each of two generations: some 8 MB, or a quarter of a gigabyte of the largest patterns.
const READ_MAX: usize = 2_048;

/// As it is read; None where it cannot be.
type Read = Option<Arc<Descriptor>>;

/// What was read lately. Where there is no room for more, what was not asked for since that was so the last time is dropped.
#[derive(Default)]
struct Lately {
    recent: HashMap<Box<str>, Read>,
    before: HashMap<Box<str>, Read>,
    subschemas: usize, // of the recent ones
}

impl Lately {
    fn find(&mut self, digest: &str) -> Option<Read> {
        if let Some(read) = self.recent.get(digest) {
            return Some(read.clone());
        }
        let (digest, read) = self.before.remove_entry(digest)?;
        self.keep(digest, read.clone());
        Some(read)
    }

    fn keep(&mut self, digest: Box<str>, read: Read) {
        let subschemas = weight(&read);
        if self.subschemas + subschemas > READ_MAX {
            self.before = mem::take(&mut self.recent);
            self.subschemas = 0;
        }
        if self.recent.insert(digest, read).is_none() {
            self.subschemas += subschemas;
        }
    }

    fn forget(&mut self, digest: &str) {
        self.before.remove(digest);
        if let Some(read) = self.recent.remove(digest) {
            self.subschemas -= weight(&read);
        }
    }
}

fn weight(read: &Read) -> usize {
    read.as_ref().map_or(1, |descriptor| descriptor.subschemas())
}

/// By digest.
#[derive(Default)]
pub struct Descriptors {
    documents: HashMap<Box<str>, Box<[u8]>>,
    lately: Mutex<Lately>,
}

impl Descriptors {
    /// A record was written, or (None) is gone.
    pub fn put(&mut self, digest: &str, document: Option<Box<[u8]>>) {
        self.lately.get_mut().forget(digest);
        match document {
            Some(document) => self.documents.insert(digest.into(), document),
            None => self.documents.remove(digest),
        };
    }

    /// A call as its tool gets it by the descriptor of a digest; unjudgeable where there is none, or the arguments do not fit.
    pub(super) fn described(&self, digest: &str, call: &ReadCall) -> ReadCall {
        let described = self.find(digest).and_then(|descriptor| match descriptor.filled(call.arguments()).ok()? {
            Json::Object(arguments) => Some(call.clone().described(arguments, descriptor.types().clone())),
            _ => None,
        });
        described.unwrap_or_else(|| call.clone().unjudgeable())
    }

    fn find(&self, digest: &str) -> Read {
        let document = self.documents.get(digest)?;
        let known = self.lately.lock().find(digest);
        known.unwrap_or_else(|| {
            let read = Descriptor::read(document).ok().map(Arc::new); // while others find theirs
            self.lately.lock().keep(digest.into(), read.clone());
            read
        })
    }

    /// Bytes held, apart from what documents were read to.
    pub fn bytes(&self) -> usize {
        let documents: usize = self.documents.iter().map(|(digest, document)| digest.len() + document.len()).sum();
        documents + self.documents.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(properties: usize) -> Option<Box<[u8]>> {
        let each: Vec<String> =
            (0..properties).map(|number| format!("\"a{number}\":{{\"type\":\"string\"}}")).collect();
        let text = format!("{{\"input_schema\":{{\"type\":\"object\",\"properties\":{{{}}}}}}}", each.join(","));
        Some(text.into_bytes().into())
    }

    #[test]
    fn what_is_kept_read_is_bounded_and_what_is_asked_for_again_stays() {
        let mut descriptors = Descriptors::default();
        let digest = |number: usize| format!("d{number}");
        for number in 0..100 {
            descriptors.put(&digest(number), document(200));
        }
        let often = descriptors.find("d0").expect("it can be read");
        for number in 0..100 {
            assert!(descriptors.find(&digest(number)).is_some_and(|read| read.subschemas() > 200), "{number}");
            assert!(Arc::ptr_eq(&often, &descriptors.find("d0").expect("it can be read")), "d0 was read again");
            let lately = descriptors.lately.get_mut();
            for each in [&lately.recent, &lately.before] {
                assert!(each.values().map(weight).sum::<usize>() <= READ_MAX);
            }
            assert_eq!(lately.recent.values().map(weight).sum::<usize>(), lately.subschemas);
        }
        assert!(descriptors.lately.get_mut().find("d1").is_none(), "it was let go of");
    }

    #[test]
    fn what_is_gone_is_found_by_nobody() {
        let mut descriptors = Descriptors::default();
        descriptors.put("d", document(1));
        assert!(descriptors.find("d").is_some());
        descriptors.put("d", None);
        assert!(descriptors.find("d").is_none() && descriptors.lately.get_mut().find("d").is_none());
        assert_eq!(descriptors.lately.get_mut().subschemas, 0);
        descriptors.put("d", Some(b"{}".as_slice().into()));
        assert!(descriptors.find("d").is_none(), "it has no schema");
        assert!(descriptors.lately.get_mut().find("d").is_some_and(|read| read.is_none()), "and is not read again");
    }
}
