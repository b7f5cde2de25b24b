//! A tool's JSON Schema as the library is given it: closed, without references, without notes, its patterns written out. The
//! twin of `arguments/closed_schema.py`, which says what is closed, and why.
//!
//! Law: what fits the closed schema fits the tool's own.

use crate::json_text::{Json, Object, Problem, push_segment};
use crate::keywords::{DRAFT, Holds, WHOLE_MAX, double, holds, is_note, is_rule, needs, refusal_of, wrong};
use crate::patterns::written_out;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SUBSCHEMAS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 32;
const BYTES_EACH: usize = 100;
const BYTES_A_CHARACTER: usize = 5; // that a pattern stands for

const DESCRIBING: [&str; 4] = ["properties", "additionalProperties", "items", "prefixItems"];
const OF_OBJECTS: [&str; 8] = [
    "properties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
];
const COMBINATORS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Kinds that a value may be of, a bit each. An `integer` is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const NULL: Kinds = Kinds(1);
    const BOOLEAN: Kinds = Kinds(2);
    const NUMBER: Kinds = Kinds(4);
    pub const STRING: Kinds = Kinds(8);
    pub const ARRAY: Kinds = Kinds(16);
    pub const OBJECT: Kinds = Kinds(32);
    pub const NESTED: Kinds = Kinds(16 | 32);
    const NONE: Kinds = Kinds(0);
    const ALL: Kinds = Kinds(63);
    const NAMES: [(&str, Kinds); 6] = [
        ("array", Kinds::ARRAY),
        ("boolean", Kinds::BOOLEAN),
        ("null", Kinds::NULL),
        ("number", Kinds::NUMBER),
        ("object", Kinds::OBJECT),
        ("string", Kinds::STRING),
    ];

    fn named(name: &str) -> Kinds {
        let name = if name == "integer" { "number" } else { name };
        Kinds::NAMES.iter().find(|(each, _)| *each == name).map_or(Kinds::NONE, |(_, kinds)| *kinds)
    }

    fn of(value: &Json) -> Kinds {
        match value {
            Json::Null => Kinds::NULL,
            Json::Bool(_) => Kinds::BOOLEAN,
            Json::Number(_) => Kinds::NUMBER,
            Json::Text(_) => Kinds::STRING,
            Json::List(_) => Kinds::ARRAY,
            Json::Object(_) => Kinds::OBJECT,
        }
    }

    pub fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 & other.0)
    }

    fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub fn without(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }

    pub fn is_any(self) -> bool {
        self.0 != 0
    }

    /// In words, in the order of the alphabet.
    pub fn names(self) -> Vec<&'static str> {
        Kinds::NAMES.iter().filter(|(_, each)| self.and(*each).is_any()).map(|(name, _)| *name).collect()
    }
}

/// Where a value is described: of which kinds it may be, and the places below it.
#[derive(Clone, Debug)]
pub struct Place {
    pub kinds: Kinds,
    pub properties: BTreeMap<Box<str>, Property>,
    pub additional: Option<Box<Place>>,
    pub prefix: Vec<Place>,
    /// Behind the prefix.
    pub items: Option<Box<Place>>,
    /// Whether a default is below.
    pub fills: bool,
}

impl Place {
    const fn open() -> Place {
        Place {
            kinds: Kinds::ALL,
            properties: BTreeMap::new(),
            additional: None,
            prefix: Vec::new(),
            items: None,
            fills: false,
        }
    }
}

/// Of which nothing is said.
pub static OPEN: Place = Place::open();

/// A key that is named.
#[derive(Clone, Debug)]
pub struct Property {
    pub place: Place,
    pub default: Option<Json>,
}

/// How much the library is given: subschemas, as SUBSCHEMAS_MAX counts them, and the characters that patterns stand for.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub subschemas: usize,
    pub patterns: usize,
}

/// A default, where it stands, what it has to fit, how much that is, and the place that it is of.
pub struct Default {
    pub at: String,
    pub value: Json,
    pub schema: Value,
    pub size: Size,
    pub place: Place,
}

/// `schema` is what is given to the library.
pub struct ClosedSchema {
    pub schema: Value,
    pub place: Place,
    pub defaults: Vec<Default>,
    pub size: Size,
}

