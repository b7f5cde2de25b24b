//! What a constraint document comes to for one call.
//!
//! Two things are asked of a value: whether its constraint holds, and, where authority is given, whether it covers the value,
//! so that nothing of a call goes by unseen. A value that holds others is covered by whichever one member says something of
//! all of them.
//! Law: whatever is not judged as it stands is unknown and stays so: a value of another kind, or one that is not written as its
//! type is, is neither repaired nor taken for a no. `arguments/judge.py` judges alike, and says why.

use crate::call::{ReadCall, Types, is_id};
use crate::document::BINDING;
use crate::fitting::fits;
use crate::json_text::Json;
use crate::judged::{Judged, Verdict};
use crate::numbers::compare_numbers;
use crate::tree::{Argument, Bound, Constraint, Document, Goal, Hosts, Link, Member, Named, Part, Says, Side};
use crate::values::{ReadUrl, Type, address, is_address_like, is_below, is_nfc};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// Of a list each element is judged by each member that speaks of it. What a person says stays below a thousand.
const JUDGEMENTS_MAX: u64 = 10_000;
const GOALS_MAX: usize = 100;

/// What the document comes to for the call; it asks nobody. Cost: O(values * constraints), at most `JUDGEMENTS_MAX` of them.
pub fn judge(document: &Document, call: &ReadCall) -> Verdict {
    let unjudged = |work| Verdict { judged: Judged::Unjudged, work };
    if !call.can_be_judged() {
        return unjudged(1);
    }
    let mut judging =
        Judging { side: document.side, call, is_short: true, goals: Cell::new(0), looks: Looks::default() };
    let weight = judging.weight(&document.root);
    if weight > JUDGEMENTS_MAX {
        return unjudged((document.constraints + call.values()) as u64);
    }
    let work = weight + call.values() as u64;
    let judged = judging.part(&document.root);
    if judging.goals.get() > GOALS_MAX {
        judging.is_short = false; // a goal that decides nothing counts all the same
        let whole = judging.part(&document.root);
        let mut goals = HashSet::new();
        gather_goals(&whole, &mut goals);
        if goals.len() > GOALS_MAX {
            return unjudged(work);
        }
    }
    Verdict { judged, work }
}

fn gather_goals<'a>(judged: &'a Judged, goals: &mut HashSet<(&'a str, &'a str, &'a str)>) {
    match judged {
        Judged::Known(_) | Judged::Unjudged => {}
        Judged::Related { type_, id, permission } => _ = goals.insert((type_, id, permission)),
        Judged::Every(parts) | Judged::Any(parts) => parts.iter().for_each(|part| gather_goals(part, goals)),
        Judged::Unless(part) => gather_goals(part, goals),
    }
}

/// A value where it stands: with the types that the tool says of it and of what is below.
#[derive(Clone, Copy)]
struct Place<'a> {
    value: &'a Json,
    types: Option<&'a Types>,
}

impl<'a> Place<'a> {
    fn type_(self) -> Option<Type> {
        self.types.and_then(Types::own)
    }

    fn below(self, key: &str, value: &'a Json) -> Place<'a> {
        Place { value, types: self.types.and_then(|types| types.below(key)) }
    }

    fn holds_others(self) -> bool {
        match self.value {
            Json::List(items) => !items.is_empty(),
            Json::Object(object) => !object.is_empty(),
            _ => false,
        }
    }
}

/// What keys lead to.
enum Found<'a> {
    Place(Place<'a>),
    Absent,
    /// Something on the way has no names.
    Unjudged,
}

/// The least or the greatest of parts, gathered one by one. What decides nothing is left away where it `is_short`.
struct Gathered {
    decides: bool, // what a single known part decides the whole by: a no the least, a yes the greatest
    is_short: bool,
    is_decided: bool,
    is_unjudged: bool,
    parts: Vec<Judged>,
}

impl Gathered {
    fn add(&mut self, judged: Judged) {
        match judged {
            judged if !self.is_short => self.parts.push(judged),
            Judged::Known(truth) => self.is_decided |= truth == self.decides,
            Judged::Unjudged if self.is_unjudged => {}
            judged => {
                self.is_unjudged |= judged == Judged::Unjudged;
                self.parts.push(judged);
            }
        }
    }

    fn all(mut self, parts: impl IntoIterator<Item = Judged>) -> Judged {
        parts.into_iter().for_each(|part| self.add(part));
        self.whole()
    }

