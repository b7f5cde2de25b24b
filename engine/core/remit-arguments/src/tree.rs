//! Constraint documents as trees: what a relationship says of the calls that it counts for.
//!
//! `document` reads them, `judge` judges calls by them.
//! Law: nothing here is a matter of spelling; two documents that are read from one text by RFC 8785 are equal trees.

use crate::glob::Glob;
use crate::json_text::Json;
use ipnet::IpNet;
use std::sync::Arc;

/// Of a glob: about as long as the other members take.
const STEPS_OF_A_JUDGEMENT: u64 = 16;

/// The two caveats that `use arguments` brings: `Arguments` stands where authority is given, and its document covers the
/// whole call; `Matching` where authority is taken, and its document names what it cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Arguments,
    Matching,
}

impl Side {
    /// The caveat's name.
    pub fn name(self) -> &'static str {
        match self {
            Side::Arguments => "arguments",
            Side::Matching => "matching",
        }
    }

    pub fn parse(name: &str) -> Option<Side> {
        [Side::Arguments, Side::Matching].into_iter().find(|side| side.name() == name)
    }
}

// --- what a constraint is made of -----------------------------------------------------------------------------------

#[derive(Clone, Debug)]
pub enum Member {
    Equals(Json),
    /// The value that the run was given under the name when it was spawned.
    EqualsBinding(Box<str>),
    OneOf(OneOf),
    Bound(Bound),
    MaxLength(usize),
    Prefix(Box<str>),
    Subpath(Box<str>),
    Glob(Box<Glob>),
    Cidr(Vec<IpNet>),
    Host(Hosts),
    Url(Box<Link>),
    /// Every element; a list of fewer holds none of them.
    Each(Box<Constraint>, usize),
    Some(Box<Constraint>),
    Related(Goal),
    Unrelated(Goal),
    AnyOf(Vec<Constraint>),
    AllOf(Vec<Constraint>),
}

/// One of the values; `is_negated`, none of them. Each kind by itself, in order.
#[derive(Clone, Debug, Default)]
pub struct OneOf {
    pub is_negated: bool,
    pub has_null: bool,
    pub truths: Vec<bool>,
    pub numbers: Vec<Box<str>>,
    pub texts: Vec<Box<str>>,
}

impl OneOf {
    pub fn of(values: Vec<Json>, is_negated: bool) -> OneOf {
        let mut one_of = OneOf { is_negated, ..OneOf::default() };
        for value in values {
            match value {
                Json::Null => one_of.has_null = true,
                Json::Bool(truth) => one_of.truths.push(truth),
                Json::Number(text) => one_of.numbers.push(text),
                Json::Text(text) => one_of.texts.push(text),
                Json::List(_) | Json::Object(_) => unreachable!("scalars alone are listed"),
            }
        }
        one_of.numbers.sort_unstable();
        one_of.texts.sort_unstable();
        one_of
    }

    /// Whether it is among the values; None where none of them is of its kind. Cost: O(log values).
    pub fn has(&self, value: &Json) -> Option<bool> {
        let among = |texts: &[Box<str>], text: &str| {
            let found = || texts.binary_search_by(|each| (**each).cmp(text)).is_ok();
            (!texts.is_empty()).then(found)
        };
        match value {
            Json::Null => self.has_null.then_some(true),
            Json::Bool(truth) => (!self.truths.is_empty()).then(|| self.truths.contains(truth)),
            Json::Number(text) => among(&self.numbers, text),
            Json::Text(text) => among(&self.texts, text),
            Json::List(_) | Json::Object(_) => None,
        }
    }
}

/// `min`, or `max`: a decimal, or a day.
#[derive(Clone, Debug)]
pub struct Bound {
    pub limit: Box<str>,
    pub is_date: bool,
    pub is_max: bool,
}

/// Names, those that begin with a dot for all that is strictly below; and addresses, each for itself.
#[derive(Clone, Debug)]
pub struct Hosts(pub Vec<Box<str>>);

/// `ports` is None where only the scheme's own is meant; `directory` None where every path is.
#[derive(Clone, Debug)]
pub struct Link {
    pub schemes: Vec<Box<str>>,
    pub hosts: Hosts,
    pub ports: Option<Vec<u16>>,
    pub directory: Option<Box<str>>,
}

/// What is asked of the object of this type that a value names.
#[derive(Clone, Debug)]
pub struct Goal {
    pub type_: Arc<str>,
    pub permission: Arc<str>,
}

/// All of whose members must hold, in the order of their names. Without members it is anything.
#[derive(Clone, Debug)]
pub struct Constraint {
    members: Vec<Member>,
    may_cover: bool,
    weight: u64,   // of a value that is no list, and by no glob
    depends: bool, // whether the weight of a value does
}

