//! What is answered here, without Python: from the bytes of a request to those of its answer.

pub mod answer;
pub mod engine;
pub mod expansions;
pub mod methods;
pub mod questions;
pub mod spicedb;