/// The closed schema of one that stands at a pointer. Cost: O(bytes + SUBSCHEMAS_MAX).
pub fn closed(schema: &Json, at: &str) -> Result<ClosedSchema, Problem> {
    let Some(object) = schema.as_object() else {
        return refused(at, "is not an object");
    };
    check(schema, at, true)?;
    if object.get("type").and_then(Json::as_text) != Some("object") {
        return refused(at, "does not say `type: object`");
    }
    let none = Object::default();
    let definitions =
        Definitions { named: object.get("$defs").and_then(Json::as_object).unwrap_or(&none), at: joined(at, "$defs") };
    let size = definitions.unfolded(schema, at)?;
    let mut closing = Closing { definitions: &definitions, defaults: Vec::new() };
    let (schema, place) = closing.described(schema, at, Within { is_object: false, fills: true }, false)?;
    Ok(ClosedSchema { schema, place, defaults: closing.defaults, size })
}

fn refused<T>(at: &str, reason: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { pointer: at.into(), reason: reason.into() })
}

pub fn joined(at: &str, segment: &str) -> String {
    let mut pointer = at.to_string();
    push_segment(segment, &mut pointer);
    pointer
}

// --- what is there ----------------------------------------------------------------------------------------------

/// That each keyword is known, and has under it what it should.
fn check(schema: &Json, at: &str, is_root: bool) -> Result<(), Problem> {
    let object = match schema {
        Json::Bool(true) => return Ok(()),
        Json::Bool(false) => return refused(at, "is `false`, which nothing fits"),
        Json::Object(object) => object,
        _ => return refused(at, "is not a schema"),
    };
    for (keyword, value) in object.entries() {
        let Some(holds) = holds(keyword) else {
            return refused(at, refusal_of(keyword));
        };
        if matches!(&**keyword, "$schema" | "$defs") && !is_root {
            return refused(at, format!("has `{keyword}`, which stands at the root only"));
        }
        if let Some(needed) = needs(keyword).filter(|needed| object.get(needed).is_none()) {
            return refused(at, format!("has `{keyword}` without `{needed}`"));
        }
        check_value(keyword, holds, value, &joined(at, keyword))?;
    }
    if object.get("$ref").is_some() {
        let may_stand = |keyword: &str| matches!(keyword, "$ref" | "default" | "$schema" | "$defs") || is_note(keyword);
        if let Some((beside, _)) = object.entries().iter().find(|(keyword, _)| !may_stand(keyword)) {
            return refused(at, format!("has `{beside}` beside `$ref`"));
        }
    }
    Ok(())
}

fn check_value(keyword: &str, holds: Holds, value: &Json, at: &str) -> Result<(), Problem> {
    match holds {
        Holds::Note if keyword == "$schema" => {
            let is_draft = value.as_text().is_some_and(|text| text.strip_suffix('#').unwrap_or(text) == DRAFT);
            if is_draft { Ok(()) } else { refused(at, "is not draft 2020-12") }
        }
        Holds::Note | Holds::Rule => match wrong(keyword, value) {
            Some(problem) => refused(at, problem),
            None => Ok(()),
        },
        Holds::Schema if keyword == "additionalProperties" && *value == Json::Bool(false) => Ok(()),
        Holds::Schema => check(value, at, false),
        Holds::Schemas => match value {
            Json::List(items) if !items.is_empty() => {
                items.iter().enumerate().try_for_each(|(index, each)| check(each, &format!("{at}/{index}"), false))
            }
            _ => refused(at, "is not a list of at least one schema"),
        },
        Holds::SchemasByName => match value {
            Json::Object(named) => {
                named.entries().iter().try_for_each(|(name, each)| check(each, &joined(at, name), false))
            }
            _ => refused(at, "is not an object of schemas"),
        },
    }
}

