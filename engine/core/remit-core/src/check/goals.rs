//! The goals of an evaluation: a hash table from a question to what is known of it, emptied between requests at the
//! cost of what was in it.
//!
//! Law: a goal is entered once; what is settled stays until the table is emptied.

use crate::memory::index::mix;

/// Who is asked about: an object, or with a kind a userset of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subject {
    pub object: u32,
    pub kind: u32, // NONE for a plain subject
}

/// Whoever it is: the subject of goals that are the same for every plain subject, so that they are settled once.
pub const ANYONE: Subject = Subject { object: u32::MAX, kind: u32::MAX };

/// Does `subject` have `slot` of `object`?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Goal {
    pub object: u32,
    pub slot: u32,
    pub subject: Subject,
}

/// What is known of a truth: NO < UNKNOWN < YES. A caveat, a cut cycle and an undefined goal are all UNKNOWN here, and an
/// answer that does not hang on one comes out exact.
pub type Value = u8;
pub const NO: Value = 0;
pub const UNKNOWN: Value = 1;
pub const YES: Value = 2;

pub const WAITING_NOT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub goal: Goal,
    cell: u32,
    /// Among the goals met but not settled; WAITING_NOT once it is no longer among them.
    pub order: u32,
    pub value: Value,
    pub is_settled: bool,
}

const CELLS_MIN: usize = 256;
const CELLS_KEPT: usize = 1 << 14; // 64 KB: more is given back after the request that needed it

pub struct Goals {
    entries: Vec<Entry>,
    cells: Vec<u32>, // 0 where empty, else the number of an entry plus one
}

impl Default for Goals {
    fn default() -> Self {
        Self { entries: Vec::new(), cells: vec![0; CELLS_MIN] }
    }
}

#[inline]
fn hash_of(goal: &Goal) -> u64 {
    let first = mix(goal.object, goal.slot);
    let second = u64::from(goal.subject.object) << 32 | u64::from(goal.subject.kind);
    (first ^ second).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31)
}

impl Goals {
    /// The number of a goal's entry, and whether it was there. Cost: O(1).
    #[inline(always)]
    pub fn enter(&mut self, goal: Goal) -> (u32, bool) {
        let mask = self.cells.len() - 1;
        let mut cell = hash_of(&goal) as usize & mask;
        while self.cells[cell] != 0 {
            let number = self.cells[cell] - 1;
            if self.entries[number as usize].goal == goal {
                return (number, true);
            }
            cell = (cell + 1) & mask;
        }
        let number = self.entries.len() as u32;
        self.cells[cell] = number + 1;
        let entry = Entry { goal, cell: cell as u32, order: WAITING_NOT, value: UNKNOWN, is_settled: false };
        self.entries.push(entry);
        if self.entries.len() * 2 > self.cells.len() {
            self.grow();
        }
        (number, false)
    }

    #[inline]
    pub fn find(&self, goal: &Goal) -> Option<u32> {
        let mask = self.cells.len() - 1;
        let mut cell = hash_of(goal) as usize & mask;
        while self.cells[cell] != 0 {
            let number = self.cells[cell] - 1;
            if self.entries[number as usize].goal == *goal {
                return Some(number);
            }
            cell = (cell + 1) & mask;
        }
        None
    }

    fn grow(&mut self) {
        let mask = self.cells.len() * 2 - 1;
        self.cells.clear();
        self.cells.resize(mask + 1, 0);
        for (number, entry) in self.entries.iter_mut().enumerate() {
            let mut cell = hash_of(&entry.goal) as usize & mask;
            while self.cells[cell] != 0 {
                cell = (cell + 1) & mask;
            }
            self.cells[cell] = number as u32 + 1;
            entry.cell = cell as u32;
        }
    }

    #[inline]
    pub fn entry(&self, number: u32) -> &Entry {
        &self.entries[number as usize]
    }

    #[inline]
    pub fn entry_mut(&mut self, number: u32) -> &mut Entry {
        &mut self.entries[number as usize]
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Cost: O(entries).
    #[inline]
    pub fn clear(&mut self) {
        if self.cells.len() > CELLS_KEPT {
            *self = Self::default();
            return;
        }
        for entry in self.entries.drain(..) {
            self.cells[entry.cell as usize] = 0;
        }
    }

    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.cells.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_entered_once_and_gone_after_clearing() {
        let mut goals = Goals::default();
        let goal = |object| Goal { object, slot: object % 7, subject: Subject { object: 3, kind: u32::MAX } };
        for round in [10, 100, 20_000, 50] {
            for object in 0..round {
                assert_eq!(goals.enter(goal(object)), (object, false));
            }
            for object in 0..round {
                assert_eq!(goals.enter(goal(object)), (object, true));
                assert_eq!(goals.find(&goal(object)), Some(object));
            }
            assert_eq!(goals.find(&goal(round)), None);
            goals.clear();
            assert_eq!(goals.find(&goal(0)), None);
        }
    }
}
