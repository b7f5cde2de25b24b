//! Whole requests that threads of Python answer: where they wait, and how what came of them is sent.

pub mod dispatched_call;
pub mod queues;
pub mod work_queue;
