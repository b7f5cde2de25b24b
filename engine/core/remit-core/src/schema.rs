//! The schema that questions are answered by: compiled (`plan`), what can lead to what at all (`reach`), and
//! what has to hold for a permission to hold (`drivers`).

pub(crate) mod drivers;
pub mod plan;
pub(crate) mod reach;
