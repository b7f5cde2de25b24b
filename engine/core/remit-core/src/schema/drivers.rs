//! What of an expression has to hold for the whole to hold: the nodes of the plan that a lookup walks through.
//!
//! Law: where an expression is not a no, one of its drivers is not.

use super::plan::{Body, Node, Plan};
use crate::graph::NONE;

/// Of each node, whether it may hold whatever relationships an object has.
#[derive(Default)]
pub struct Drivers {
    is_wide: Vec<bool>,
}

impl Drivers {
    /// Cost: O(schema).
    pub fn of(plan: &Plan) -> Drivers {
        Widening::of(plan).drivers(plan)
    }

    /// Of an `&` those of one operand, of a `-` those of what is subtracted from: all that `tell` hears of, and of each
    /// whether its yes is enough for the whole.
    pub fn each(&self, plan: &Plan, node: u32, tell: &mut impl FnMut(Node, bool)) {
        self.each_of(plan, node, true, tell);
    }

    fn each_of(&self, plan: &Plan, node: u32, alone: bool, tell: &mut impl FnMut(Node, bool)) {
        match plan.nodes[node as usize] {
            Node::Union { from, to } => {
                for operand in &plan.operands[from as usize..to as usize] {
                    self.each_of(plan, *operand, alone, tell);
                }
            }
            Node::Intersection { from, to } => {
                let operands = plan.operands[from as usize..to as usize].iter();
                if let Some(narrowest) = operands.min_by_key(|operand| self.is_wide[**operand as usize]) {
                    self.each_of(plan, *narrowest, alone && to - from == 1, tell);
                }
            }
            Node::Exclusion { base, .. } => self.each_of(plan, base, false, tell),
            leaf => tell(leaf, alone),
        }
    }
}

/// Every node of an expression, whatever it is to the whole.
pub fn each_node(plan: &Plan, node: u32, tell: &mut impl FnMut(Node)) {
    let node = plan.nodes[node as usize];
    tell(node);
    match node {
        Node::Union { from, to } | Node::Intersection { from, to } => {
            for operand in &plan.operands[from as usize..to as usize] {
                each_node(plan, *operand, tell);
            }
        }
        Node::Exclusion { base, subtracted } => {
            each_node(plan, base, tell);
            each_node(plan, subtracted, tell);
        }
        _ => {}
    }
}

/// Who becomes wide by whom. Each node and each slot tells those above it once, so that a long chain of names costs its
/// length and not its square.
struct Widening {
    above: Vec<u32>,        // by node: the node that it is an operand of, NONE for the whole of an expression
    left: Vec<u32>,         // by node: how many operands have yet to be wide for it to be
    slots: Vec<u32>,        // by node: the slot whose whole expression it is, NONE for a part
    readers: Vec<Vec<u32>>, // by slot: nodes that are wide when it is
    alongs: Vec<Vec<u32>>,  // by slot: likewise, each `along` of it
    arrows: Vec<Vec<u32>>,  // by table of targets: the arrows to it
    tables_of: Vec<Vec<u32>>, // by slot: the tables that it stands in
}

impl Widening {
    fn of(plan: &Plan) -> Widening {
        let (nodes, slots, tables) = (plan.nodes.len(), plan.slots.len(), plan.tables_len());
        let mut widening = Widening {
            above: vec![NONE; nodes],
            left: vec![1; nodes],
            slots: vec![NONE; nodes],
            readers: vec![Vec::new(); slots],
            alongs: vec![Vec::new(); slots],
            arrows: vec![Vec::new(); tables],
            tables_of: vec![Vec::new(); slots],
        };
        for (number, node) in plan.nodes.iter().enumerate() {
            match *node {
                Node::Union { from, to } | Node::Intersection { from, to } => {
                    if matches!(node, Node::Intersection { .. }) {
                        widening.left[number] = to - from;
                    }
                    for operand in &plan.operands[from as usize..to as usize] {
                        widening.above[*operand as usize] = number as u32;
                    }
                }
                Node::Exclusion { base, .. } => widening.above[base as usize] = number as u32,
                Node::Goal { slot } => widening.readers[slot as usize].push(number as u32),
                Node::Arrow { targets, .. } => widening.arrows[targets as usize].push(number as u32),
                Node::SubjectArrow { .. } | Node::Exists { .. } | Node::Itself | Node::Nil => {}
            }
        }
        for (number, slot) in plan.slots.iter().enumerate() {
            match slot.body {
                Body::Relation => {}
                Body::Permission { node } => widening.slots[node as usize] = number as u32,
                Body::Along { child, .. } => widening.alongs[child as usize].push(number as u32),
            }
        }
        for table in 0..tables as u32 {
            for slot in plan.targets_of(table) {
                widening.tables_of[slot as usize].push(table);
            }
        }
        widening
    }