/// The subschemas that stand in a schema, under which keyword, and where; of its `$defs` none.
fn below<'a>(schema: &'a Object, at: &str) -> Vec<(&'a str, &'a Json, String)> {
    let mut found = Vec::new();
    for (keyword, value) in schema.entries() {
        let below = joined(at, keyword);
        match (holds(keyword), value) {
            (Some(Holds::Schema), Json::Bool(false)) => {}
            (Some(Holds::Schema), _) => found.push((&**keyword, value, below)),
            (Some(Holds::Schemas), Json::List(items)) => {
                let each = items.iter().enumerate();
                found.extend(each.map(|(index, each)| (&**keyword, each, format!("{below}/{index}"))));
            }
            (Some(Holds::SchemasByName), Json::Object(named)) if &**keyword != "$defs" => {
                let each = named.entries().iter();
                found.extend(each.map(|(name, each)| (&**keyword, each, joined(&below, name))));
            }
            _ => {}
        }
    }
    found
}

/// What `$ref`s may lead to.
struct Definitions<'a> {
    named: &'a Object,
    at: String,
}

impl<'a> Definitions<'a> {
    /// What a `$ref` leads to, and where that stands.
    fn target(&self, reference: &Json, at: &str) -> Result<(&'a Json, String), Problem> {
        let name = reference.as_text().and_then(|text| text.strip_prefix("#/$defs/")).unwrap_or_default();
        if name.is_empty() || name.contains(['/', '~', '%']) {
            return refused(&joined(at, "$ref"), "leads elsewhere than to `#/$defs/NAME`");
        }
        match self.named.get(name) {
            Some(target) => Ok((target, joined(&self.at, name))),
            None => refused(&joined(at, "$ref"), format!("leads to `{name}`, which `$defs` lacks")),
        }
    }

    /// How much a schema is with all `$ref`s followed.
    fn unfolded(&self, schema: &Json, at: &str) -> Result<Size, Problem> {
        let size = Size { subschemas: 0, patterns: 0 };
        let mut unfolding = Unfolding { definitions: self, size, within: Vec::new() };
        unfolding.walk(schema, at, 1, 1)?;
        Ok(unfolding.size)
    }

    /// The same of a `$ref` that was followed before.
    fn known(&self, reference: &Json) -> &'a Json {
        self.target(reference, "").expect("it was followed before").0
    }
}

/// Counts what a schema is with all `$ref`s followed, before anything is done for each.
struct Unfolding<'a> {
    definitions: &'a Definitions<'a>,
    size: Size,
    within: Vec<String>,
}

impl Unfolding<'_> {
    /// `times`: how often the library may be given it.
    fn walk(&mut self, schema: &Json, at: &str, depth: usize, times: usize) -> Result<(), Problem> {
        let patterns = schema.as_object().map_or(0, characters);
        let weight = schema.as_object().map_or(0, weight) + patterns * BYTES_A_CHARACTER;
        self.size.subschemas += times * (1 + weight / BYTES_EACH);
        self.size.patterns += times * patterns;
        if self.size.subschemas > SUBSCHEMAS_MAX {
            return refused(at, format!("is beyond {SUBSCHEMAS_MAX} subschemas, `$ref`s followed"));
        }
        if depth > DEPTH_MAX {
            return refused(at, format!("is more than {DEPTH_MAX} subschemas deep"));
        }
        let Some(object) = schema.as_object() else {
            return Ok(());
        };
        if let Some(reference) = object.get("$ref") {
            let (target, target_at) = self.definitions.target(reference, at)?;
            if self.within.contains(&target_at) {
                return refused(&joined(at, "$ref"), "leads back to where it stands");
            }
            self.within.push(target_at.clone());
            self.walk(target, &target_at, depth + 1, times)?;
            self.within.pop();
        }
        below(object, at).into_iter().try_for_each(|(keyword, below, below_at)| {
            self.walk(below, &below_at, depth + 1, times + usize::from(keyword == "oneOf"))
        })
    }
}

/// How many bytes a schema's own rules and names have.
fn weight(schema: &Object) -> usize {
    let of = |keyword: &str, value: &Json| match (holds(keyword), value) {
        (Some(Holds::Rule), _) if keyword != "$ref" => value.canonical().len(),
        (Some(Holds::SchemasByName), Json::Object(named)) if keyword != "$defs" => {
            named.entries().iter().map(|(name, _)| name.len()).sum()
        }
        _ => 0,
    };
    schema.entries().iter().map(|(keyword, value)| of(keyword, value)).sum()
}