    fn whole(mut self) -> Judged {
        if self.is_decided {
            return Judged::Known(self.decides);
        }
        match self.parts.len() {
            0 => Judged::Known(!self.decides),
            1 => self.parts.remove(0),
            _ if self.decides => Judged::Any(self.parts),
            _ => Judged::Every(self.parts),
        }
    }
}

struct Judging<'a> {
    side: Side,
    call: &'a ReadCall,
    is_short: bool,
    goals: Cell<usize>,
    looks: Looks,
}

impl<'a> Judging<'a> {
    fn gathered(&self, decides: bool) -> Gathered {
        Gathered { decides, is_short: self.is_short, is_decided: false, is_unjudged: false, parts: Vec::new() }
    }

    fn every(&self) -> Gathered {
        self.gathered(false)
    }

    fn any(&self) -> Gathered {
        self.gathered(true)
    }

    // --- documents --------------------------------------------------------------------------------------------------

    fn part(&self, part: &Part) -> Judged {
        let mut every = self.every();
        for (constraint, value) in [(&part.tool, self.call.tool()), (&part.purpose, self.call.purpose())] {
            every.add(self.constraint(constraint, Place { value, types: None }, false));
        }
        match &part.says {
            Says::Any(parts) => every.add(self.any().all(parts.iter().map(|part| self.part(part)))),
            Says::All(parts) => parts.iter().for_each(|part| every.add(self.part(part))),
            Says::Clause { arguments, named, is_open } => {
                let covering = self.side == Side::Arguments && !is_open;
                arguments.iter().for_each(|argument| every.add(self.argument(argument, covering)));
                if covering && !is_named(self.call.arguments(), named, true) {
                    every.add(Judged::Known(false));
                }
            }
        }
        every.whole()
    }

    fn argument(&self, argument: &Argument, covering: bool) -> Judged {
        match self.find(&argument.path) {
            Found::Unjudged => Judged::Unjudged,
            Found::Place(place) => self.constraint(&argument.constraint, place, covering),
            Found::Absent if self.side == Side::Arguments => Judged::Known(argument.is_optional),
            Found::Absent => Judged::Known(!argument.if_present),
        }
    }

