//! Calls judged by their arguments, as `engine/remit/arguments` has it: `json_text` reads a call's bytes strictly, `values`
//! has the types and their grammars, `document` parses the constraint document beside a relationship, and `judge` says what a
//! call comes to under one, in the words of `judged`. `tool_schema` reads what a tool says of its arguments.
//!
//! Law: what cannot be judged is unknown, and never a yes; nothing here repairs a value, so that whoever decides, whoever
//! enforces and the tool itself see the same bytes.

pub mod call;
mod closed_schema;
pub mod document;
mod fitting;
mod glob;
pub mod json_text;
pub mod judge;
pub mod judged;
mod keywords;
mod numbers;
mod patterns;
mod schema_library;
pub mod tool_schema;
pub mod tree;
pub mod values;

pub use call::{ReadCall, Types};
pub use json_text::{Json, Object, Problem};
pub use judge::judge;
pub use judged::{Judged, Verdict};
pub use tool_schema::Descriptor;
pub use tree::{Document, Side};
pub use values::Type;
