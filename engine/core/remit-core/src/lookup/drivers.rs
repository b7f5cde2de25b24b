//! What of an expression has to hold for the whole to hold: the nodes of the plan that a walk goes through.
//!
//! Law: where an expression is not a no, one of its drivers is not.

use crate::schema::plan::{Body, Node, Plan};

/// Of each slot, whether it may hold whatever relationships an object has.
pub struct Drivers {
    wide: Vec<bool>,
}

impl Drivers {
    /// Cost: O(schema), as often as names that hold for everybody lean on each other.
    pub fn of(plan: &Plan) -> Drivers {
        let mut drivers = Drivers { wide: vec![false; plan.slots.len()] };
        loop {
            let mut is_settled = true;
            for (number, slot) in plan.slots.iter().enumerate() {
                let is_wide = match slot.body {
                    Body::Relation => false,
                    Body::Permission { node } => drivers.is_wide(plan, node),
                    Body::Along { child, .. } => drivers.wide[child as usize],
                };
                is_settled &= !is_wide || drivers.wide[number];
                drivers.wide[number] |= is_wide;
            }
            if is_settled {
                return drivers;
            }
        }
    }

    /// Of an `&` those of one operand, of a `-` those of what is subtracted from: all that `tell` hears of.
    pub fn each(&self, plan: &Plan, node: u32, tell: &mut impl FnMut(Node)) {
        match plan.nodes[node as usize] {
            Node::Union { from, to } => {
                for operand in &plan.operands[from as usize..to as usize] {
                    self.each(plan, *operand, tell);
                }
            }
            Node::Intersection { from, to } => {
                let operands = plan.operands[from as usize..to as usize].iter();
                if let Some(narrowest) = operands.min_by_key(|operand| self.is_wide(plan, **operand)) {
                    self.each(plan, *narrowest, tell);
                }
            }
            Node::Exclusion { base, .. } => self.each(plan, base, tell),
            leaf => tell(leaf),
        }
    }

    fn is_wide(&self, plan: &Plan, node: u32) -> bool {
        let operands = |from: u32, to: u32| plan.operands[from as usize..to as usize].iter();
        match plan.nodes[node as usize] {
            Node::Union { from, to } => operands(from, to).any(|operand| self.is_wide(plan, *operand)),
            Node::Intersection { from, to } => operands(from, to).all(|operand| self.is_wide(plan, *operand)),
            Node::Exclusion { base, .. } => self.is_wide(plan, base),
            Node::Goal { slot } => self.wide[slot as usize],
            Node::Arrow { targets, .. } => plan.targets_of(targets).any(|slot| self.wide[slot as usize]),
            Node::SubjectArrow { .. } | Node::Exists { .. } => true,
            Node::Itself | Node::Nil => false,
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
