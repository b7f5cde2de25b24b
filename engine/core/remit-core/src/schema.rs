//! The schema that questions are answered by: compiled (`plan`), and what can lead to what at all (`reach`).

pub mod plan;
pub(crate) mod reach;
