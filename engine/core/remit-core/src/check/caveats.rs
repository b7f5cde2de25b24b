//! Caveats: conditions beside relationships, decided here where that is plain: in CEL, or (`judging.rs`) documents that calls are
//! judged by.
//!
//! `language/caveats.py` is the meaning. An expression is taken over once for each schema (`expressions.rs` says which),
//! a relationship's context is converted when it is first met (`values.rs`), and the `cel` crate evaluates.
//! Law: yes and no are answered only where Python's CEL answers so. Whatever else it comes to (a parameter that is missing or
//! of another type, a division by zero, more work than a check should take) is undecided, and Python's to tell.

mod expressions;
pub mod values;

use crate::graph::{Graph, NONE};
use crate::memory::chunked::Chunked;
use crate::schema::plan::Member;
use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Env, IdedExpr};
use expressions::Work;
use remit_arguments::{Document, Side};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
pub use values::Context;
use values::{Datum, Type};

/// What one evaluation may take, in parts looked at; some milliseconds at worst. Python's bound of 10,000 turns of all
/// loops together is never reached within it, for a turn looks at two parts at least.
const WORK_MAX: usize = 20_000;

/// Parts of an expression or a document that take about as long as a step of a check.
pub(super) const WORK_OF_A_STEP: u64 = 4;

/// Bytes of the contexts that are kept converted, for each store. A document takes up to 17 times its text (measured), so that
/// is 140 MB at most. Others are converted each time.
const CONVERTED_MAX: usize = 8 << 20;

/// What the shortest context counts for: there is more to it than its text.
const CONTEXT_BYTES_MIN: usize = 128;

/// The functions that an expression may call. No parser of the crate is ever used.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A caveat of `language/plan.py`: its name, its parameters with their types, and its checked expression.
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub parameters: Vec<(String, String)>,
    pub checked: Vec<u8>,
}

/// A caveat that is evaluated here.
#[derive(Debug)]
struct Caveat {
    parameters: Vec<(String, Type)>,
    expression: IdedExpr,
    work: Work,
}

/// What a relationship fixes, by parameter.
type Fixed = Vec<Option<Datum>>;

impl Caveat {
    fn compile(declared: &Declared) -> Option<Caveat> {
        let typed = declared.parameters.iter().map(|(name, text)| Some((name.clone(), Type::parse(text)?)));
        let parameters = typed.collect::<Option<Vec<_>>>()?;
        let (expression, work) = expressions::read(&parameters, &declared.checked)?;
        Some(Caveat { parameters, expression, work })
    }

    /// `None` where a value is not of its type, which is an error to Python.
    fn fix(&self, context: &str) -> Option<Fixed> {
        let Context { values: mut written, .. } = Context::from_json(context)?;
        let fix = |(name, type_): &(String, Type)| match written.remove(name) {
            Some(value) => type_.convert(&value).map(Some),
            None => Some(None),
        };
        self.parameters.iter().map(fix).collect()
    }

    /// What it comes to with what a relationship fixed, None where that is not of its type; and the steps it took.
    fn outcome(&self, fixed: Option<&Fixed>, request: &Context) -> (Option<bool>, u64) {
        let Some(fixed) = fixed else {
            return (None, 1);
        };
        let (outcome, work) = self.evaluate(fixed, request);
        (outcome, 1 + work as u64 / WORK_OF_A_STEP)
    }

    /// What it comes to, and the parts looked at.
    fn evaluate(&self, fixed: &Fixed, request: &Context) -> (Option<bool>, usize) {
        let undecided = (None, self.parameters.len());
        let mut open: Fixed = Vec::new();
        for ((name, type_), fixed) in self.parameters.iter().zip(fixed) {
            open.push(match fixed {
                Some(_) => None, // what a relationship fixed no request can change
                None => match request.values.get(name).and_then(|value| type_.convert(value)) {
                    Some(datum) => Some(datum),
                    None => return undecided,
                },
            });
        }
        let values = Values { parameters: &self.parameters, fixed, open: &open };
        let work = self.work.of(fixed.iter().chain(&open).flatten().map(|datum| datum.size).sum());
        if work > WORK_MAX {
            return undecided;
        }
        let mut context = cel::Context::with_env(ENV.clone());
        context.set_variable_resolver(&values);
        let found = cel::Value::resolve_val(&self.expression, &context);
        (found.ok().and_then(|value| value.downcast_ref::<CelBool>().map(|truth| *truth.inner())), work)
    }
}

