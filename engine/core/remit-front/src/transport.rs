//! Sockets, TLS and HTTP/2: who listens, who reads, and the way on to grpcio.

mod connection;
mod handshakes;
pub mod health;
mod messages;
mod paced_io;
pub mod peers;
pub mod pool;
pub(crate) mod proxy;
mod request_meta;
pub mod server;
pub mod tls;
mod upstream;
pub mod worker;
