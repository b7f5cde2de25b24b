//! Expressions: what Google's CEL made of a caveat's text in Python, as the `cel` crate evaluates it.
//!
//! Python's CEL is the one reader and the one judge of types: it hands over its checked expression (`cel.expr.CheckedExpr`,
//! macros expanded, literals decoded), so that no second parser can read a text differently. Of that the list below is
//! taken over, with operands of exactly these types; it is what both evaluators were found to mean the same by, and it
//! needs no more stack or time than is known beforehand.
//! Law: an expression that is read here is a bool to both, and where the crate comes to a value Python's CEL comes to the
//! same.

use super::values::{Kind, Scalar, Type};
use crate::protobuf::{Fields, Value};
use Kind::{List, Map, One};
use Scalar::{Bool, Double, Int, Text};
use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr};

const BOOL: Kind = One(Bool);

/// Expressions within each other: each takes some kilobytes of stack.
const DEPTH_MAX: usize = 32;

const PARTS_MAX: usize = 256;

const CHECKED_TYPE: &[u8] = b"type.googleapis.com/cel.expr.CheckedExpr";

/// What an operator or function comes to for operands of these types, and whether it looks at the whole of them; `None`
/// where it is Python's. Not among them, though both have them:
/// - int, uint and double mixed, and conversions: where they compare and round, they differ at the edges;
/// - `matches`: another regular expression engine; `+` of texts and lists: memory without a bound known beforehand;
/// - durations, timestamps, bytes, addresses, `any`: their conversions are Python's own;
/// - `map`, `filter`, macros over maps and within macros; maps compared with each other; empty lists, whose type is open.
fn meaning_of(function: &str, is_member: bool, operands: &[Kind]) -> Option<(Kind, bool)> {
    let found = match (function, operands) {
        ("size", [One(Text)]) => (One(Int), true),
        ("size", [List(_) | Map(_)]) => (One(Int), false),
        ("startsWith" | "endsWith" | "contains", [One(Text), One(Text)]) if is_member => (BOOL, true),
        _ if is_member => return None,
        ("_&&_" | "_||_", [One(Bool), One(Bool)]) => (BOOL, false),
        ("!_" | "@not_strictly_false", [One(Bool)]) => (BOOL, false),
        ("_?_:_", [One(Bool), left, right]) if left == right => (*left, false),
        ("_==_" | "_!=_", [One(left), One(right)]) if left == right => (BOOL, *left == Text),
        ("_==_" | "_!=_", [List(left), List(right)]) if left == right => (BOOL, true),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [One(Int), One(Int)] | [One(Double), One(Double)]) => (BOOL, false),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [One(Text), One(Text)]) => (BOOL, true),
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [One(Int), One(Int)]) => (One(Int), false),
        ("_+_" | "_-_" | "_*_" | "_/_", [One(Double), One(Double)]) => (One(Double), false),
        ("-_", [One(Int)]) => (One(Int), false),
        ("-_", [One(Double)]) => (One(Double), false),
        ("@in", [One(item), List(items)]) if item == items => (BOOL, true),
        ("@in", [One(Text), Map(_)]) => (BOOL, true),
        ("_[_]", [List(item), One(Int)] | [Map(item), One(Text)]) => (One(*item), true),
        _ => return None,
    };
    Some(found)
}

/// How much there is to do: parts that look at one value, and parts that look at all of one.
#[derive(Clone, Copy, Default, Debug)]
pub struct Work {
    outside: [usize; 2],
    in_loops: [usize; 2],
    literals: usize,
}

impl Work {
    /// An upper bound of what evaluating takes with values of so many small ones, in some tens of nanoseconds.
    pub fn of(&self, size: usize) -> usize {
        let all = size.saturating_add(self.literals);
        let of = |[narrow, wide]: [usize; 2]| wide.saturating_mul(all).saturating_add(narrow);
        of(self.in_loops).saturating_mul(all).saturating_add(of(self.outside))
    }
}

