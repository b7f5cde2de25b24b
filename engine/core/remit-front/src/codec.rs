//! What travels in messages, beside protobuf itself (`remit_core::protobuf`): names, ids and tokens.

pub mod field_numbers;
pub mod notation;
pub mod tokens;
