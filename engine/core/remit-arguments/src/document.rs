//! Reading a constraint document: from the context of its caveat to a tree.
//!
//! What is stored was read by Python when it was written, which says what to write instead of what is wrong; here it is read
//! again, once for each relationship.
//! Law: a document is refused here exactly where Python refuses it, and at the same place.

use crate::glob::{self, Glob};
use crate::json_text::{Json, Numbers, Object, Problem, Read, push_segment, read_object, refused};
use crate::tree::{Argument, Bound, Constraint, Document, Goal, Hosts, Link, Member, Named, OneOf, Part, Says, Side};
use crate::values::{self, Type, is_address_like, is_nfc, is_path_of_url};
use ipnet::IpNet;
use std::sync::Arc;

pub const BYTES_MAX: usize = 16_384;
pub const CONSTRAINTS_MAX: usize = 500;
const ONE_OF_MAX: usize = 500;
const BINDING_NAME_MAX: usize = 128;

/// The permission that a binding is asked by: of an object of this type.
pub const BINDING: (&str, &str) = ("binding", "link");

impl Document {
    /// The document of a caveat's context. `declared`: the permissions, by type and name, that the relation lets it ask the
    /// graph for. Cost: O(length).
    pub fn parse(context_json: &str, side: Side, declared: &[(String, String)]) -> Result<Document, Problem> {
        let value = Json::Object(read_object(context_json.as_bytes(), Numbers::Exact, usize::MAX)?);
        // Only numbers have a canonical text that may be longer: 21 characters for `1e20`.
        let size = if context_json.len() > BYTES_MAX / 6 { value.canonical().len() } else { 0 };
        if size > BYTES_MAX {
            let reason = format!("is {size} bytes, more than the {BYTES_MAX} allowed");
            return Err(Problem { pointer: String::new(), reason });
        }
        let mut reader = Reader { side, declared, constraints: 0 };
        let root = reader.part(&value).map_err(|refused| refused.problem())?;
        Ok(Document { side, root, constraints: reader.constraints })
    }
}

/// What something is at a place below.
trait Below {
    fn below(self, segment: impl AsRef<str>) -> Self;
}

impl<T> Below for Read<T> {
    fn below(self, segment: impl AsRef<str>) -> Self {
        self.map_err(|refused| refused.below(segment.as_ref()))
    }
}

/// One document while it is read. A refusal learns its place on the way out.
struct Reader<'a> {
    side: Side,
    declared: &'a [(String, String)],
    constraints: usize,
}