    fn find(&self, path: &[Box<str>]) -> Found<'a> {
        let mut place = Place { value: self.call.arguments(), types: Some(self.call.types()) };
        for key in path {
            place = match place.value {
                Json::Object(object) => match object.get(key) {
                    Some(value) => place.below(key, value),
                    None => return Found::Absent,
                },
                Json::List(items) => match index(key).map(|index| items.get(index)) {
                    Some(Some(value)) => place.below("*", value),
                    Some(None) => return Found::Absent,
                    None => return Found::Unjudged,
                },
                _ => return Found::Unjudged,
            };
        }
        Found::Place(place)
    }

    // --- constraints ------------------------------------------------------------------------------------------------

    fn constraint(&self, constraint: &Constraint, place: Place, covering: bool) -> Judged {
        if constraint.members().is_empty() {
            return Judged::Known(true);
        }
        let judge = |member: &Member, covering| self.member(member, place, covering);
        self.conjunction(constraint.members(), judge, Member::may_cover, covering && place.holds_others())
    }

    /// All of them; and one that covers the value, where it is to be covered and holds others. Whichever covers it holds too,
    /// so that one alone which may is not judged twice.
    fn conjunction<T>(
        &self,
        parts: &[T],
        judge: impl Fn(&T, bool) -> Judged,
        may_cover: impl Fn(&T) -> bool,
        is_to_be_covered: bool,
    ) -> Judged {
        let mut every = self.every();
        if !is_to_be_covered {
            return every.all(parts.iter().map(|part| judge(part, false)));
        }
        let covering = parts.iter().filter(|part| may_cover(part)).count();
        for part in parts {
            if covering > 1 || !may_cover(part) {
                every.add(judge(part, false));
            }
        }
        // A no where none does.
        every.add(self.any().all(parts.iter().filter(|part| may_cover(part)).map(|part| judge(part, true))));
        every.whole()
    }

    fn member(&self, member: &Member, place: Place, covering: bool) -> Judged {
        if place.type_().is_some_and(|type_| !fits(member, type_)) {
            return Judged::Unjudged;
        }
        let value = place.value;
        match member {
            Member::AnyOf(parts) => self.any().all(parts.iter().map(|part| self.constraint(part, place, covering))),
            Member::AllOf(parts) => {
                let judge = |part: &Constraint, covering| self.constraint(part, place, covering);
                self.conjunction(parts, judge, Constraint::may_cover, covering && place.holds_others())
            }
            Member::Each(below, items_min) => match value {
                Json::List(items) if items.len() < *items_min => Judged::Known(false),
                Json::List(items) => self.every().all(self.elements(below, items, place, covering)),
                _ => Judged::Unjudged,
            },
            Member::Some(below) => match value {
                Json::List(items) => self.any().all(self.elements(below, items, place, covering)),
                _ => Judged::Unjudged,
            },
            Member::MaxLength(length_max) => known(match value {
                Json::List(items) => Some(items.len() <= *length_max),
                Json::Text(text) => self.looks.is_nfc(text).then(|| has_at_most(text, *length_max)),
                _ => None,
            }),
            Member::Equals(expected) => known(self.looks.equals(expected, value)),
            Member::OneOf(one_of) => {
                let has = if self.looks.is_plain(value) { one_of.has(value) } else { None };
                known(has.map(|has| has != one_of.is_negated))
            }
            Member::EqualsBinding(name) if self.looks.is_plain(value) => self.binding(name, value),
            Member::EqualsBinding(_) => Judged::Unjudged,
            Member::Bound(bound) => known(self.looks.is_within(bound, value)),
            member => match value {
                Json::Text(text) => self.of_text(member, text),
                _ => Judged::Unjudged,
            },
        }
    }

    fn elements<'b>(
        &'b self,
        below: &'b Constraint,
        items: &'b [Json],
        place: Place<'b>,
        covering: bool,
    ) -> impl Iterator<Item = Judged> + 'b {
        let types = place.types.and_then(|types| types.below("*"));
        items.iter().map(move |value| self.constraint(below, Place { value, types }, covering))
    }

    // --- texts ------------------------------------------------------------------------------------------------------

    fn of_text(&self, member: &Member, text: &str) -> Judged {
        let looks = &self.looks;
        known(match member {
            Member::Prefix(prefix) => looks.is_nfc(text).then(|| text.starts_with(&**prefix)),
            Member::Subpath(directory) => looks.takes(Type::Path, text).then(|| is_below(text, directory)),
            Member::Glob(glob) => looks.takes(Type::Path, text).then(|| glob.matches(text)),
            Member::Cidr(networks) => {
                address(text).map(|address| networks.iter().any(|network| network.contains(&address)))
            }
            Member::Host(hosts) if looks.takes(Type::Host, text) => is_of_hosts(hosts, text),
            Member::Host(_) => None,
            Member::Url(link) => return self.of_url(link, text),
            Member::Related(goal) => return self.related(goal, text),
            Member::Unrelated(goal) => {
                return match self.related(goal, text) {
                    Judged::Unjudged => Judged::Unjudged,
                    related => Judged::Unless(Box::new(related)),
                };
            }
            _ => None,
        })
    }

    fn of_url(&self, link: &Link, text: &str) -> Judged {
        let Some(url) = self.looks.url(text) else {
            return Judged::Unjudged;
        };
        let is_of_port = match &link.ports {
            Some(ports) => ports.contains(&url.port()),
            None => url.port() == url.own_port(),
        };
        self.every().all([
            Judged::Known(link.schemes.iter().any(|scheme| **scheme == *url.scheme()) && is_of_port),
            known(is_of_hosts(&link.hosts, url.host())),
            known(match &link.directory {
                Some(directory) => Type::Path.takes(url.path()).then(|| is_below(url.path(), directory)),
                None => Some(true),
            }),
        ])
    }

    // --- what is left to the graph ----------------------------------------------------------------------------------

    fn related(&self, goal: &Goal, id: &str) -> Judged {
        if !is_id(id) {
            return Judged::Unjudged;
        }
        self.goals.set(self.goals.get() + 1);
        Judged::Related { type_: goal.type_.clone(), id: id.into(), permission: goal.permission.clone() }
    }

    fn binding(&self, name: &str, value: &Json) -> Judged {
        static GOAL: LazyLock<Goal> =
            LazyLock::new(|| Goal { type_: Arc::from(BINDING.0), permission: Arc::from(BINDING.1) });
        let mut id = format!("{name}/");
        for byte in Sha256::digest(value.canonical()) {
            write!(id, "{byte:02x}").expect("a string takes everything");
        }
        self.related(&GOAL, &id)
    }

    // --- how much there is to judge ---------------------------------------------------------------------------------

    fn weight(&self, part: &Part) -> u64 {
        let about = part.tool.weight_of(Some(self.call.tool())) + part.purpose.weight_of(Some(self.call.purpose()));
        about
            + match &part.says {
                Says::Any(parts) | Says::All(parts) => parts.iter().map(|part| self.weight(part)).sum::<u64>(),
                Says::Clause { arguments, .. } => arguments.iter().map(|argument| self.weight_of(argument)).sum(),
            }
    }

    fn weight_of(&self, argument: &Argument) -> u64 {
        let value = match self.find(&argument.path) {
            Found::Place(place) => Some(place.value),
            Found::Absent | Found::Unjudged => None,
        };
        argument.constraint.weight_of(value)
    }
}

