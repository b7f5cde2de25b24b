//! The front frontend: gRPC ended by the core itself, on threads that never wait for Python.
//!
//! A call comes in at `transport` (`server` listens, `connection` reads), then goes one of three ways: the `hot_path`
//! (answered here: `questions` and `expansions` read it, the `engine` knows), `dispatch` (a whole request that waits in one
//! of the `work_queues` for a thread of Python), or `transport/proxy` (all else, streams above all, carried on to grpcio
//! through `upstream`).
//! Laws: a caller cannot tell which of the three it was, but by the time it took. Rooms know only those below them in
//! `tests/native/test_core_layers.py`.

pub mod codec;
pub mod credentials;
pub mod dispatch;
pub mod fair_quota;
pub mod hot_path;
pub mod metrics;
mod response;
pub mod status;
#[cfg(test)]
mod tests;
pub mod transport;
