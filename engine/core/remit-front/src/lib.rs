//! The frontend: gRPC ended by the core itself, on threads that never wait for Python.
//!
//! A call comes in at `transport` (`server` listens, `connection` reads). Its path says its row in the table of `verbs`, and
//! that the right it needs, which `credentials` looks for before its message is read. Then it goes one of three ways: the
//! `hot_path` (answered here: `questions` and `expansions` read it, the `engine` knows), `dispatch` (a whole request that
//! waits in a `work_queue` for a thread of Python), or `transport/proxy` (all else, streams above all, and who is not let
//! in, carried on to grpcio through `upstream`).
//! Laws: a caller cannot tell which of the three it was, but by the time it took. Rooms know only those below them in
//! `tests/native/test_core_layers.py`.

pub mod codec;
pub mod credentials;
pub mod dispatch;
pub mod fair_quota;
mod fair_semaphore;
pub mod hot_path;
pub mod metrics;
mod response;
pub mod status;
#[cfg(test)]
mod tests;
pub mod transport;
mod turns;
pub mod verbs;
