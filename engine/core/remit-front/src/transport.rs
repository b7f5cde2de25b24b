//! Sockets, TLS and HTTP/2: who listens, who reads, and the way on to grpcio.

mod capacity;
mod connection;
pub(crate) mod proxy;
mod request_meta;
pub mod server;
pub mod tls;
mod upstream;
pub mod worker;
