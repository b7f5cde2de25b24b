//! Lookups of resources: what a subject has, a page at a time. `eval/lookups.py` is the meaning, `eval/candidates.py` the walk.
//!
//! `drivers` says through what of an expression a walk goes, `upwards` walks from the subject to whatever it may have, `order`
//! sorts as much of that as a page needs, and `page` has each checked by the one evaluation.

mod drivers;
mod order;
mod page;
mod request;
mod upwards;

pub use page::{Page, lookup_resources};
pub use request::{Lookup, Place};
