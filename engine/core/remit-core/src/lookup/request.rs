//! What is looked up, in numbers.
//!
//! Law: it is good for the state of the store that it was made in.

use crate::check::goals::Subject;

/// Of which objects of a type does the subject have the slot?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lookup {
    pub slot: u32,
    pub type_: u32,
    pub subject: Subject,
}

/// Which objects of a type have the slot of the object, or with a kind which usersets of them?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubjectLookup {
    pub object: u32,
    pub slot: u32,
    pub type_: u32,
    pub kind: u32, // NONE for plain subjects
}

/// Where a page begins, and how many entries it may have. `after` is "" for the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub after: &'a str,
    pub limit: usize,
}