/// The parameters of one evaluation, by name.
struct Values<'a> {
    parameters: &'a [(String, Type)],
    fixed: &'a Fixed,
    open: &'a Fixed,
}

impl VariableResolver for Values<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let place = self.parameters.iter().position(|(name, _)| name == variable)?;
        let datum = self.fixed[place].as_ref().or(self.open[place].as_ref())?;
        Some(CowVal::Borrowed(datum.value.as_ref()))
    }
}

/// What a name stands for beside a relationship.
#[derive(Debug, Default)]
enum Meaning {
    /// Nothing that is evaluated here.
    #[default]
    Elsewhere,
    Expression(Caveat),
    /// The context is a document, by which calls are judged (`judging.rs`).
    Document(Side),
}

/// The context of a relationship, as it is used, and how much of CONVERTED_MAX it takes.
struct Kept {
    bytes: usize,
    converted: Converted,
}

enum Converted {
    Fixed(Fixed),
    /// Read as what may ask so much (see `Plan::asking`); None where that is less than it asks.
    Document(u32, Option<Document>),
}

/// All caveats of a store's schema, and what its relationships fix, each converted when it is first met.
#[derive(Default)]
pub struct Caveats {
    by_name: Vec<Meaning>,                       // by the number of the name in the graph
    pub(super) has_documents: bool,              // there are caveats whose contexts are documents
    fixed: Chunked<OnceLock<Option<Box<Kept>>>>, // by the number of caveat and context in the graph
    converted: AtomicUsize,                      // bytes
}

impl Caveats {
    /// Those of a schema, and where it uses arguments those whose contexts are documents. Cost: O(caveats), and O(1) for each
    /// context that is there.
    pub fn install(declared: &[Declared], has_documents: bool, graph: &mut Graph) -> Caveats {
        let mut caveats = Caveats { has_documents, ..Caveats::default() };
        for each in declared {
            let meaning = Caveat::compile(each).map_or(Meaning::Elsewhere, Meaning::Expression);
            caveats.mean(&each.name, meaning, graph);
        }
        if has_documents {
            for side in [Side::Arguments, Side::Matching] {
                caveats.mean(side.name(), Meaning::Document(side), graph);
            }
        }
        caveats.grow(graph.caveats.numbers());
        caveats
    }

    fn mean(&mut self, name: &str, meaning: Meaning, graph: &mut Graph) {
        let name = graph.names.intern(name) as usize;
        if self.by_name.len() <= name {
            self.by_name.resize_with(name + 1, Meaning::default);
        }
        self.by_name[name] = meaning;
    }

    /// A relationship was written with this caveat and context: the number may have stood for others before.
    pub fn written(&mut self, number: u32) {
        if number == NONE {
            return;
        }
        self.grow(number as usize + 1);
        if let Some(Some(kept)) = self.fixed[number as usize].take() {
            *self.converted.get_mut() -= kept.bytes;
        }
    }

    fn grow(&mut self, numbers: usize) {
        while self.fixed.len() < numbers {
            self.fixed.push(OnceLock::new());
        }
    }

