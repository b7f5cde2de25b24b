//! The equations of a cycle of goals as gates, so that each turn of the fixed point looks at nothing again that has not
//! risen (Dowling and Gallier 1984).
//!
//! Law: a gate is decided by its parts alone, in whichever order they are taken.

use super::goals::{NO, UNKNOWN, Value, YES};
use crate::graph::NONE;

/// A part of an equation that hangs on the cycle: true once all its parts are (`every`), or any.
///
/// A `-` turns around what is right of it: there the greatest becomes the least, and goals are read as their opposite.
pub(super) struct Gate {
    pub(super) part_of: u32, // another gate
    pub(super) member: u32,  // or the goal it is the equation of
    pub(super) every: bool,
    pub(super) hanging: u32,
    pub(super) has_unknown: bool, // among the parts that are known by themselves
    pub(super) is_dead: bool,     // decided by itself, whatever its hanging parts come to
}

pub(super) struct Listener {
    pub(super) gate: u32,
    pub(super) next: u32,
}

#[derive(Default)]
pub struct Circuit {
    pub(super) gates: Vec<Gate>,
    pub(super) listeners: Vec<Listener>,
    pub(super) first_listener: Vec<u32>,   // by member
    pub(super) opposites: Vec<(u32, u32)>, // a member, and the gate that has its opposite as a part
    pub(super) known: Vec<Option<Value>>,  // by member: an equation that does not hang on the cycle
    pub(super) lacking: Vec<u32>,          // by gate, while rising
    pub(super) risen: Vec<u32>,            // gates of which a part has risen
}

impl Circuit {
    pub(super) fn clear(&mut self) {
        self.gates.clear();
        self.listeners.clear();
        self.first_listener.clear();
        self.opposites.clear();
        self.known.clear();
    }

    pub(super) fn gate(&mut self, part_of: u32, member: u32, every: bool) -> u32 {
        self.gates.push(Gate { part_of, member, every, hanging: 0, has_unknown: false, is_dead: false });
        self.gates.len() as u32 - 1
    }

    /// Take a part into a gate: a value, or None where the part hangs on the cycle. Whether the gate is decided by it.
    pub(super) fn take(&mut self, gate: u32, part: Option<Value>) -> bool {
        let gate = &mut self.gates[gate as usize];
        match part {
            None => gate.hanging += 1,
            Some(UNKNOWN) => gate.has_unknown = true,
            Some(value) => gate.is_dead |= value == if gate.every { NO } else { YES },
        }
        gate.is_dead
    }

    /// All parts were taken, or enough: the gate's value, None where it hangs on the cycle.
    pub(super) fn close(&mut self, gate: u32) -> Option<Value> {
        let gate = &mut self.gates[gate as usize];
        let decisive = if gate.every { NO } else { YES };
        if gate.is_dead {
            return Some(decisive);
        }
        if gate.hanging > 0 {
            return None;
        }
        gate.is_dead = true;
        Some(if gate.has_unknown { UNKNOWN } else { YES - decisive })
    }

    pub(super) fn listen(&mut self, member: u32, gate: u32) {
        let first = &mut self.first_listener[member as usize];
        self.listeners.push(Listener { gate, next: *first });
        *first = self.listeners.len() as u32 - 1;
    }

    pub(super) fn notify_listeners(&mut self, member: u32) {
        let mut each = self.first_listener[member as usize];
        while each != NONE {
            let listener = &self.listeners[each as usize];
            self.risen.push(listener.gate);
            each = listener.next;
        }
    }
}
