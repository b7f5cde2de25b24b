//! The schema that questions are answered by: compiled (`plan`), what can lead to what at all (`reach`), what has to hold
//! for a permission to hold (`drivers`), which relations of its object that comes down to (`sources`), and what follows
//! where something holds (`backwards`).

pub(crate) mod backwards;
pub(crate) mod drivers;
pub mod plan;
#[cfg(test)]
mod random_plans;
pub(crate) mod reach;
pub(crate) mod sources;
