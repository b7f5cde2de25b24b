//! Whole requests that threads of Python answer: which there are (`unary`), where they wait, and how answers come back.

pub mod dispatched_call;
pub mod queues;
pub mod work_queue;
