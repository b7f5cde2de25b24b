//! The second reading: the same messages as prost reads them, from structs that say which fields there are.
//!
//! Law: what the frontend reads, this reads to the same; it is written from proto/ and `authzed.api.v1`, and
//! shares nothing with the core.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Object {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Subject {
    #[prost(message, optional, tag = "1")]
    pub object: Option<Object>,
    #[prost(string, tag = "2")]
    pub relation: String,
}

/// `google.protobuf.Struct`, its values unread.
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    #[prost(message, repeated, tag = "1")]
    pub fields: Vec<Field>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Field {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Call {
    #[prost(string, tag = "1")]
    pub tool: String,
    #[prost(bytes = "vec", tag = "2")]
    pub arguments: Vec<u8>,
    #[prost(string, tag = "3")]
    pub purpose: String,
    #[prost(string, tag = "4")]
    pub descriptor: String,
}

/// What every question has, and perhaps a `context` and (Remit's alone) a call.
#[derive(Clone, PartialEq, Message)]
pub struct Item {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Object>,
    #[prost(string, tag = "2")]
    pub permission: String,
    #[prost(message, optional, tag = "3")]
    pub subject: Option<Subject>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub context: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub call: Option<Call>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Consistency {
    #[prost(string, optional, tag = "1")]
    pub at_least: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub at_exactly: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    #[prost(string, tag = "1")]
    pub store: String,
    #[prost(message, optional, tag = "2")]
    pub consistency: Option<Consistency>,
    #[prost(message, optional, tag = "3")]
    pub resource: Option<Object>,
    #[prost(string, tag = "4")]
    pub permission: String,
    #[prost(message, optional, tag = "5")]
    pub subject: Option<Subject>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub context: Option<Vec<u8>>,
    #[prost(bool, tag = "7")]
    pub explain: bool,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub contextual: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "9")]
    pub call: Option<Call>,
}

impl CheckRequest {
    pub fn item(&self) -> Item {
        Item {
            resource: self.resource.clone(),
            permission: self.permission.clone(),
            subject: self.subject.clone(),
            context: self.context.clone(),
            call: self.call.clone(),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckManyRequest {
    #[prost(string, tag = "1")]
    pub store: String,
    #[prost(message, optional, tag = "2")]
    pub consistency: Option<Consistency>,
    #[prost(message, repeated, tag = "3")]
    pub items: Vec<Item>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub contextual: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ExpandRequest {
    #[prost(string, tag = "1")]
    pub store: String,
    #[prost(message, optional, tag = "2")]
    pub consistency: Option<Consistency>,
    #[prost(message, optional, tag = "3")]
    pub resource: Option<Object>,
    #[prost(string, tag = "4")]
    pub permission: String,
    #[prost(uint32, tag = "5")]
    pub depth: u32,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub contextual: Vec<Vec<u8>>,
}

// --- SpiceDB's ---------------------------------------------------------------------------------------------------

#[derive(Clone, PartialEq, Message)]
pub struct ZedToken {
    #[prost(string, tag = "1")]
    pub token: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ZedConsistency {
    #[prost(bool, optional, tag = "1")]
    pub minimize_latency: Option<bool>,
    #[prost(message, optional, tag = "2")]
    pub at_least_as_fresh: Option<ZedToken>,
    #[prost(message, optional, tag = "3")]
    pub at_exact_snapshot: Option<ZedToken>,
    #[prost(bool, optional, tag = "4")]
    pub fully_consistent: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckPermissionRequest {
    #[prost(message, optional, tag = "1")]
    pub consistency: Option<ZedConsistency>,
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Object>,
    #[prost(string, tag = "3")]
    pub permission: String,
    #[prost(message, optional, tag = "4")]
    pub subject: Option<Subject>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub context: Option<Vec<u8>>,
    #[prost(bool, tag = "6")]
    pub with_tracing: bool,
}

impl CheckPermissionRequest {
    pub fn item(&self) -> Item {
        Item {
            resource: self.resource.clone(),
            permission: self.permission.clone(),
            subject: self.subject.clone(),
            context: self.context.clone(),
            call: None,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckBulkRequest {
    #[prost(message, optional, tag = "1")]
    pub consistency: Option<ZedConsistency>,
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<Item>,
    #[prost(bool, tag = "3")]
    pub with_tracing: bool,
}

// --- answers -----------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    #[prost(int32, tag = "1")]
    pub verdict: i32,
    #[prost(string, tag = "3")]
    pub token: String,
    #[prost(message, optional, tag = "4")]
    pub evaluated_at: Option<Timestamp>,
    #[prost(uint64, tag = "5")]
    pub steps: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckAnswer {
    #[prost(int32, tag = "1")]
    pub verdict: i32,
    #[prost(uint64, tag = "3")]
    pub steps: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckManyResult {
    #[prost(message, optional, tag = "1")]
    pub answer: Option<CheckAnswer>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckManyResponse {
    #[prost(message, repeated, tag = "1")]
    pub results: Vec<CheckManyResult>,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(message, optional, tag = "3")]
    pub evaluated_at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckPermissionResponse {
    #[prost(message, optional, tag = "1")]
    pub checked_at: Option<ZedToken>,
    #[prost(int32, tag = "2")]
    pub permissionship: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct BulkItem {
    #[prost(int32, tag = "1")]
    pub permissionship: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct BulkPair {
    #[prost(message, optional, tag = "1")]
    pub request: Option<Item>,
    #[prost(message, optional, tag = "2")]
    pub item: Option<BulkItem>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckBulkResponse {
    #[prost(message, optional, tag = "1")]
    pub checked_at: Option<ZedToken>,
    #[prost(message, repeated, tag = "2")]
    pub pairs: Vec<BulkPair>,
}
