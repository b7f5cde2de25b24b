//! What travels in messages, beside protobuf itself (`remit_core::protobuf`): names, ids and tokens.

pub mod notation;
pub mod tokens;
