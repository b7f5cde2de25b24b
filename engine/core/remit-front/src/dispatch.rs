//! Whole requests that threads of Python answer: which there are (`unary`), where they wait, and how answers come back.

pub mod call;
pub mod unary;
pub mod work_queues;
