//! A call as it is judged: its arguments read strictly, with what the tool says of their types.
//!
//! Reading a call knows nothing of any tool. Where the schema has descriptions of tools, whoever evaluates looks for the one
//! that counts and makes of the call what the tool would get: defaults filled in, types known, or that nobody can tell.
//! Law: the bytes that are judged are those that the answer returns.

use crate::json_text::{Json, Numbers, Object, Problem, path_of, read_object};
use crate::values::{Type, is_nfc};

pub const ARGUMENTS_BYTES_MAX: usize = 65_536;
pub const VALUES_MAX: usize = 1_000;
const PURPOSE_BYTES_MAX: usize = 256;
const ID_BYTES_MAX: usize = 1_024;

/// A call, its arguments read once for all documents that it is judged by.
#[derive(Clone, Debug)]
pub struct ReadCall {
    tool: Json,
    purpose: Json,
    arguments: Json,
    values: usize,
    types: Types,
    can_be_judged: bool,
}

impl ReadCall {
    /// A call as a request brings it: `tool` an id, `arguments` the bytes of a JSON object, `purpose` perhaps empty.
    pub fn read(tool: &str, arguments: &[u8], purpose: &str) -> Result<ReadCall, Problem> {
        let refused = |reason: String| Err(Problem { pointer: String::new(), reason });
        if !is_id(tool) {
            return refused("the call's tool is no id of an object".into());
        }
        if purpose.len() > PURPOSE_BYTES_MAX {
            let size = purpose.len();
            return refused(format!("the call's purpose is {size} bytes, more than the {PURPOSE_BYTES_MAX} allowed"));
        }
        if !is_nfc(purpose) {
            return refused("the call's purpose is not in Unicode's normal form NFC".into());
        }
        if arguments.len() > ARGUMENTS_BYTES_MAX {
            return refused(format!("is {} bytes, more than the {ARGUMENTS_BYTES_MAX} allowed", arguments.len()));
        }
        let arguments = read_object(arguments, Numbers::Canonical, VALUES_MAX)?;
        let call = ReadCall {
            tool: Json::Text(tool.into()),
            purpose: Json::Text(purpose.into()),
            arguments: Json::Null,
            values: 0,
            types: Types::default(),
            can_be_judged: true,
        };
        Ok(call.described(arguments, Types::default()))
    }

    /// The call as its tool understands it: arguments that were validated, with defaults filled in, and their types.
    pub fn described(self, arguments: Object, types: Types) -> ReadCall {
        let call = ReadCall { values: arguments.values(), arguments: Json::Object(arguments), ..self };
        call.typed(types)
    }

    /// The call with the types that its tool says of its arguments.
    pub fn typed(self, types: Types) -> ReadCall {
        let can_be_judged = self.can_be_judged && are_judgeable(&self.arguments, Some(&types));
        ReadCall { types, can_be_judged, ..self }
    }

    /// The call where nobody knows what its tool makes of it: unknown under every document.
    pub fn unjudgeable(self) -> ReadCall {
        ReadCall { can_be_judged: false, ..self }
    }

    pub fn tool(&self) -> &Json {
        &self.tool
    }

    pub fn purpose(&self) -> &Json {
        &self.purpose
    }

    pub fn arguments(&self) -> &Json {
        &self.arguments
    }

    /// How many values the arguments are.
    pub fn values(&self) -> usize {
        self.values
    }

    pub fn types(&self) -> &Types {
        &self.types
    }

    /// False where nothing of the call can be judged: nobody knows what its tool makes of it; a name is not in NFC, for
    /// another reader may take it for one that is; or a value is not of the type that the tool says.
    pub fn can_be_judged(&self) -> bool {
        self.can_be_judged
    }
}

fn are_judgeable(value: &Json, types: Option<&Types>) -> bool {
    match value {
        Json::Object(object) => object
            .entries()
            .iter()
            .all(|(key, item)| is_nfc(key) && are_judgeable(item, types.and_then(|types| types.below(key)))),
        Json::List(items) => {
            let types = types.and_then(|types| types.below("*"));
            items.iter().all(|item| are_judgeable(item, types))
        }
        Json::Text(text) => types.and_then(|types| types.own).is_none_or(|type_| type_.takes(text)),
        _ => true,
    }
}

/// Whether it is the id of an object; the wildcard is none.
pub fn is_id(text: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'[' | b']');
    (1..=ID_BYTES_MAX).contains(&text.len()) && text != "*" && text.bytes().all(is_letter)
}

/// The semantic types of a tool's arguments, by the keys that lead to them; a key `*` is every element of a list.
#[derive(Clone, Debug, Default)]
pub struct Types {
    own: Option<Type>,
    below: Vec<(Box<str>, Types)>,
}

impl Types {
    /// Types by JSON Pointers; a pointer that is none leads nowhere.
    pub fn of<'a>(types: impl IntoIterator<Item = (&'a str, Type)>) -> Types {
        let mut all = Types::default();
        for (pointer, type_) in types {
            if let Some(path) = path_of(pointer) {
                path.iter().fold(&mut all, |node, key| node.begun(key)).own = Some(type_);
            }
        }
        all
    }

    fn begun(&mut self, key: &str) -> &mut Types {
        let place = match self.below.binary_search_by(|(each, _)| (**each).cmp(key)) {
            Ok(place) => place,
            Err(place) => {
                self.below.insert(place, (key.into(), Types::default()));
                place
            }
        };
        &mut self.below[place].1
    }

    /// The type of what stands here.
    pub fn own(&self) -> Option<Type> {
        self.own
    }

    /// Those below a key.
    pub fn below(&self, key: &str) -> Option<&Types> {
        let found = self.below.binary_search_by(|(each, _)| (**each).cmp(key));
        found.ok().map(|place| &self.below[place].1)
    }
}
