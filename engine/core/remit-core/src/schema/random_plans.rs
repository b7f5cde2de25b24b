//! Random schemas for the tests of what is worked out from a plan: few names, so that permissions lean on each other.

use super::plan::{Definition, Expression};
use proptest::prelude::*;

const NAMES: usize = 6;

/// One or two definitions, each with a relation `r` and permissions made of anything.
pub fn definitions() -> impl Strategy<Value = Vec<Definition>> {
    prop::collection::vec(prop::collection::vec(expression(), NAMES), 1..3).prop_map(|expressions| {
        let named = expressions.into_iter().enumerate().map(|(number, of)| Definition {
            name: format!("t{number}"),
            relations: vec!["r".to_owned()],
            permissions: of.into_iter().enumerate().map(|(place, it)| (format!("p{place}"), it)).collect(),
            asking: Vec::new(),
        });
        named.collect()
    })
}

fn name() -> impl Strategy<Value = String> {
    (0..NAMES).prop_map(|number| format!("p{number}"))
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        4 => name().prop_map(Expression::Name),
        2 => name().prop_map(|name| Expression::Arrow { relation: "r".to_owned(), name, every: false }),
        1 => name().prop_map(Expression::SubjectArrow),
        1 => Just(Expression::Exists("r".to_owned())),
        1 => name().prop_map(|child| Expression::Along { child, relations: vec!["r".to_owned()] }),
        1 => Just(Expression::Itself),
        1 => Just(Expression::Nil),
        1 => Just(Expression::Name("r".to_owned())),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expression::Union),
            prop::collection::vec(inner, 1..4).prop_map(Expression::Intersection),
            (boxed.clone(), boxed).prop_map(|(base, subtracted)| Expression::Exclusion(base, subtracted)),
        ]
    })
}
