//! The front door: gRPC ended by the core itself, on threads that never wait for Python.
//!
//! A call comes in at `server` (who listens), `connection` (who reads), then goes one of three ways: `native` (answered
//! here, by what `questions` and `expansions` read and a `decider` knows), `handed` (a whole request that waits in one
//! of the `lanes` for a thread of Python), or `proxy` (all else, streams above all, carried on to grpcio through
//! `upstream`).
//! Law: a caller cannot tell which of the three it was, but by the time it took.

pub mod callers;
pub mod connection;
pub mod decider;
pub mod expansions;
pub mod handed;
pub mod lanes;
pub mod native;
pub mod notation;
pub mod numbers;
pub mod proxy;
pub mod python;
pub mod questions;
pub mod refusals;
pub mod server;
pub mod shares;
pub mod spicedb;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod tokens;
pub mod unary;
pub mod upstream;

use crate::protobuf;

/// The content type of every answer.
pub const GRPC: &str = "application/grpc";