impl Constraint {
    pub fn of(members: Vec<Member>) -> Constraint {
        let may_cover = members.is_empty() || members.iter().any(Member::may_cover);
        let weight = 1 + members.iter().map(Member::weight).sum::<u64>();
        let depends = members.iter().any(Member::depends);
        Constraint { members, may_cover, weight, depends }
    }

    pub fn anything() -> Constraint {
        Constraint::of(Vec::new())
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether it could speak of all that a value holds.
    pub fn may_cover(&self) -> bool {
        self.may_cover
    }

    /// What judging a value by it takes: one for the constraint and one for each of its members, as often as there are
    /// values that they are judged by; one for each host or network that a value is compared with; and what a glob takes for
    /// a long text.
    pub fn weight_of(&self, value: Option<&Json>) -> u64 {
        if !self.depends {
            return self.weight;
        }
        let below = |member: &Member| match (member, value) {
            (Member::Each(below, _) | Member::Some(below), Some(Json::List(items))) => {
                items.iter().map(|item| below.weight_of(Some(item))).sum()
            }
            (Member::AnyOf(parts) | Member::AllOf(parts), _) => parts.iter().map(|part| part.weight_of(value)).sum(),
            (Member::Glob(glob), Some(Json::Text(text))) => glob.steps(text) / STEPS_OF_A_JUDGEMENT,
            (member, _) => member.weight() - 1,
        };
        1 + self.members.iter().map(|member| 1 + below(member)).sum::<u64>()
    }
}

impl Member {
    pub fn may_cover(&self) -> bool {
        match self {
            Member::Each(..) => true,
            Member::AnyOf(parts) | Member::AllOf(parts) => parts.iter().any(Constraint::may_cover),
            _ => false,
        }
    }

    fn depends(&self) -> bool {
        match self {
            Member::Each(..) | Member::Some(_) | Member::Glob(_) => true,
            Member::AnyOf(parts) | Member::AllOf(parts) => parts.iter().any(|part| part.depends),
            _ => false,
        }
    }

    /// Of a value that is no list, and by no glob.
    fn weight(&self) -> u64 {
        1 + match self {
            Member::Cidr(networks) => networks.len() as u64,
            Member::Host(hosts) => hosts.0.len() as u64,
            Member::Url(link) => link.hosts.0.len() as u64,
            Member::AnyOf(parts) | Member::AllOf(parts) => parts.iter().map(|part| part.weight).sum(),
            _ => 0,
        }
    }
}

// --- what a document is made of -------------------------------------------------------------------------------------

/// One argument by the keys that lead to it. `is_optional`: it may be absent (`optional`). `if_present`: it does not match
/// where it is absent.
#[derive(Clone, Debug)]
pub struct Argument {
    pub path: Vec<Box<str>>,
    pub constraint: Constraint,
    pub is_optional: bool,
    pub if_present: bool,
}

/// The keys that lead to named arguments, in order; an argument itself has none below it.
#[derive(Clone, Debug, Default)]
pub struct Named {
    below: Vec<(Box<str>, Named)>,
}

impl Named {
    pub fn of(arguments: &[Argument]) -> Named {
        let mut named = Named::default();
        for argument in arguments {
            let mut node = &mut named;
            for key in &argument.path {
                let place = match node.below.binary_search_by(|(each, _)| each.cmp(key)) {
                    Ok(place) => place,
                    Err(place) => {
                        node.below.insert(place, (key.clone(), Named::default()));
                        place
                    }
                };
                node = &mut node.below[place].1;
            }
        }
        named
    }

    pub fn get(&self, key: &str) -> Option<&Named> {
        let found = self.below.binary_search_by(|(each, _)| (**each).cmp(key));
        found.ok().map(|place| &self.below[place].1)
    }

    pub fn is_argument(&self) -> bool {
        self.below.is_empty()
    }
}

/// What is said of one call: of its tool, its purpose, and either its arguments or what its parts say.
#[derive(Clone, Debug)]
pub struct Part {
    pub tool: Constraint,
    pub purpose: Constraint,
    pub says: Says,
}

#[derive(Clone, Debug)]
pub enum Says {
    /// All of which must hold. `is_open`: arguments that it does not name are let through (`additional`).
    Clause { arguments: Vec<Argument>, named: Named, is_open: bool },
    /// One of the parts.
    Any(Vec<Part>),
    /// All of the parts, each of which is of the whole call.
    All(Vec<Part>),
}

/// `constraints`: how many it has, by which judging is paid for.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) side: Side,
    pub(crate) root: Part,
    pub(crate) constraints: usize,
}

impl Document {
    pub fn side(&self) -> Side {
        self.side
    }

    pub fn constraints(&self) -> usize {
        self.constraints
    }
}