impl Reader<'_> {
    // --- documents --------------------------------------------------------------------------------------------------

    /// A document, or one within `any_of` or `all_of` of another.
    fn part(&mut self, value: &Json) -> Read<Part> {
        let object = object_of(value, "a document")?;
        self.count()?;
        let tool = self.text_constraint(object, "tool").below("tool")?;
        let purpose = self.text_constraint(object, "purpose").below("purpose")?;
        let combining = ["any_of", "all_of"].into_iter().find(|&name| object.get(name).is_some());
        let Some(name) = combining else {
            return Ok(Part { tool, purpose, says: self.clause(object)? });
        };
        let mut others = object.in_order().map(|(key, _)| &**key);
        let is_other = |key: &str| !["tool", "purpose", name].contains(&key);
        let other = (name == "any_of" && object.get("all_of").is_some()).then_some("all_of");
        if let Some(other) = other.or_else(|| others.find(|key| is_other(key))) {
            return refused(format!("stands beside `{name}`, where only `tool` and `purpose` may")).below(other);
        }
        let parts = items_of(object.get(name).unwrap_or(&Json::Null), usize::MAX)
            .and_then(|items| each_of(items, |item| self.part(item)))
            .below(name)?;
        Ok(Part { tool, purpose, says: if name == "any_of" { Says::Any(parts) } else { Says::All(parts) } })
    }

    fn clause(&mut self, object: &Object) -> Read<Says> {
        let is_open = match object.get("additional") {
            None => false,
            Some(_) if self.side == Side::Matching => return refused("is of `arguments` alone").below("additional"),
            Some(Json::Bool(is_open)) => *is_open,
            Some(_) => return refused("is neither true nor false").below("additional"),
        };
        let mut arguments = Vec::new();
        for (name, value) in object.in_order() {
            if !matches!(&**name, "tool" | "purpose" | "additional") {
                arguments.push(self.argument(name, value).below(name)?);
            }
        }
        let mut paths: Vec<&[Box<str>]> = arguments.iter().map(|argument| &*argument.path).collect();
        paths.sort_unstable();
        for pair in paths.windows(2) {
            if pair[1].starts_with(pair[0]) {
                let pointer = pointer_of(pair[1]);
                return refused(if pair[0] == pair[1] {
                    format!("names `{pointer}`, which is named twice")
                } else {
                    format!("names `{pointer}`, which is within `{}`, which is named too", pointer_of(pair[0]))
                });
            }
        }
        let named = Named::of(&arguments);
        Ok(Says::Clause { arguments, named, is_open })
    }

    fn argument(&mut self, name: &str, value: &Json) -> Read<Argument> {
        in_nfc(name)?;
        let path = if name.starts_with('/') { path_of(name)? } else { vec![name.into()] };
        if path.iter().any(|key| &**key == "*") {
            return refused("has the key `*`");
        }
        let object = object_of(value, "a constraint")?;
        let absent = if self.side == Side::Arguments { "optional" } else { "if_present" };
        let is_set = match object.get(absent) {
            None => false,
            Some(Json::Bool(true)) => true,
            Some(_) => return refused("is not true").below(absent),
        };
        let constraint = self.members(object, Some(absent))?;
        let is_arguments = self.side == Side::Arguments;
        Ok(Argument { path, constraint, is_optional: is_set && is_arguments, if_present: is_set && !is_arguments })
    }

    // --- constraints ------------------------------------------------------------------------------------------------

    fn constraint(&mut self, value: &Json) -> Read<Constraint> {
        self.members(object_of(value, "a constraint")?, None)
    }

    fn constraints(&mut self, value: &Json) -> Read<Vec<Constraint>> {
        each_of(items_of(value, usize::MAX)?, |item| self.constraint(item))
    }

    /// What an object of members says, but for the one that was read already.
    fn members(&mut self, object: &Object, read: Option<&str>) -> Read<Constraint> {
        self.count()?;
        let mut items_min = 1;
        let takes_items_min = self.side == Side::Arguments;
        if let Some(value) = object.get("min_items").filter(|_| takes_items_min) {
            items_min = whole(value).below("min_items")?;
            if object.get("each").is_none() {
                return refused("stands without `each`").below("min_items");
            }
        }
        let mut members = Vec::new();
        for (name, value) in object.in_order() {
            if Some(&**name) != read && !(takes_items_min && **name == *"min_items") {
                members.push(self.count().and_then(|()| self.member(name, value, items_min)).below(name)?);
            }
        }
        Ok(Constraint::of(members))
    }

    fn member(&mut self, name: &str, value: &Json, items_min: usize) -> Read<Member> {
        Ok(match (name, self.side) {
            ("equals", _) => self.equals(value)?,
            ("one_of", _) => Member::OneOf(OneOf::of(scalars(value)?, false)),
            ("not_one_of", _) => Member::OneOf(OneOf::of(scalars(value)?, true)),
            ("min", _) => Member::Bound(bound(value, false)?),
            ("max", _) => Member::Bound(bound(value, true)?),
            ("max_length", _) => Member::MaxLength(whole(value)?),
            ("prefix", _) => Member::Prefix(prefix(value)?),
            ("subpath", _) => Member::Subpath(path(value)?),
            ("glob", _) => Member::Glob(Box::new(glob(value)?)),
            ("cidr", _) => Member::Cidr(one_or_more(value, network)?),
            ("host", _) => Member::Host(Hosts(one_or_more(value, host_name)?)),
            ("url", _) => Member::Url(Box::new(link(value)?)),
            ("any_of", _) => Member::AnyOf(self.constraints(value)?),
            ("all_of", _) => Member::AllOf(self.constraints(value)?),
            ("related", _) => Member::Related(self.goal(value)?),
            ("each", Side::Arguments) => Member::Each(Box::new(self.constraint(value)?), items_min),
            ("some", Side::Matching) => Member::Some(Box::new(self.constraint(value)?)),
            ("unrelated", Side::Matching) => Member::Unrelated(self.goal(value)?),
            ("each" | "min_items" | "some" | "unrelated" | "optional" | "if_present", _) => {
                return refused("has no place here");
            }
            _ => return refused("is no member of a constraint"),
        })
    }

    /// A constraint on the tool or the purpose, which holds no member that no text can have.
    fn text_constraint(&mut self, object: &Object, name: &str) -> Read<Constraint> {
        match object.get(name) {
            None => Ok(Constraint::anything()),
            Some(Json::Object(empty)) if empty.is_empty() => Ok(Constraint::anything()),
            Some(value) => {
                let constraint = self.constraint(value)?;
                check_of_texts(&constraint)?;
                Ok(constraint)
            }
        }
    }

    fn equals(&self, value: &Json) -> Read<Member> {
        let Json::Object(object) = value else {
            return Ok(Member::Equals(scalar(value)?));
        };
        let [(key, name)] = object.entries() else {
            return refused("is an object");
        };
        if &**key != "binding" {
            return refused("is an object");
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let is_name = |name: &&str| (1..=BINDING_NAME_MAX).contains(&name.len()) && name.bytes().all(is_letter);
        let Some(name) = name.as_text().filter(is_name) else {
            return refused("is no name of a binding").below("binding");
        };
        self.check_declared(BINDING.0, BINDING.1).below("binding")?;
        Ok(Member::EqualsBinding(name.into()))
    }

    fn goal(&self, value: &Json) -> Read<Goal> {
        let object = object_of(value, "what is asked of the graph")?;
        let (Some(type_), Some(permission), 2) = (object.get("type"), object.get("permission"), object.entries().len())
        else {
            return refused("is not of its form");
        };
        let type_ = text(type_).below("type")?;
        let permission = text(permission).below("permission")?;
        self.check_declared(type_, permission)?;
        Ok(Goal { type_: Arc::from(type_), permission: Arc::from(permission) })
    }

    fn check_declared(&self, type_: &str, permission: &str) -> Read<()> {
        if self.declared.iter().any(|declared| declared.0 == type_ && declared.1 == permission) {
            return Ok(());
        }
        refused(format!("asks `{type_}#{permission}`, which the relation does not declare"))
    }

    fn count(&mut self) -> Read<()> {
        self.constraints += 1;
        if self.constraints > CONSTRAINTS_MAX {
            return refused(format!("is one constraint more than the {CONSTRAINTS_MAX} allowed"));
        }
        Ok(())
    }
}

