//! Stores in memory, and what is asked of them.
//!
//! `locked` is a store and its lock, `state` what the lock guards, `queries` a Check or an Expand of it, `lookups` a lookup,
//! for which `walked` remembers what was found; a thread brings its `session`, and `registry` finds stores by name.

mod guarded;
mod locked;
mod lookups;
mod names;
mod queries;
mod question;
mod registry;
mod session;
mod state;
mod walked;

pub use guarded::panics;
pub use locked::{Identity, Store, View};
pub use lookups::{LookupAnswer, LookupRequest};
pub use question::{Answer, Question};
pub use registry::Core;
pub use session::Session;
pub use state::{State, WholeOrNothing};
