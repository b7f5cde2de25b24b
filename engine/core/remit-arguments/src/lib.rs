//! Calls judged by their arguments, as `engine/remit/arguments` has it: `json_text` reads a call's bytes strictly, `values`
//! has the types and their grammars, `document` parses the constraint document beside a relationship, and `judge` says what a
//! call comes to under one, in the words of `judged`.
//!
//! Law: what cannot be judged is unknown, and never a yes; nothing here repairs a value, so that whoever decides, whoever
//! enforces and the tool itself see the same bytes.

pub mod document;
mod glob;
pub mod json_text;
pub mod judge;
pub mod judged;
pub mod values;

pub use document::{Document, Side};
pub use json_text::{Json, Problem};
pub use judge::{ReadCall, judge};
pub use judged::{Judged, Verdict};
pub use values::Type;
