//! Which relations of its own object a permission comes down to: whoever has it is in one of them.
//!
//! A profile is held (`holds = holder - hold.exists()`) by nobody who is not a `holder` of it, so who holds which of ten
//! thousand profiles is found from the few edges of a subject. That is not so of a permission that may come from another
//! object, from the subject itself, or from there being an edge.
//! Law: where a subject has a slot of an object, it is in a source of that slot, or the object itself and that is a source.

use super::drivers::Drivers;
use super::plan::{Body, Node, Plan};
use crate::graph::NONE;

/// What one slot comes down to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotSources {
    pub kinds: Vec<u32>, // of relations, in order
    pub is_itself: bool,
}

/// Relations of one permission from which on nobody looks for its subjects this way.
const KINDS_MAX: usize = 8;

/// By slot, and by table of targets of all its slots; None where it does not come down to a few relations of its own object.
#[derive(Default)]
pub struct Sources {
    by_slot: Vec<Option<SlotSources>>,
    by_table: Vec<Option<SlotSources>>,
}

#[derive(Clone, Copy)]
enum Source {
    Kind(u32),
    Itself,
    Elsewhere,
}

impl Sources {
    /// Cost: O(schema): a slot tells those that ask for it of each of its few sources once.
    pub fn of(plan: &Plan, drivers: &Drivers) -> Sources {
        let mut readers: Vec<Vec<u32>> = vec![Vec::new(); plan.slots.len()];
        let mut waiting: Vec<(u32, Source)> = Vec::new();
        for (number, slot) in plan.slots.iter().enumerate() {
            let number = number as u32;
            match slot.body {
                Body::Relation => waiting.push((number, Source::Kind(slot.kind))),
                Body::Along { child, .. } => readers[child as usize].push(number),
                Body::Permission { node } => drivers.each(plan, node, &mut |leaf, _| match leaf {
                    Node::Goal { slot } => readers[slot as usize].push(number),
                    Node::Itself => waiting.push((number, Source::Itself)),
                    Node::Nil => {}
                    _ => waiting.push((number, Source::Elsewhere)),
                }),
            }
        }
        let mut by_slot = vec![Some(SlotSources::default()); plan.slots.len()];
        while let Some((slot, source)) = waiting.pop() {
            if let Some(told) = take(&mut by_slot[slot as usize], source) {
                waiting.extend(readers[slot as usize].iter().map(|reader| (*reader, told)));
            }
        }
        let of_table = |table| {
            let mut together = Some(SlotSources::default());
            for slot in plan.targets_of(table) {
                let SlotSources { kinds, is_itself } = by_slot[slot as usize].as_ref()?;
                let each = kinds.iter().map(|kind| Source::Kind(*kind)).chain(is_itself.then_some(Source::Itself));
                each.for_each(|source| {
                    take(&mut together, source);
                });
            }
            together
        };
        let by_table = (0..plan.tables_len() as u32).map(of_table).collect();
        Sources { by_slot, by_table }
    }

    /// Of an arrow's name, whatever the target's type.
    #[inline]
    pub fn of_table(&self, targets: u32) -> Option<&SlotSources> {
        self.by_table[targets as usize].as_ref()
    }

    /// None as well for what the schema has not.
    #[inline]
    pub fn of_slot(&self, slot: u32) -> Option<&SlotSources> {
        if slot == NONE { None } else { self.by_slot[slot as usize].as_ref() }
    }
}

/// Take a source in: what is new to those who ask for the slot.
fn take(known: &mut Option<SlotSources>, source: Source) -> Option<Source> {
    let sources = known.as_mut()?;
    let is_known = match source {
        Source::Elsewhere => false,
        Source::Itself => std::mem::replace(&mut sources.is_itself, true),
        Source::Kind(kind) => match sources.kinds.binary_search(&kind) {
            Ok(_) => true,
            Err(place) => {
                sources.kinds.insert(place, kind);
                false
            }
        },
    };
    if matches!(source, Source::Elsewhere) || sources.kinds.len() > KINDS_MAX {
        *known = None;
        return Some(Source::Elsewhere);
    }
    (!is_known).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::schema::random_plans::definitions;
    use proptest::prelude::*;

    /// What it means: everything that can be come to by drivers, name by name.
    fn plainly(plan: &Plan, drivers: &Drivers, slot: u32) -> Option<SlotSources> {
        let mut met = vec![slot];
        let mut sources = SlotSources::default();
        let mut is_elsewhere = false;
        let mut looked = 0;
        while let Some(&slot) = met.get(looked) {
            looked += 1;
            let slot = plan.slots[slot as usize];
            let mut asked = Vec::new();
            match slot.body {
                Body::Relation => sources.kinds.push(slot.kind),
                Body::Along { child, .. } => asked.push(child),
                Body::Permission { node } => drivers.each(plan, node, &mut |leaf, _| match leaf {
                    Node::Goal { slot } => asked.push(slot),
                    Node::Itself => sources.is_itself = true,
                    Node::Nil => {}
                    _ => is_elsewhere = true,
                }),
            }
            asked.retain(|slot| !met.contains(slot));
            met.extend(asked);
        }
        sources.kinds.sort_unstable();
        sources.kinds.dedup();
        (!is_elsewhere).then_some(sources)
    }

    proptest! {
        #[test]
        fn sources_are_what_following_the_drivers_comes_to(definitions in definitions()) {
            let plan = Plan::compile(&definitions, &mut Graph::default());
            let drivers = Drivers::of(&plan);
            let sources = Sources::of(&plan, &drivers);
            for slot in 0..plan.slots.len() as u32 {
                let expected = plainly(&plan, &drivers, slot);
                prop_assert_eq!(sources.of_slot(slot), expected.as_ref());
            }
            for table in 0..plan.tables_len() as u32 {
                let each: Option<Vec<SlotSources>> = plan.targets_of(table).map(|slot| plainly(&plan, &drivers, slot)).collect();
                let is_meant = |found: &SlotSources| {
                    let each = each.as_ref().expect("all of them come down to something");
                    found.is_itself == each.iter().any(|one| one.is_itself)
                        && (0..100).all(|kind| found.kinds.contains(&kind) == each.iter().any(|one| one.kinds.contains(&kind)))
                };
                prop_assert!(sources.of_table(table).map_or(each.is_none(), is_meant));
            }
        }
    }

    #[test]
    fn a_permission_of_many_relations_comes_down_to_none() {
        use crate::schema::plan::{Definition, Expression};
        let relations: Vec<String> = (0..=KINDS_MAX).map(|number| format!("r{number}")).collect();
        let union = |count: usize| {
            let names = relations[..count].iter().map(|name| Expression::Name(name.clone()));
            Expression::Union(names.collect())
        };
        let permissions = vec![
            ("few".to_owned(), union(KINDS_MAX)),
            ("many".to_owned(), union(KINDS_MAX + 1)),
            ("reads".to_owned(), Expression::Name("many".to_owned())),
        ];
        let mut graph = Graph::default();
        let definition =
            Definition { name: "t".to_owned(), relations: relations.clone(), permissions, ..Definition::default() };
        let plan = Plan::compile(&[definition], &mut graph);
        let sources = Sources::of(&plan, &Drivers::of(&plan));
        let mut found = |name| sources.of_slot(plan.slot_of_kind(graph.kind("t", name))).map(|each| each.kinds.len());
        assert_eq!((found("few"), found("many"), found("reads")), (Some(KINDS_MAX), None, None));
    }
}