fn check_of_texts(constraint: &Constraint) -> Read<()> {
    for member in constraint.members() {
        match member {
            Member::Each(..) => return refused("is of lists").below("each"),
            Member::Some(_) => return refused("is of lists").below("some"),
            Member::Equals(value) if value.as_text().is_none() => return refused("is no text").below("equals"),
            Member::OneOf(one_of) if one_of.has_null || !one_of.truths.is_empty() || !one_of.numbers.is_empty() => {
                let name = if one_of.is_negated { "not_one_of" } else { "one_of" };
                return refused("lists what is no text").below(name);
            }
            Member::AnyOf(parts) => each_of(parts, check_of_texts).below("any_of").map(drop)?,
            Member::AllOf(parts) => each_of(parts, check_of_texts).below("all_of").map(drop)?,
            _ => {}
        }
    }
    Ok(())
}

// --- members --------------------------------------------------------------------------------------------------------

fn scalars(value: &Json) -> Read<Vec<Json>> {
    each_of(items_of(value, ONE_OF_MAX)?, scalar)
}

fn bound(value: &Json, is_max: bool) -> Read<Bound> {
    if matches!(value, Json::Number(_)) {
        return refused("is a number");
    }
    let text = text(value)?;
    let is_date = Type::Date.takes(text);
    if !is_date && !Type::Decimal.takes(text) {
        return refused_as(Type::Decimal);
    }
    Ok(Bound { limit: text.into(), is_date, is_max })
}

fn prefix(value: &Json) -> Read<Box<str>> {
    match text(value)? {
        "" => refused("is empty"),
        text => Ok(text.into()),
    }
}

fn path(value: &Json) -> Read<Box<str>> {
    let text = text(value)?;
    if Type::Path.takes(text) { Ok(text.into()) } else { refused_as(Type::Path) }
}

fn glob(value: &Json) -> Read<Glob> {
    let pattern = text(value)?;
    if pattern.chars().count() > glob::LENGTH_MAX {
        return refused(format!("is a glob of more than {} characters", glob::LENGTH_MAX));
    }
    if let Some(at) = pattern.find(['[', ']', '{', '}']) {
        return refused(format!("holds `{}`, which means nothing in a glob", &pattern[at..=at]));
    }
    // What stands for others is no part of what makes a path one: a letter stands for it.
    if !Type::Path.takes(&pattern.replace(['*', '?'], "x")) {
        return refused_as(Type::Path);
    }
    if pattern.split('/').any(|segment| segment.contains("**") && segment != "**") {
        return refused("has `**` within a segment");
    }
    Ok(Glob::compile(pattern))
}

fn network(value: &Json) -> Read<IpNet> {
    let text = text(value)?;
    let network = text.split_once('/').and_then(|(address, length)| {
        let address = values::address(address)?;
        let length: u8 = length.parse().ok().filter(|number: &u8| number.to_string() == length)?;
        IpNet::new(address, length).ok().filter(|network| network.trunc() == *network)
    });
    network.map_or_else(|| refused("is not written as networks are"), Ok)
}