    fn drivers(mut self, plan: &Plan) -> Drivers {
        let mut is_wide = vec![false; plan.nodes.len()];
        let mut is_told = vec![false; plan.slots.len()];
        let mut waiting: Vec<u32> = Vec::new();
        let wide_alone = |node: &Node| matches!(node, Node::SubjectArrow { .. } | Node::Exists { .. });
        waiting.extend((0..plan.nodes.len() as u32).filter(|number| wide_alone(&plan.nodes[*number as usize])));
        while let Some(node) = waiting.pop() {
            if std::mem::replace(&mut is_wide[node as usize], true) {
                continue;
            }
            if let Some(left) = self.left.get_mut(self.above[node as usize] as usize) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    waiting.push(self.above[node as usize]);
                }
            }
            let mut slots = vec![self.slots[node as usize]];
            while let Some(slot) = slots.pop() {
                if slot == NONE || std::mem::replace(&mut is_told[slot as usize], true) {
                    continue;
                }
                waiting.append(&mut self.readers[slot as usize]);
                slots.append(&mut self.alongs[slot as usize]);
                for table in &self.tables_of[slot as usize] {
                    waiting.append(&mut self.arrows[*table as usize]);
                }
            }
        }
        Drivers { is_wide }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::schema::random_plans::definitions;
    use proptest::prelude::*;

    /// What it means, as plainly as it can be said.
    fn is_wide(plan: &Plan, wide: &[bool], node: u32) -> bool {
        let operands = |from: u32, to: u32| plan.operands[from as usize..to as usize].iter();
        match plan.nodes[node as usize] {
            Node::Union { from, to } => operands(from, to).any(|operand| is_wide(plan, wide, *operand)),
            Node::Intersection { from, to } => operands(from, to).all(|operand| is_wide(plan, wide, *operand)),
            Node::Exclusion { base, .. } => is_wide(plan, wide, base),
            Node::Goal { slot } => wide[slot as usize],
            Node::Arrow { targets, .. } => plan.targets_of(targets).any(|slot| wide[slot as usize]),
            Node::SubjectArrow { .. } | Node::Exists { .. } => true,
            Node::Itself | Node::Nil => false,
        }
    }

    fn plainly(plan: &Plan) -> Vec<bool> {
        let mut wide = vec![false; plan.slots.len()];
        loop {
            let now: Vec<bool> = plan
                .slots
                .iter()
                .map(|slot| match slot.body {
                    Body::Relation => false,
                    Body::Permission { node } => is_wide(plan, &wide, node),
                    Body::Along { child, .. } => wide[child as usize],
                })
                .collect();
            if now == wide {
                return (0..plan.nodes.len() as u32).map(|node| is_wide(plan, &wide, node)).collect();
            }
            wide = now;
        }
    }

    proptest! {
        #[test]
        fn what_is_wide_is_what_repeating_its_meaning_finds(
            definitions in definitions()
        ) {
            let plan = Plan::compile(&definitions, &mut Graph::default());
            prop_assert_eq!(Drivers::of(&plan).is_wide, plainly(&plan));
        }
    }
}