    /// A context, converted now or before. `passing` is where it lies where there is no room for more of them.
    fn converted<'a>(
        &'a self,
        number: u32,
        graph: &Graph,
        passing: &'a mut Option<Converted>,
        convert: impl FnOnce() -> Option<Converted>,
    ) -> Option<&'a Converted> {
        let place = &self.fixed[number as usize];
        let kept = match place.get() {
            Some(kept) => kept,
            None if self.converted.load(Ordering::Relaxed) < CONVERTED_MAX => place.get_or_init(|| {
                let converted = convert()?;
                let bytes = graph.caveats.text(number).len().max(CONTEXT_BYTES_MIN);
                self.converted.fetch_add(bytes, Ordering::Relaxed);
                Some(Box::new(Kept { bytes, converted }))
            }),
            None => {
                *passing = convert();
                return passing.as_ref();
            }
        };
        kept.as_deref().map(|kept| &kept.converted)
    }

    /// What a caveat comes to with its relationship's context and a request's, and the steps it took.
    pub fn outcome(&self, number: u32, graph: &Graph, request: &Context) -> (Option<bool>, u64) {
        let Some(Meaning::Expression(caveat)) = self.by_name.get(graph.caveats.tag(number) as usize) else {
            return (None, 0);
        };
        let mut passing = None;
        let fix = || caveat.fix(graph.caveats.text(number)).map(Converted::Fixed);
        match self.converted(number, graph, &mut passing, fix) {
            Some(Converted::Fixed(fixed)) => caveat.outcome(Some(fixed), request),
            _ => caveat.outcome(None, request),
        }
    }

    /// The same of a relationship that only a request knows, by the number of its caveat's name and its context.
    pub fn passing_outcome(&self, name: u32, written: &str, request: &Context) -> (Option<bool>, u64) {
        match self.by_name.get(name as usize) {
            Some(Meaning::Expression(caveat)) => caveat.outcome(caveat.fix(written).as_ref(), request),
            _ => (None, 0),
        }
    }

    /// Whether the contexts under a name are documents.
    #[inline]
    pub(super) fn is_document(&self, name: u32) -> bool {
        matches!(self.by_name.get(name as usize), Some(Meaning::Document(_)))
    }

    /// Tell of the document that is a relationship's context, which may ask so much; None where it is none.
    pub(super) fn with_document<T>(
        &self,
        number: u32,
        (asking, declared): (u32, &[Member]),
        graph: &Graph,
        tell: impl FnOnce(&Document) -> T,
    ) -> Option<T> {
        let mut passing = None;
        let (name, written) = (graph.caveats.tag(number), graph.caveats.text(number));
        let read = || Some(Converted::Document(asking, self.document(name, written, declared)));
        match self.converted(number, graph, &mut passing, read) {
            Some(Converted::Document(known, document)) if *known == asking => document.as_ref().map(tell),
            // Relations that declare different permissions have the same document.
            _ => self.document(name, written, declared).as_ref().map(tell),
        }
    }

    /// A context that is a document, by the number of its caveat's name.
    pub(super) fn document(&self, name: u32, written: &str, declared: &[Member]) -> Option<Document> {
        match self.by_name.get(name as usize) {
            Some(Meaning::Document(side)) => Document::parse(written, *side, declared).ok(),
            _ => None,
        }
    }

    /// Bytes held, apart from what contexts were converted to.
    pub fn bytes(&self) -> usize {
        self.fixed.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::{put_bytes, put_number, put_varint};
    use proptest::prelude::*;

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, bytes) in fields {
            put_bytes(&mut out, *number, bytes);
        }
        out
    }

    /// `a < most`, as Python's CEL writes it.
    fn checked(most: i64) -> Vec<u8> {
        let mut literal = Vec::new();
        put_varint(&mut literal, 3 << 3);
        put_varint(&mut literal, most as u64);
        let mut name = Vec::new();
        put_number(&mut name, 2, 7);
        put_bytes(&mut name, 4, &message(&[(1, b"a")]));
        let call = message(&[(2, b"_<_"), (3, &name), (3, &message(&[(3, &literal)]))]);
        let typed = message(&[(2, b"who is meant"), (4, &message(&[(6, &call)]))]);
        message(&[(1, b"type.googleapis.com/cel.expr.CheckedExpr"), (2, &typed)])
    }

    fn declared(checked: Vec<u8>) -> Declared {
        Declared { name: "c".to_owned(), parameters: vec![("a".to_owned(), "int".to_owned())], checked }
    }

    fn request(json: &str) -> Context {
        Context::from_json(json).expect("an object")
    }

    #[test]
    fn what_a_relationship_fixed_hides_what_a_request_brings() {
        for most in [5, -5] {
            let caveat = Caveat::compile(&declared(checked(most))).expect("it is plain");
            let come_to = |written: &str, brought: &str| {
                let fixed = caveat.fix(written).expect("of its type");
                caveat.evaluate(&fixed, &request(brought)).0
            };
            assert_eq!(come_to("{}", r#"{"a":-9,"b":[{}]}"#), Some(true));
            assert_eq!(come_to("{}", r#"{"a":5}"#), Some(false));
            assert_eq!(come_to(r#"{"a":5}"#, r#"{"a":"nonsense"}"#), Some(false));
            assert_eq!(come_to("{}", r#"{"a":"nonsense"}"#), None);
            assert_eq!(come_to("{}", "{}"), None);
            assert!(caveat.fix(r#"{"a":true}"#).is_none());
        }
    }

    #[test]
    fn another_type_of_parameter_is_left_to_python() {
        for type_ in ["string", "double", "any", "timestamp", "list<list<int>>", "list<int", "map<any>", ""] {
            let parameters = vec![("a".to_owned(), type_.to_owned())];
            assert!(Caveat::compile(&Declared { parameters, ..declared(checked(5)) }).is_none(), "{type_}");
        }
    }

    #[test]
    fn a_struct_is_read_as_its_json() {
        let number = [&[0x11][..], &2.0f64.to_le_bytes()].concat();
        let list =
            message(&[(6, &message(&[(1, &message(&[(3, "é".as_bytes())])), (1, &[0x20, 1]), (1, &[0x08, 0])]))]);
        let entries = [message(&[(1, b"a"), (2, &number)]), message(&[(1, b"l"), (2, &list)])];
        let whole = message(&[(1, &entries[0]), (1, &entries[1])]);
        assert_eq!(Context::from_struct(&whole, 4096), Some(request(r#"{"a":2,"l":["é",true,null]}"#)));
        assert_eq!(Context::from_struct(&whole, 100), None, "it might be longer as JSON");
        let twice = message(&[(1, &entries[0]), (1, &entries[0])]);
        let no_number = message(&[(1, b"a"), (2, &[&[0x11][..], &f64::NAN.to_le_bytes()].concat())]);
        let no_kind = message(&[(1, b"a"), (2, b"")]);
        for bytes in [twice, message(&[(1, &no_number)]), message(&[(1, &no_kind)]), vec![0x0a]] {
            assert_eq!(Context::from_struct(&bytes, 4096), None, "{bytes:?}");
        }
        let mut nested = number.clone();
        for _ in 0..40 {
            nested = message(&[(6, &message(&[(1, &nested)]))]);
        }
        assert_eq!(Context::from_struct(&message(&[(1, &message(&[(1, b"a"), (2, &nested)]))]), 4096), None);
    }

    /// Read as a document is.
    fn read(caveats: &Caveats, number: u32, graph: &Graph) {
        caveats.with_document(number, (NONE, &[]), graph, |_| ()).expect("it is a document");
    }

    #[test]
    fn what_is_kept_converted_is_bounded_by_its_text_and_given_back_with_it() {
        let mut graph = Graph::default();
        let arguments = graph.names.intern("arguments");
        let document = |of: usize| format!("{{\"a{of}\":{{\"equals\":\"{}\"}}}}", "x".repeat(15_000));
        let numbers: Vec<u32> = (0..1_000).map(|of| graph.caveats.intern(arguments, &document(of))).collect();
        let mut caveats = Caveats::install(&[], true, &mut graph);
        numbers.iter().for_each(|number| read(&caveats, *number, &graph));
        let is_kept = |caveats: &Caveats, number: u32| caveats.fixed[number as usize].get().is_some();
        let kept = numbers.iter().filter(|number| is_kept(&caveats, **number)).count();
        let bytes = *caveats.converted.get_mut();
        assert!((CONVERTED_MAX..CONVERTED_MAX + 16_384).contains(&bytes), "{bytes}");
        assert!(kept * 15_000 < bytes && kept < numbers.len());
        for number in &numbers[..kept / 2] {
            caveats.written(*number);
        }
        read(&caveats, numbers[999], &graph);
        assert!(is_kept(&caveats, numbers[999]), "there is room again");
        numbers.iter().for_each(|number| caveats.written(*number));
        assert_eq!(*caveats.converted.get_mut(), 0);
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_nothing_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..100), at: prop::sample::Index, byte: u8,
        ) {
            let _ = Context::from_struct(&bytes, 4096);
            let mut near = checked(5);
            let at = at.index(near.len());
            near[at] = byte;
            for checked in [near, bytes] {
                if let Some(caveat) = Caveat::compile(&declared(checked)) {
                    let _ = caveat.evaluate(&caveat.fix("{}").expect("nothing is fixed"), &request(r#"{"a":3}"#));
                }
            }
        }
    }
}