/// How many characters a schema's own pattern stands for.
fn characters(schema: &Object) -> usize {
    let pattern = schema.get("pattern").and_then(Json::as_text);
    pattern.map_or(0, |pattern| written_out(pattern).expect("it was read before").size)
}

// --- what is made of it -----------------------------------------------------------------------------------------

/// Which keys a description beside a combinator names; none where any may be there.
type Known<'a> = Option<BTreeSet<&'a str>>;

/// What stands around a schema: whether it says that the value is an object, and whether a default counts there.
#[derive(Clone, Copy)]
struct Within {
    is_object: bool,
    fills: bool,
}

/// Closes the schemas of places, and collects defaults. What it walks was checked, and unfolds to a bounded size.
struct Closing<'a> {
    definitions: &'a Definitions<'a>,
    defaults: Vec<Default>,
}

type Described = Result<(Value, Place), Problem>;

impl<'a> Closing<'a> {
    /// The closed schema of a place.
    fn described(&mut self, schema: &'a Json, at: &str, within: Within, is_property: bool) -> Described {
        let Some(object) = schema.as_object() else {
            let made = if within.is_object { json!({"additionalProperties": false}) } else { json!({}) };
            return Ok((made, Place::open()));
        };
        if !is_property {
            refuse_default(object, at)?;
        }
        if let Some(reference) = object.get("$ref") {
            let (target, target_at) = self.definitions.target(reference, at)?;
            return self.described(target, &target_at, within, false);
        }
        let within = Within { is_object: within.is_object || says_object(object), ..within };
        let stands_in = |keyword: &&&str| list(object, keyword).iter().any(|each| self.describes(each));
        let standing_in: Vec<&str> = COMBINATORS.iter().filter(stands_in).copied().collect();
        if has_any(object, &DESCRIBING) || standing_in.is_empty() {
            return self.by_itself(object, at, within);
        }
        match standing_in[..] {
            ["allOf"] => self.by_one_of_all(object, at, within),
            [keyword] => self.by_alternatives(object, at, keyword, within),
            _ => {
                let names: Vec<String> = standing_in.iter().map(|each| format!("`{each}`")).collect();
                refused(at, format!("describes the value in {}", names.join(" and ")))
            }
        }
    }

    fn by_itself(&mut self, schema: &'a Object, at: &str, within: Within) -> Described {
        let is_closed = schema.get("additionalProperties").is_none_or(|value| *value == Json::Bool(false));
        let known: Known = is_closed.then(|| named(schema, "properties").iter().map(|(name, _)| &**name).collect());
        if let Some(known) = known.as_ref().filter(|_| within.is_object) {
            let required = list(schema, "required").iter().filter_map(Json::as_text);
            if let Some(unnamed) = required.into_iter().find(|name| !known.contains(name)) {
                let reason = format!("names `{unnamed}`, which `properties` lacks");
                return refused(&joined(at, "required"), reason);
            }
        }
        let mut made = self.rest(schema, at, &known)?;
        for keyword in COMBINATORS {
            self.insert_restricting(schema, at, keyword, &known, &mut made)?;
        }
        let mut place = Place { kinds: self.kinds_of(schema), ..Place::open() };
        if schema.get("properties").is_some() {
            let mut properties = Map::new();
            for (name, below) in named(schema, "properties") {
                let below_at = joined(&joined(at, "properties"), name);
                let (closed, below_place) =
                    self.described(below, &below_at, Within { is_object: false, fills: within.fills }, true)?;
                let default = below.as_object().and_then(|below| below.get("default"));
                if let Some(default) = default {
                    if !within.fills {
                        return refuse_default(below.as_object().expect("it has a default"), &below_at)
                            .map(|()| unreachable!("it has a default"));
                    }
                    let size = self.definitions.unfolded(below, &below_at)?;
                    let at = joined(&below_at, "default");
                    let (schema, place) = (closed.clone(), below_place.clone());
                    self.defaults.push(Default { at, value: default.clone(), schema, size, place });
                }
                place.fills |= default.is_some() || below_place.fills;
                let property = Property { place: below_place, default: default.cloned() };
                place.properties.insert(name.clone(), property);
                properties.insert(name.to_string(), closed);
            }
            made.insert("properties".into(), Value::Object(properties));
        }
        let below = Within { is_object: false, fills: within.fills };
        match schema.get("additionalProperties") {
            _ if is_closed && within.is_object => {
                made.insert("additionalProperties".into(), Value::Bool(false));
            }
            Some(additional @ Json::Object(_)) => {
                let (closed, below) = self.described(additional, &joined(at, "additionalProperties"), below, false)?;
                made.insert("additionalProperties".into(), closed);
                place.fills |= below.fills;
                place.additional = Some(Box::new(below));
            }
            _ => {}
        }
        if schema.get("prefixItems").is_some() {
            let mut items = Vec::new();
            for (index, each) in list(schema, "prefixItems").iter().enumerate() {
                let each_at = format!("{at}/prefixItems/{index}");
                let (closed, below) = self.described(each, &each_at, below, false)?;
                place.fills |= below.fills;
                place.prefix.push(below);
                items.push(closed);
            }
            made.insert("prefixItems".into(), Value::Array(items));
        }
        if let Some(items) = schema.get("items") {
            let (closed, below) = self.described(items, &joined(at, "items"), below, false)?;
            made.insert("items".into(), closed);
            place.fills |= below.fills;
            place.items = Some(Box::new(below));
        }
        Ok((Value::Object(made), place))
    }

