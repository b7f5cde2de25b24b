//! The front door: gRPC ended by the core itself, on threads that never wait for Python.
//!
//! A call comes in at `server` (who listens), `connection` (who reads), then either `native` (what is answered here, by
//! what `questions` reads and a `decider` knows) or `proxy` (what is carried on to Python through `upstream`).
//! Law: a caller cannot tell which of the two it was, but by the time it took.

pub mod callers;
pub mod connection;
pub mod decider;
pub mod native;
pub mod notation;
pub mod numbers;
pub mod protobuf;
pub mod proxy;
pub mod python;
pub mod questions;
pub mod refusals;
pub mod server;
pub mod spicedb;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod tokens;
pub mod upstream;

/// The content type of every answer.
pub const GRPC: &str = "application/grpc";
