//! Check: from the goal that a question is to yes, no or *not decided here*.

pub(crate) mod ask;
pub(crate) mod cache;
pub(crate) mod cache_stats;
pub mod calls;
pub mod caveats;
pub(crate) mod circuit;
pub(crate) mod closure;
pub(crate) mod descriptors;
pub(crate) mod equations;
pub(crate) mod evaluator;
pub(crate) mod fixpoint;
pub(crate) mod gates;
pub(crate) mod goals;
pub(crate) mod judging;
pub(crate) mod met_targets;
pub(crate) mod operands;
pub(crate) mod stack;
pub(crate) mod subject_side;
pub(crate) mod walk;
pub(crate) mod walk_back;
pub(crate) mod walk_up;