fn host_name(value: &Json) -> Read<Box<str>> {
    let text = text(value)?;
    let name = text.strip_prefix('.').unwrap_or(text);
    if !Type::Host.takes(name) {
        return refused_as(Type::Host);
    }
    if name.len() < text.len() && is_address_like(name) {
        return refused("is an address, which nothing is below");
    }
    Ok(text.into())
}

fn link(value: &Json) -> Read<Link> {
    let object = object_of(value, "what `url` says")?;
    let members = ["scheme", "host", "port", "path"];
    if let Some((name, _)) = object.in_order().find(|(name, _)| !members.contains(&&**name)) {
        return refused("is no member of `url`").below(name);
    }
    let Some(host) = object.get("host") else {
        return refused("names no `host`");
    };
    let hosts = Hosts(one_or_more(host, host_name).below("host")?);
    let schemes = match object.get("scheme") {
        None => vec!["https".into()],
        Some(value) => items_of(value, usize::MAX).and_then(|items| each_of(items, scheme)).below("scheme")?,
    };
    let port = |value: &Json| match u16::try_from(whole(value)?) {
        Ok(port @ 1..) => Ok(port),
        _ => refused("is no port"),
    };
    let ports = match object.get("port") {
        None => None,
        Some(value) => Some(items_of(value, usize::MAX).and_then(|items| each_of(items, port)).below("port")?),
    };
    let directory = match object.get("path") {
        None => None,
        Some(value) => {
            let directory = path(value).below("path")?;
            if !directory.starts_with('/') {
                return refused("is a relative path").below("path");
            }
            // In another spelling it would be the path of no URL that is judged, and a denial would match none.
            if !is_path_of_url(&directory) {
                return refused("is not written as the paths of URLs are").below("path");
            }
            Some(directory)
        }
    };
    Ok(Link { schemes, hosts, ports, directory })
}

fn scheme(value: &Json) -> Read<Box<str>> {
    let text = text(value)?;
    if values::default_port(text).is_none() {
        return refused("is no scheme that is judged");
    }
    Ok(text.into())
}

// --- what they are made of ------------------------------------------------------------------------------------------

fn object_of<'a>(value: &'a Json, what: &str) -> Read<&'a Object> {
    value.as_object().map_or_else(|| refused(format!("is no object, and so not {what}")), Ok)
}

/// What a list that may not be empty holds.
fn items_of(value: &Json, items_max: usize) -> Read<&[Json]> {
    match value {
        Json::List(items) if items.is_empty() => refused("is an empty list"),
        Json::List(items) if items.len() > items_max => {
            refused(format!("lists {} values, more than the {items_max} allowed", items.len()))
        }
        Json::List(items) => Ok(items),
        _ => refused("is no list"),
    }
}

fn each_of<T, U>(items: &[T], mut read: impl FnMut(&T) -> Read<U>) -> Read<Vec<U>> {
    items.iter().enumerate().map(|(index, item)| read(item).below(index.to_string())).collect()
}

/// A single text or a list of them.
fn one_or_more<T>(value: &Json, read: fn(&Json) -> Read<T>) -> Read<Vec<T>> {
    match value {
        Json::Text(_) => Ok(vec![read(value)?]),
        Json::List(_) => each_of(items_of(value, usize::MAX)?, read),
        _ => refused("is neither a text nor a list of texts"),
    }
}

fn scalar(value: &Json) -> Read<Json> {
    match value {
        Json::List(_) | Json::Object(_) => return refused("is no scalar"),
        Json::Text(text) => in_nfc(text)?,
        _ => {}
    }
    Ok(value.clone())
}

fn text(value: &Json) -> Read<&str> {
    let Json::Text(text) = value else {
        return refused("is no text");
    };
    in_nfc(text).map(|()| &**text)
}

fn in_nfc(text: &str) -> Read<()> {
    if is_nfc(text) { Ok(()) } else { refused("is not in Unicode's normal form NFC") }
}

/// Python says of each type what is wrong in which value.
fn refused_as<T>(type_: Type) -> Read<T> {
    refused(format!("is not written as values of the type `{}` are", type_.name()))
}

/// A whole number from 0 on; of those beyond all lengths and sizes the largest.
fn whole(value: &Json) -> Read<usize> {
    match value {
        Json::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(digits.parse().unwrap_or(usize::MAX))
        }
        _ => refused("is no whole number from 0 on"),
    }
}

fn pointer_of(path: &[Box<str>]) -> String {
    let mut pointer = String::new();
    path.iter().for_each(|key| push_segment(key, &mut pointer));
    pointer
}

/// The keys of a JSON Pointer that begins with `/`.
fn path_of(pointer: &str) -> Read<Vec<Box<str>>> {
    crate::json_text::path_of(pointer).map_or_else(|| refused("is no JSON Pointer"), Ok)
}
