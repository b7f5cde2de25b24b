//! Lookups: what a subject has, and who has it, a page at a time. `eval/lookups.py` is the meaning, `eval/candidates.py` the
//! walks.
//!
//! `upwards` walks from the subject to whatever it may have, `downwards` from the resource to whoever may have it, both
//! through what `schema/drivers.rs` says of an expression; `order` sorts as much of that as a page needs, and `page` has
//! each checked by the one evaluation.

mod downwards;
mod order;
mod page;
mod request;
mod upwards;

pub use downwards::Downwards;
pub use order::Ordered;
pub use page::{Candidate, Entry, Page, page_of_resources, page_of_subjects};
pub use request::{Lookup, Place, SubjectLookup};
pub use upwards::Upwards;
