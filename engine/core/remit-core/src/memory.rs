//! How a million relationships lie in memory: names as numbers, lists of edges, tables without pauses.
//!
//! Nothing in this room knows what a relationship is.

pub mod adjacency;
pub mod arena;
pub mod chunked;
pub mod grouped;
pub mod index;
pub mod interner;
pub mod prefetch;