/// The checked expression of a caveat, as `Caveat.checked` in `language/caveats.py` gives it; `None` where evaluating it is
/// Python's. Cost: O(bytes).
pub fn read(parameters: &[(String, Type)], checked: &[u8]) -> Option<(IdedExpr, Work)> {
    let [Some(type_url), Some(checked)] = fields_of(checked)? else {
        return None;
    };
    if type_url != CHECKED_TYPE {
        return None;
    }
    let mut fields = Fields::new(checked);
    let mut expression = None;
    while let Some((number, value)) = fields.read().ok()? {
        if let (4, Value::Bytes(message)) = (number, value) {
            expression.replace(message).is_none().then_some(())?;
        }
    }
    let names = parameters.iter().map(|(name, type_)| (name.as_str(), type_.kind)).collect();
    let mut reader = Reader { names, parts: 0, is_in_loop: false, work: Work::default() };
    let (expression, kind) = reader.expression(expression?, DEPTH_MAX)?;
    (kind == BOOL).then_some((expression, reader.work))
}

struct Reader<'a> {
    names: Vec<(&'a str, Kind)>, // the innermost last
    parts: usize,
    is_in_loop: bool,
    work: Work,
}

impl<'a> Reader<'a> {
    fn expression(&mut self, message: &'a [u8], depth: usize) -> Option<(IdedExpr, Kind)> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return None;
        }
        let depth = depth.checked_sub(1)?;
        let mut fields = Fields::new(message);
        let mut found = None;
        while let Some((number, value)) = fields.read().ok()? {
            match (number, value) {
                (2, Value::Varint(_)) => {} // its number among others
                (3..=9, Value::Bytes(message)) if found.is_none() => found = Some((number, message)),
                _ => return None,
            }
        }
        let (expr, kind) = match found? {
            (3, message) => self.literal(message)?,
            (4, message) => self.name(message)?,
            (5, message) => self.selection(message, depth)?,
            (6, message) => self.call(message, depth)?,
            (7, message) => self.list(message, depth)?,
            (9, message) => self.comprehension(message, depth)?,
            _ => return None,
        };
        Some((IdedExpr { id: self.parts as u64, expr }, kind))
    }

    fn literal(&mut self, message: &[u8]) -> Option<(Expr, Kind)> {
        let mut fields = Fields::new(message);
        let (literal, scalar) = match fields.read().ok()?? {
            (2, Value::Varint(truth @ 0..=1)) => (LiteralValue::Boolean((truth == 1).into()), Bool),
            (3, Value::Varint(number)) => (LiteralValue::Int((number as i64).into()), Int),
            (5, Value::Fixed64(bits)) => (LiteralValue::Double(f64::from_bits(bits).into()), Double),
            (6, Value::Bytes(text)) => {
                let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'))?;
                self.work.literals += text.len() / 64;
                (LiteralValue::String(text.to_owned().into()), Text)
            }
            _ => return None,
        };
        self.work.literals += 1;
        self.count(false);
        fields.read().ok()?.is_none().then_some((Expr::Literal(literal), One(scalar)))
    }

    fn name(&mut self, message: &[u8]) -> Option<(Expr, Kind)> {
        let [Some(name)] = fields_of(message)? else {
            return None;
        };
        let name = std::str::from_utf8(name).ok()?;
        let (_, kind) = self.names.iter().rev().find(|(known, _)| *known == name)?;
        let kind = *kind;
        self.count(false);
        Some((Expr::Ident(name.to_owned()), kind))
    }

    /// `map.key`, or `has(map.key)`.
    fn selection(&mut self, message: &'a [u8], depth: usize) -> Option<(Expr, Kind)> {
        let (mut operand, mut field, mut is_test) = (None, None, false);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.read().ok()? {
            match (number, value) {
                (1, Value::Bytes(message)) if operand.is_none() => operand = Some(message),
                (2, Value::Bytes(name)) if field.is_none() => field = Some(name),
                (3, Value::Varint(test @ 0..=1)) => is_test = test == 1,
                _ => return None,
            }
        }
        let (operand, kind) = self.expression(operand?, depth)?;
        let Map(item) = kind else {
            return None;
        };
        let field = std::str::from_utf8(field?).ok()?.to_owned();
        self.count(true);
        let selection = SelectExpr { operand: Box::new(operand), field, test: is_test };
        Some((Expr::Select(selection), if is_test { BOOL } else { One(item) }))
    }

    fn call(&mut self, message: &'a [u8], depth: usize) -> Option<(Expr, Kind)> {
        let (mut target, mut function) = (None, None);
        let (mut args, mut kinds) = (Vec::new(), Vec::new());
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.read().ok()? {
            match (number, value) {
                (1, Value::Bytes(message)) if target.is_none() && kinds.is_empty() => {
                    let (expression, kind) = self.expression(message, depth)?;
                    target = Some(Box::new(expression));
                    kinds.push(kind);
                }
                (2, Value::Bytes(name)) if function.is_none() => function = Some(name),
                (3, Value::Bytes(message)) => {
                    let (expression, kind) = self.expression(message, depth)?;
                    args.push(expression);
                    kinds.push(kind);
                }
                _ => return None,
            }
        }
        let function = std::str::from_utf8(function?).ok()?;
        let (kind, is_wide) = meaning_of(function, target.is_some(), &kinds)?;
        self.count(is_wide);
        Some((Expr::Call(CallExpr { func_name: function.to_owned(), target, args }), kind))
    }

    fn list(&mut self, message: &'a [u8], depth: usize) -> Option<(Expr, Kind)> {
        let (mut elements, mut of) = (Vec::new(), None);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.read().ok()? {
            let (1, Value::Bytes(message)) = (number, value) else {
                return None; // an optional element
            };
            let (element, One(scalar)) = self.expression(message, depth)? else {
                return None;
            };
            if of.replace(scalar).is_some_and(|before| before != scalar) {
                return None;
            }
            elements.push(element);
        }
        self.count(true);
        Some((Expr::List(ListExpr::new(elements)), List(of?)))
    }

    /// What `all`, `exists` and `exists_one` over a list become.
    fn comprehension(&mut self, message: &'a [u8], depth: usize) -> Option<(Expr, Kind)> {
        if self.is_in_loop {
            return None;
        }
        let [Some(item), Some(range), Some(so_far), Some(first), Some(condition), Some(step), Some(result)] =
            fields_of(message)?
        else {
            return None;
        };
        let (iter_range, List(item_kind)) = self.expression(range, depth)? else {
            return None;
        };
        let (accu_init, kind) = self.expression(first, depth)?;
        let (item, so_far) = (std::str::from_utf8(item).ok()?, std::str::from_utf8(so_far).ok()?);
        let scope = self.names.len();
        self.is_in_loop = true;
        self.names.push((so_far, kind));
        let (result, result_kind) = self.expression(result, depth)?;
        self.names.push((item, One(item_kind)));
        let (loop_cond, BOOL) = self.expression(condition, depth)? else {
            return None;
        };
        let (loop_step, step_kind) = self.expression(step, depth)?;
        self.names.truncate(scope);
        self.is_in_loop = false;
        self.count(true);
        let comprehension = ComprehensionExpr {
            iter_range,
            iter_var: item.to_owned(),
            iter_var2: None,
            accu_var: so_far.to_owned(),
            accu_init,
            loop_cond,
            loop_step,
            result,
        };
        (step_kind == kind).then(|| (Expr::Comprehension(Box::new(comprehension)), result_kind))
    }

    fn count(&mut self, is_wide: bool) {
        let work = if self.is_in_loop { &mut self.work.in_loops } else { &mut self.work.outside };
        work[usize::from(is_wide)] += 1;
    }
}

/// The first so many fields of a message that has no others, all of them bytes and each there once.
fn fields_of<const COUNT: usize>(message: &[u8]) -> Option<[Option<&[u8]>; COUNT]> {
    let mut found = [None; COUNT];
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        let Value::Bytes(bytes) = value else {
            return None;
        };
        let place = found.get_mut(usize::try_from(number).ok()?.checked_sub(1)?)?;
        place.replace(bytes).is_none().then_some(())?;
    }
    Some(found)
}
