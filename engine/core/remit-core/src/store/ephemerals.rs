//! Objects that only a request names.
//!
//! Law: a number means the same object for as long as the request lasts, and no object of the graph.

use crate::graph::EPHEMERAL;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Objects that no relationship names, as long as a request lasts.
#[derive(Default)]
pub(super) struct Ephemerals {
    pub(super) types: Vec<u32>,
    ends: Vec<usize>, // of their ids
    ids: String,
    numbers: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
}

impl Ephemerals {
    pub(super) fn number(&mut self, type_: u32, id: &str) -> u32 {
        let hash = self.hasher.hash_one((type_, id));
        let Ephemerals { types, ends, ids, numbers, hasher } = self;
        let id_of = |number: u32| {
            let start = if number == 0 { 0 } else { ends[number as usize - 1] };
            &ids[start..ends[number as usize]]
        };
        let is_meant = |number: &u32| types[*number as usize] == type_ && id_of(*number) == id;
        if let Some(number) = numbers.find(hash, is_meant) {
            return number | EPHEMERAL;
        }
        let number = types.len() as u32;
        numbers.insert_unique(hash, number, |each| hasher.hash_one((types[*each as usize], id_of(*each))));
        types.push(type_);
        ids.push_str(id);
        ends.push(ids.len());
        number | EPHEMERAL
    }

    pub(super) fn id(&self, number: u32) -> &str {
        let place = (number & !EPHEMERAL) as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.ids[start..self.ends[place]]
    }

    pub(super) fn clear(&mut self) {
        if !self.types.is_empty() {
            self.types.clear();
            self.ends.clear();
            self.ids.clear();
            self.numbers.clear();
        }
    }
}