fn known(truth: Option<bool>) -> Judged {
    truth.map_or(Judged::Unjudged, Judged::Known)
}

// --- what is named --------------------------------------------------------------------------------------------------

/// Whether named arguments reach every value.
fn is_named(value: &Json, named: &Named, is_root: bool) -> bool {
    let is_below = |key: &str, item: &Json| {
        named.get(key).is_some_and(|named| named.is_argument() || is_named(item, named, false))
    };
    match value {
        Json::Object(object) if !object.is_empty() => object.entries().iter().all(|(key, item)| is_below(key, item)),
        Json::List(items) if !items.is_empty() => {
            items.iter().enumerate().all(|(index, item)| is_below(&index.to_string(), item))
        }
        _ => is_root,
    }
}

/// The index that a key of a JSON Pointer is, or None; with the zeros of `01` it is none.
fn index(key: &str) -> Option<usize> {
    let is_index = key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
    if is_index && key.len() < 10 { key.parse().ok() } else { None }
}

// --- values ---------------------------------------------------------------------------------------------------------

/// Texts longer than this are looked at once for all members that speak of them. Others are looked at again, which is
/// quicker than to find what was seen.
const LONG: usize = 256;

/// What was seen of texts: whether they are values of a type, or in NFC (None); by where they are, for a call stays there.
#[derive(Default)]
struct Looks {
    seen: RefCell<HashMap<(*const u8, Option<Type>), bool>>,
    urls: RefCell<HashMap<*const u8, Option<Rc<ReadUrl>>>>,
}

impl Looks {
    fn look(&self, text: &str, type_: Option<Type>) -> bool {
        let look = || type_.map_or_else(|| is_nfc(text), |type_| type_.takes(text));
        if text.len() <= LONG {
            return look();
        }
        *self.seen.borrow_mut().entry((text.as_ptr(), type_)).or_insert_with(look)
    }

    fn is_nfc(&self, text: &str) -> bool {
        self.look(text, None)
    }

    fn takes(&self, type_: Type, text: &str) -> bool {
        self.look(text, Some(type_))
    }

    fn url(&self, text: &str) -> Option<Rc<ReadUrl>> {
        let read = || ReadUrl::of(text).map(Rc::new);
        if text.len() <= LONG {
            return read();
        }
        self.urls.borrow_mut().entry(text.as_ptr()).or_insert_with(read).clone()
    }

    /// A scalar, and in NFC where it is a text.
    fn is_plain(&self, value: &Json) -> bool {
        match value {
            Json::List(_) | Json::Object(_) => false,
            Json::Text(text) => self.is_nfc(text),
            _ => true,
        }
    }

    /// None where they are not of one kind.
    fn equals(&self, expected: &Json, value: &Json) -> Option<bool> {
        let is_of_kind = std::mem::discriminant(expected) == std::mem::discriminant(value);
        (is_of_kind && self.is_plain(value)).then(|| expected == value)
    }

    fn is_within(&self, bound: &Bound, value: &Json) -> Option<bool> {
        let compared = match value {
            Json::Text(text) if bound.is_date => Type::Date.takes(text).then(|| (**text).cmp(&*bound.limit)),
            Json::Text(text) => self.takes(Type::Decimal, text).then(|| compare_numbers(text, &bound.limit)),
            Json::Number(text) if !bound.is_date => Some(compare_numbers(text, &bound.limit)),
            _ => None,
        };
        compared.map(|order| if bound.is_max { order.is_le() } else { order.is_ge() })
    }
}

fn has_at_most(text: &str, length_max: usize) -> bool {
    text.len() <= length_max || text.chars().count() <= length_max
}