    /// The description is one of several. What is below the value, and which defaults count, is known where only one of
    /// them takes an object or a list.
    fn by_alternatives(&mut self, schema: &'a Object, at: &str, keyword: &str, within: Within) -> Described {
        let mut made = self.rest(schema, at, &Some(BTreeSet::new()))?;
        let alternatives = list(schema, keyword);
        let nests = |each: &&Json| self.kinds(each).and(Kinds::NESTED).is_any();
        let nesting: Vec<&Json> = alternatives.iter().filter(nests).collect();
        let alone = if let [alone] = nesting[..] { Some(alone) } else { None };
        let below = Within { is_object: within.is_object, fills: within.fills && alone.is_some() };
        let (mut closed, mut place) = (Vec::new(), Place::open());
        for (index, each) in alternatives.iter().enumerate() {
            let (alternative, below_place) =
                self.described(each, &format!("{}/{index}", joined(at, keyword)), below, false)?;
            closed.push(alternative);
            if alone.is_some_and(|alone| std::ptr::eq(alone, each)) {
                place = below_place;
            }
        }
        for other in COMBINATORS.into_iter().filter(|other| *other != keyword) {
            self.insert_restricting(schema, at, other, &Some(BTreeSet::new()), &mut made)?;
        }
        if keyword == "oneOf" {
            // Of closed alternatives one may fit where of open ones two do, which the tool's own schema refuses.
            made.insert("oneOf".into(), alternatives.iter().map(|each| self.as_it_is(each)).collect());
            let all = made.entry("allOf").or_insert_with(|| json!([]));
            all.as_array_mut().expect("it is a list").push(json!({ "anyOf": closed }));
        } else {
            made.insert(keyword.into(), Value::Array(closed));
        }
        Ok((Value::Object(made), Place { kinds: self.kinds_of(schema), ..place }))
    }

    /// The description stands in an `allOf`, beside what restricts it.
    fn by_one_of_all(&mut self, schema: &'a Object, at: &str, within: Within) -> Described {
        let parts = list(schema, "allOf");
        let describing: Vec<&Json> = parts.iter().filter(|each| self.describes(each)).collect();
        let [describing] = describing[..] else {
            return refused(&joined(at, "allOf"), "describes the value in several parts");
        };
        let mut made = self.rest(schema, at, &Some(BTreeSet::new()))?;
        let (mut closed, mut place) = (Vec::new(), Place::open());
        for (index, each) in parts.iter().enumerate() {
            let each_at = format!("{at}/allOf/{index}");
            if std::ptr::eq(describing, each) {
                let (part, below) = self.described(each, &each_at, Within { fills: false, ..within }, false)?;
                (place, _) = (below, closed.push(part));
            } else {
                closed.push(self.restricting(each, &each_at, &Some(BTreeSet::new()), true)?);
            }
        }
        made.insert("allOf".into(), Value::Array(closed));
        for other in ["anyOf", "oneOf"] {
            self.insert_restricting(schema, at, other, &Some(BTreeSet::new()), &mut made)?;
        }
        Ok((Value::Object(made), Place { kinds: self.kinds_of(schema), ..place }))
    }

