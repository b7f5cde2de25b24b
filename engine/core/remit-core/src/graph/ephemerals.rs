//! Objects that only a request names.
//!
//! Law: a number means the same object for as long as the request lasts, and no object of the graph.

use super::EPHEMERAL;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Objects that no relationship names, as long as a request lasts.
#[derive(Default)]
pub struct Ephemerals {
    pub types: Vec<u32>,
    ends: Vec<usize>, // of their ids
    ids: String,
    numbers: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
}

impl Ephemerals {
    /// The number that it has already.
    pub fn find(&self, type_: u32, id: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((type_, id));
        let is_meant = |number: &u32| self.types[*number as usize] == type_ && self.id(*number) == id;
        self.numbers.find(hash, is_meant).map(|number| number | EPHEMERAL)
    }

    /// The number that it has, given now where it had none.
    pub fn number(&mut self, type_: u32, id: &str) -> u32 {
        if let Some(number) = self.find(type_, id) {
            return number;
        }
        let number = self.types.len() as u32;
        self.types.push(type_);
        self.ids.push_str(id);
        self.ends.push(self.ids.len());
        let Ephemerals { types, ends, ids, numbers, hasher } = self;
        let id_of = |number: u32| {
            let start = if number == 0 { 0 } else { ends[number as usize - 1] };
            &ids[start..ends[number as usize]]
        };
        let hash = hasher.hash_one((type_, id));
        numbers.insert_unique(hash, number, |each| hasher.hash_one((types[*each as usize], id_of(*each))));
        number | EPHEMERAL
    }

    pub fn id(&self, number: u32) -> &str {
        let place = (number & !EPHEMERAL) as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.ids[start..self.ends[place]]
    }

    pub fn clear(&mut self) {
        if !self.types.is_empty() {
            self.types.clear();
            self.ends.clear();
            self.ids.clear();
            self.numbers.clear();
        }
    }
}