/// None for an address that is not listed.
fn is_of_hosts(hosts: &Hosts, host: &str) -> Option<bool> {
    let is_of = hosts.0.iter().any(|each| host == &**each || (each.starts_with('.') && host.ends_with(&**each)));
    (is_of || !is_address_like(host)).then_some(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Types;
    use proptest::prelude::*;

    fn document(text: &str, side: Side) -> Document {
        let declared = [("user", "contact"), BINDING].map(|(type_, name)| (type_.to_owned(), name.to_owned()));
        Document::parse(text, side, &declared).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
    }

    fn call(arguments: &str) -> ReadCall {
        ReadCall::read("erp.pay", arguments.as_bytes(), "").unwrap_or_else(|problem| panic!("{arguments}: {problem:?}"))
    }

    fn judged(text: &str, side: Side, arguments: &str) -> Judged {
        judge(&document(text, side), &call(arguments)).judged
    }

    fn contact(id: &str) -> Judged {
        Judged::Related { type_: "user".into(), id: id.into(), permission: "contact".into() }
    }

    const RELATED: &str = r#"{"to":{"each":{"related":{"type":"user","permission":"contact"}}}}"#;
    const YES: Judged = Judged::Known(true);
    const NO: Judged = Judged::Known(false);

    #[test]
    fn a_document_of_arguments_covers_the_whole_call() {
        for (text, arguments, expected) in [
            ("{}", "{}", YES),
            ("{}", r#"{"a":1}"#, NO),
            (r#"{"additional":true}"#, r#"{"a":1}"#, YES),
            (r#"{"a":{"max":"99.99"}}"#, r#"{"a":99.99}"#, YES),
            (r#"{"a":{"max":"99.99"}}"#, r#"{"a":"100"}"#, NO),
            (r#"{"a":{"max":"99.99"}}"#, r#"{"a":"1e1"}"#, Judged::Unjudged),
            (r#"{"a":{"max":"99.99"}}"#, "{}", NO),
            (r#"{"a":{"optional":true}}"#, "{}", YES),
            (r#"{"a":{"max_length":2}}"#, r#"{"a":[1]}"#, NO),
            (r#"{"a":{"max_length":2,"each":{}}}"#, r#"{"a":[1]}"#, YES),
            (r#"{"a":{"each":{}}}"#, r#"{"a":[]}"#, NO),
            (r#"{"a":{"each":{},"min_items":0}}"#, r#"{"a":[]}"#, YES),
            (r#"{"/a/b":{}}"#, r#"{"a":{"b":1,"c":[]}}"#, NO),
            (r#"{"/a/b":{}}"#, r#"{"a":1}"#, NO),
            (r#"{"tool":{"prefix":"erp."},"any_of":[{"a":{}},{"b":{}}]}"#, r#"{"b":1}"#, YES),
            (r#"{"any_of":[{"a":{}},{"b":{}}]}"#, r#"{"a":1,"b":1}"#, NO),
        ] {
            assert_eq!(judged(text, Side::Arguments, arguments), expected, "{text} of {arguments}");
        }
    }

    #[test]
    fn a_document_of_matching_names_what_it_cares_about() {
        for (text, arguments, expected) in [
            ("{}", r#"{"a":1}"#, YES),
            (r#"{"a":{"equals":1}}"#, r#"{"b":1}"#, YES),
            (r#"{"a":{"equals":1,"if_present":true}}"#, r#"{"b":1}"#, NO),
            (r#"{"a":{"equals":1}}"#, r#"{"a":"1"}"#, Judged::Unjudged),
            (r#"{"a":{"some":{"prefix":"x"}}}"#, r#"{"a":["y","xy"]}"#, YES),
            (r#"{"a":{"some":{"prefix":"x"}}}"#, r#"{"a":[]}"#, NO),
        ] {
            assert_eq!(judged(text, Side::Matching, arguments), expected, "{text} of {arguments}");
        }
    }

    #[test]
    fn what_hangs_on_the_graph_is_left_open() {
        assert_eq!(judged(RELATED, Side::Arguments, r#"{"to":["ann"]}"#), contact("ann"));
        let both = Judged::Every(vec![contact("ann"), contact("bob")]);
        assert_eq!(judged(RELATED, Side::Arguments, r#"{"to":["ann","bob"]}"#), both);
        assert_eq!(
            judged(RELATED, Side::Arguments, r#"{"to":["ann","*"]}"#),
            Judged::Every(vec![contact("ann"), Judged::Unjudged])
        );
        let binding = judged(r#"{"a":{"equals":{"binding":"invoice"}}}"#, Side::Arguments, r#"{"a":"881"}"#);
        // The digest of `"881"`, with its quotes.
        let id = "invoice/dd45f7e47cb8e798230e7cd18d8f1010646cbdb8884bd307a508f4e4056e436a";
        assert_eq!(binding, Judged::Related { type_: "binding".into(), id: id.into(), permission: "link".into() });
    }

    #[test]
    fn a_hundred_questions_are_asked_and_no_more() {
        let names = |count: usize| (0..count).map(|n| format!("\"u{n}\"")).collect::<Vec<_>>();
        let to = |names: &[String]| format!(r#"{{"to":[{}]}}"#, names.join(","));
        assert!(
            matches!(judged(RELATED, Side::Arguments, &to(&names(100))), Judged::Every(goals) if goals.len() == 100)
        );
        assert_eq!(judged(RELATED, Side::Arguments, &to(&names(101))), Judged::Unjudged);
        // The same question twice is one.
        assert!(matches!(judged(RELATED, Side::Arguments, &to(&[names(100), names(100)].concat())), Judged::Every(_)));
        // Also where a no is known already.
        let also = r#"{"amount":{"max":"1"},"to":{"each":{"related":{"type":"user","permission":"contact"}}}}"#;
        let arguments = format!(r#"{{"amount":2,"to":[{}]}}"#, names(101).join(","));
        assert_eq!(judged(also, Side::Arguments, &arguments), Judged::Unjudged);
    }

    #[test]
    fn what_the_tool_says_of_a_value_is_asked_of_it() {
        let types = || Types::of([("/a", Type::Path), ("/b/*", Type::Url)]);
        for (text, arguments, expected) in [
            (r#"{"a":{"prefix":"/srv"}}"#, r#"{"a":"/srv/x"}"#, YES),
            (r#"{"a":{"prefix":"/srv"}}"#, r#"{"a":"/srv/../x"}"#, Judged::Unjudged),
            (r#"{"a":{}}"#, r#"{"a":"/srv/../x"}"#, Judged::Unjudged),
            (r#"{"a":{"host":"x"}}"#, r#"{"a":"/x"}"#, Judged::Unjudged),
            (r#"{"b":{"each":{"url":{"host":".example.com"}}}}"#, r#"{"b":["https://a.example.com/"]}"#, YES),
            (r#"{"b":{"each":{"prefix":"h"}}}"#, r#"{"b":["https://a"]}"#, Judged::Unjudged),
        ] {
            let typed = call(arguments).typed(types());
            assert_eq!(judge(&document(text, Side::Arguments), &typed).judged, expected, "{text} of {arguments}");
        }
        assert_eq!(judge(&document("{}", Side::Matching), &call("{}").unjudgeable()).judged, Judged::Unjudged);
    }

    #[test]
    fn what_would_take_too_long_is_not_judged() {
        let each = r#"{"any_of":[{"prefix":"a"},{"prefix":"b"},{"prefix":"c"},{"prefix":"d"},{"prefix":"e"}]}"#;
        let text = format!(r#"{{"a":{{"each":{each}}}}}"#);
        let items = |count: usize| format!(r#"{{"a":[{}]}}"#, vec!["\"e\""; count].join(","));
        assert_eq!(judged(&text, Side::Arguments, &items(800)), YES);
        assert_eq!(judged(&text, Side::Arguments, &items(900)), Judged::Unjudged);
        let globs = |count: usize| format!(r#"{{"a":{{"any_of":[{}]}}}}"#, vec![r#"{"glob":"/*b"}"#; count].join(","));
        let path = format!(r#"{{"a":"/{}"}}"#, "a".repeat(3_999));
        assert_eq!(judged(&globs(35), Side::Arguments, &path), NO);
        assert_eq!(judged(&globs(45), Side::Arguments, &path), Judged::Unjudged);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged_or_refused(
            text in "\\{(\"(a|/a/0|tool|any_of|each|some|glob|cidr|url|equals)\":[\\[\\]{}\"a*/.0-9]{0,12},?){0,3}\\}",
            arguments in "\\{(\"(a|b)\":[\\[\\]{}\"a/.0-9]{0,12},?){0,3}\\}",
        ) {
            for side in [Side::Arguments, Side::Matching] {
                if let (Ok(document), Ok(call)) = (Document::parse(&text, side, &[]), ReadCall::read("t", arguments.as_bytes(), "")) {
                    judge(&document, &call);
                }
            }
        }
    }
}