    /// What stands in a schema beside descriptions and combinators: rules, and what restricts by itself.
    fn rest(&self, schema: &'a Object, at: &str, known: &Known<'a>) -> Result<Map<String, Value>, Problem> {
        let mut made = rules(schema);
        for keyword in ["not", "if", "then", "else"] {
            if let Some(below) = schema.get(keyword) {
                made.insert(keyword.into(), self.restricting(below, &joined(at, keyword), known, true)?);
            }
        }
        for keyword in ["contains", "propertyNames"] {
            if let Some(below) = schema.get(keyword) {
                made.insert(keyword.into(), self.restricting(below, &joined(at, keyword), &None, false)?);
            }
        }
        if schema.get("dependentSchemas").is_some() {
            let mut dependent = Map::new();
            for (name, below) in named(schema, "dependentSchemas") {
                let below_at = joined(&joined(at, "dependentSchemas"), name);
                dependent.insert(name.to_string(), self.restricting(below, &below_at, known, true)?);
            }
            made.insert("dependentSchemas".into(), Value::Object(dependent));
        }
        Ok(made)
    }

    fn insert_restricting(
        &self,
        schema: &'a Object,
        at: &str,
        keyword: &str,
        known: &Known<'a>,
        made: &mut Map<String, Value>,
    ) -> Result<(), Problem> {
        if schema.get(keyword).is_some() {
            let at = joined(at, keyword);
            let each = list(schema, keyword).iter().enumerate();
            let restricting: Result<Vec<Value>, Problem> =
                each.map(|(index, each)| self.restricting(each, &format!("{at}/{index}"), known, true)).collect();
            made.insert(keyword.into(), Value::Array(restricting?));
        }
        Ok(())
    }

    /// The schema of what is described elsewhere, as it is.
    fn restricting(&self, schema: &'a Json, at: &str, known: &Known<'a>, in_place: bool) -> Result<Value, Problem> {
        self.check_restricting(schema, at, known, in_place)?;
        Ok(self.as_it_is(schema))
    }

    fn check_restricting(&self, schema: &'a Json, at: &str, known: &Known<'a>, in_place: bool) -> Result<(), Problem> {
        let Some(object) = schema.as_object() else {
            return Ok(());
        };
        refuse_default(object, at)?;
        if let Some(reference) = object.get("$ref") {
            let (target, target_at) = self.definitions.target(reference, at)?;
            self.check_restricting(target, &target_at, known, in_place)?;
        }
        if in_place && object.get("additionalProperties").is_some() {
            return refused(at, "has `additionalProperties` in a combinator");
        }
        if let Some(known) = known.as_ref().filter(|_| in_place) {
            let unknown = named(object, "properties").iter().find(|(name, _)| !known.contains(&**name));
            if let Some((unknown, _)) = unknown {
                let reason = format!("names `{unknown}` in a combinator only");
                return refused(&joined(at, "properties"), reason);
            }
        }
        for (keyword, below, below_at) in below(object, at) {
            let of_same_value =
                matches!(keyword, "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas");
            let stays = in_place && of_same_value;
            self.check_restricting(below, &below_at, if stays { known } else { &None }, stays)?;
        }
        Ok(())
    }

    /// A schema with its `$ref`s written out, and without notes.
    fn as_it_is(&self, schema: &Json) -> Value {
        let Some(object) = schema.as_object() else {
            return json!({});
        };
        if let Some(reference) = object.get("$ref") {
            return self.as_it_is(self.definitions.known(reference));
        }
        let mut made = rules(object);
        for (keyword, value) in object.entries() {
            let below = match (holds(keyword), value) {
                (Some(Holds::Schema), Json::Bool(false)) => Value::Bool(false),
                (Some(Holds::Schema), _) => self.as_it_is(value),
                (Some(Holds::Schemas), Json::List(items)) => items.iter().map(|each| self.as_it_is(each)).collect(),
                (Some(Holds::SchemasByName), Json::Object(named)) if &**keyword != "$defs" => {
                    named.entries().iter().map(|(name, each)| (name.to_string(), self.as_it_is(each))).collect()
                }
                _ => continue,
            };
            made.insert(keyword.to_string(), below);
        }
        Value::Object(made)
    }

