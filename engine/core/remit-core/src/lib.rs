//! The hot core of Remit: the graph in memory, and Check and Expand over it. It knows neither Python nor a socket.
//!
//! Follow a Check: `remit-py` (or the frontend, `remit-front`) brings a question to `store/queries`, which turns its names
//! into numbers (`store/names`, `memory/interner`), looks whether the answer is known (`check/cache`) and otherwise walks the
//! `graph` by the `schema/plan`: `check/walk` takes goals apart by `check/equations`, which says what each operator means.
//! Beside it stand `check/fixpoint` where goals form cycles, `check/walk_back` and, where a walk becomes dear,
//! `check/walk_up` from the subject's side, `schema/reach` where nothing can lead, `check/caveats` where conditions stand
//! beside facts, and `graph/overlay` where a request brings facts of its own. An Expand is `expand`'s, a lookup `lookup`'s,
//! which has what it finds checked.
//!
//! Law: rooms know only those before them: memory, graph, schema, check, expand, lookup, store. `tests/native/test_core_layers.py`
//! holds it.

pub mod check;
pub mod clock;
pub mod expand;
pub mod graph;
pub mod lookup;
mod memory;
pub mod protobuf;
pub mod schema;
pub mod store;

pub use check::cache::ANSWERS;
pub use check::cache_stats::{CacheStats, all_caches};
pub use check::caveats::Context;
pub use store::{Answer, Core, Identity, Question, Session, Store, View, panics};