    // --- what a schema says of its value -----------------------------------------------------------------------

    /// Whether it says that the value is an object, or what is below it.
    fn describes(&self, schema: &Json) -> bool {
        let Some(object) = schema.as_object() else {
            return false;
        };
        if let Some(reference) = object.get("$ref") {
            return self.definitions.target(reference, "").is_ok_and(|(target, _)| self.describes(target));
        }
        let describes_any = |keyword: &&str| list(object, keyword).iter().any(|each| self.describes(each));
        says_object(object) || has_any(object, &DESCRIBING) || COMBINATORS.iter().any(describes_any)
    }

    fn kinds(&self, schema: &Json) -> Kinds {
        schema.as_object().map_or(Kinds::ALL, |object| self.kinds_of(object))
    }

    /// The kinds that a value may be of, and perhaps some of which none fits.
    fn kinds_of(&self, schema: &Object) -> Kinds {
        if let Some(reference) = schema.get("$ref") {
            return self.kinds(self.definitions.known(reference));
        }
        let any = |kinds: &mut dyn Iterator<Item = Kinds>| kinds.fold(Kinds::NONE, Kinds::or);
        let mut kinds = Kinds::ALL;
        if schema.get("type").is_some() {
            kinds = kinds.and(any(&mut types(schema).into_iter().map(Kinds::named)));
        }
        if schema.get("enum").is_some() {
            kinds = kinds.and(any(&mut list(schema, "enum").iter().map(Kinds::of)));
        }
        if let Some(constant) = schema.get("const") {
            kinds = kinds.and(Kinds::of(constant));
        }
        for keyword in ["anyOf", "oneOf"] {
            if schema.get(keyword).is_some() {
                kinds = kinds.and(any(&mut list(schema, keyword).iter().map(|each| self.kinds(each))));
            }
        }
        list(schema, "allOf").iter().fold(kinds, |kinds, each| kinds.and(self.kinds(each)))
    }
}

fn list<'a>(schema: &'a Object, keyword: &str) -> &'a [Json] {
    match schema.get(keyword) {
        Some(Json::List(items)) => items,
        _ => &[],
    }
}

fn named<'a>(schema: &'a Object, keyword: &str) -> &'a [(Box<str>, Json)] {
    schema.get(keyword).and_then(Json::as_object).map_or(&[], Object::entries)
}

fn has_any(schema: &Object, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| schema.get(keyword).is_some())
}

fn types(schema: &Object) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::Text(name)) => vec![name],
        _ => list(schema, "type").iter().filter_map(Json::as_text).collect(),
    }
}

fn says_object(schema: &Object) -> bool {
    types(schema).contains(&"object") || has_any(schema, &OF_OBJECTS)
}

fn refuse_default(schema: &Object, at: &str) -> Result<(), Problem> {
    match schema.get("default") {
        Some(_) => refused(&joined(at, "default"), "is a default where none counts"),
        None => Ok(()),
    }
}

fn rules(schema: &Object) -> Map<String, Value> {
    let rules = schema.entries().iter().filter(|(keyword, _)| is_rule(keyword));
    let made = rules.map(|(keyword, value)| match value {
        Json::Text(pattern) if &**keyword == "pattern" => {
            (keyword.to_string(), Value::String(written_out(pattern).expect("it was read before").text))
        }
        _ => (keyword.to_string(), as_value(value)),
    });
    made.collect()
}

/// A value as the library reads it: a number is a whole one up to 2^53 - 1, and a double beyond, as it is in Python.
pub fn as_value(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(text) => {
            let double = double(text);
            let is_whole = !text.contains(['.', 'e']) && double.abs() <= WHOLE_MAX;
            if is_whole { Value::from(double as i64) } else { Value::from(double) }
        }
        Json::Text(text) => Value::String(text.to_string()),
        Json::List(items) => items.iter().map(as_value).collect(),
        Json::Object(object) => {
            object.entries().iter().map(|(key, value)| (key.to_string(), as_value(value))).collect()
        }
    }
}
