"""Law: what the core says of a caveat, Python's CEL says; no answer given under one context is given under another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

import pytest

from remit.errors import CaveatFailed, InvalidContext, SchemaInvalid
from remit.eval import native
from remit.graph.native import NativeGraph
from remit.language import compile_schema
from remit.language.caveats import Caveat
from remit.language.parameters import parse_parameter_type
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef, Verdict
from remit.notation import canonical_json, normalized_context, parse_relationship
from tests.support.native.worlds import cache_of, compare, every_question, needs_core
from tests.support.seeds import Seeds

pytestmark = needs_core

DOCUMENT, ANNE = ObjectRef("doc", "a"), SubjectRef("user", "anne")
PLAIN = compile_schema("definition user {} definition doc { relation viewer: user }").schema

Context = Mapping[str, object]


def caveat_of(types: Mapping[str, str], expression: str) -> Caveat:
    return Caveat("c", {name: parse_parameter_type(text) for name, text in types.items()}, expression)


class Judge:
    """One caveat on one relationship, asked of the core and of Python."""

    def __init__(self, caveat: Caveat) -> None:
        self.caveat = caveat
        self.graph = NativeGraph()
        native.install(self.graph, replace(PLAIN, caveats={"c": caveat}))

    def natively(self, written: Context, request: Context) -> Verdict | None:
        use = CaveatUse("c", canonical_json(written))
        self.graph.add(Relationship(DOCUMENT, "viewer", ANNE, Qualifiers(use)))
        alone = native.check(self.graph, DOCUMENT, "viewer", ANNE, now_us=0, context=request)
        (shared,) = native.check_many(self.graph, [(DOCUMENT, "viewer", ANNE)], now_us=0, contexts=[request])
        verdict, same = (each.verdict if isinstance(each, native.Answered) else None for each in (alone, shared))
        assert verdict is same
        return verdict

    def in_python(self, written: Context, request: Context) -> Verdict | None:
        """None where it fails."""
        try:
            return self.caveat.evaluate(written, request)[0]
        except CaveatFailed:
            return None

    def compare(self, written: Context, request: Context) -> Verdict | None:
        """The core's answer, which is Python's where there is one."""
        found, expected = self.natively(written, request), self.in_python(written, request)
        if found is not None:
            assert found is expected, f"{self.caveat.expression} with {written} and {request}"
        return found


# --- random expressions ------------------------------------------------------------------------------------------

TYPES = {
    "b": "bool",
    "i": "int",
    "j": "int",
    "u": "uint",
    "d": "double",
    "e": "double",
    "s": "string",
    "t": "string",
    "lb": "list<bool>",
    "li": "list<int>",
    "lu": "list<uint>",
    "ld": "list<double>",
    "ls": "list<string>",
    "mi": "map<int>",
    "md": "map<double>",
    "ms": "map<string>",
}
SCALARS = {"bool": "b", "int": "iju", "double": "de", "string": "st"}
LISTS = {"bool": ["lb"], "int": ["li", "lu"], "double": ["ld"], "string": ["ls"]}
INTS = ["0", "1", "-1", "2", "7", "10", "-3", "9007199254740992", "9223372036854775807", "-9223372036854775808"]
DOUBLES = ["0.0", "-0.0", "0.5", "1.0", "-2.5", "1e308", "1e-320", "9007199254740993.0", "3.0"]
TEXTS = ["", "a", "b", "ab", "é", "e\u0301", "日本", "😀", "a" * 300]


class Writer:
    """Writes an expression of a type, remembering which parameters it used."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.used: set[str] = set()
        self.inside: dict[str, list[str]] = {}  # variables of macros, by their type

    def of(self, type_: str, depth: int) -> str:
        random = self.random
        if depth <= 0 or random.random() < 0.15:
            return self.leaf(type_)
        writers: dict[str, list[Callable[[int], str]]] = {
            "bool": [self.logic, self.logic, self.compared, self.compared, self.found, self.chosen, self.macro],
            "int": [self.arithmetic, self.sized, self.picked],
            "double": [self.doubles, self.doubles, self.picked],
            "string": [self.picked],
        }
        writer = random.choice(writers[type_])
        if writer == self.picked:
            return self.pick(type_, depth)
        return writer(depth - 1)

    def leaf(self, type_: str) -> str:
        random = self.random
        if self.inside.get(type_) and random.random() < 0.6:
            return random.choice(self.inside[type_])
        if random.random() < 0.6:
            return self.parameter(random.choice(SCALARS[type_]))
        match type_:
            case "bool":
                return random.choice(("true", "false"))
            case "int":
                return random.choice(INTS)
            case "double":
                return random.choice(DOUBLES)
            case _:
                return repr(random.choice(TEXTS))

    def parameter(self, name: str) -> str:
        self.used.add(name)
        return name

    def list(self, type_: str, depth: int) -> str:
        if self.random.random() < 0.6:
            return self.parameter(self.random.choice(LISTS[type_]))
        return f"[{', '.join(self.of(type_, depth - 2) for _ in range(self.random.randint(1, 3)))}]"

    def logic(self, depth: int) -> str:
        left, right = self.of("bool", depth), self.of("bool", depth)
        return self.random.choice((f"({left} && {right})", f"({left} || {right})", f"!({left})"))

    def compared(self, depth: int) -> str:
        type_ = self.random.choice(("int", "int", "double", "string"))
        operator = self.random.choice(("==", "!=", "<", "<=", ">", ">="))
        return f"({self.of(type_, depth)} {operator} {self.of(type_, depth)})"

    def found(self, depth: int) -> str:
        random = self.random
        type_ = random.choice(("bool", "int", "double", "string"))
        match random.randint(0, 4):
            case 0:
                return f"({self.of(type_, depth)} in {self.list(type_, depth)})"
            case 1:
                return f"({self.list(type_, depth)} {random.choice(('==', '!='))} {self.list(type_, depth)})"
            case 2:
                return f"({self.of('string', depth)} in {self.parameter(random.choice(('mi', 'md', 'ms')))})"
            case 3:
                return f"has({self.parameter(random.choice(('mi', 'md', 'ms')))}.{random.choice('ab')})"
            case _:
                function = random.choice(("startsWith", "endsWith", "contains"))
                return f"{self.of('string', depth)}.{function}({self.of('string', depth)})"

    def chosen(self, depth: int) -> str:
        return f"({self.of('bool', depth)} ? {self.of('bool', depth)} : {self.of('bool', depth)})"

    def macro(self, depth: int) -> str:
        if self.inside:
            return self.compared(depth)
        type_ = self.random.choice(("bool", "int", "double", "string"))
        range_ = self.list(type_, depth)
        self.inside = {type_: ["x"]}
        body = self.of("bool", depth)
        self.inside = {}
        return f"{range_}.{self.random.choice(('all', 'exists', 'exists_one'))}(x, {body})"

    def arithmetic(self, depth: int) -> str:
        if self.random.random() < 0.15:
            return f"-({self.of('int', depth)})"
        return f"({self.of('int', depth)} {self.random.choice('+-*/%')} {self.of('int', depth)})"

    def doubles(self, depth: int) -> str:
        if self.random.random() < 0.15:
            return f"-({self.of('double', depth)})"
        return f"({self.of('double', depth)} {self.random.choice('+-*/')} {self.of('double', depth)})"

    def sized(self, depth: int) -> str:
        random = self.random
        whole = random.choice((self.of("string", depth), self.list("string", depth), self.parameter("ms")))
        return random.choice((f"size({whole})", f"{whole}.size()"))

    def picked(self, depth: int) -> str:
        raise AssertionError("`pick` knows of which type")

    def pick(self, type_: str, depth: int) -> str:
        random = self.random
        map_ = {"int": "mi", "double": "md", "string": "ms"}[type_]
        match random.randint(0, 2):
            case 0:
                return f"{self.list(type_, depth)}[{random.choice(('0', '1', self.of('int', depth - 2)))}]"
            case 1:
                return f"{self.parameter(map_)}.{random.choice('ab')}"
            case _:
                return f"{self.parameter(map_)}[{self.of('string', depth - 2)}]"


def random_value(random: Random, type_: str) -> object:
    """Mostly of the type, as JSON has it; now and then not."""
    if random.random() < 0.02:
        return random.choice((None, "", [], {}, 2**53, -(2**53), 1e300, "12", "1e3", "9" * 19, [None], {"a": None}))
    name, _, inner = type_.partition("<")
    match name:
        case "bool":
            return random.random() < 0.5
        case "int" | "uint":
            small = random.choice((0, 1, 2, 3, 7, 10, -1, -5, 2**53, "42", "-7", "9223372036854775807", 4.0))
            return small if name == "int" or not str(small).startswith("-") else 5
        case "double":
            return random.choice((0, 1, -1, 0.5, -2.5, 1e15, 1e-300, 0.1, 0.2, 3))
        case "string":
            return random.choice(TEXTS)
        case "list":
            return [random_value(random, inner[:-1]) for _ in range(random.choice((0, 1, 1, 2, 3, 8)))]
        case _:
            return {key: random_value(random, inner[:-1]) for key in "abc" if random.random() < 0.6}


def judge_expression(seed: int, depth: int = 4, rounds: int = 8) -> Counter[object]:
    random = Random(seed)
    writer = Writer(random)
    expression = writer.of("bool", depth)
    counts: Counter[object] = Counter()
    if not writer.used:
        return counts
    types = {name: TYPES[name] for name in sorted(writer.used)}
    try:
        judge = Judge(caveat_of(types, expression))
    except SchemaInvalid as refused:
        counts[f"refused: {refused.message[:60]}"] += 1
        return counts
    for _ in range(rounds):
        written: dict[str, object] = {}
        request: dict[str, object] = {}
        for name, type_ in types.items():
            if random.random() < 0.97:
                side = random.choice((written, request, request))
                side[name] = random_value(random, type_)
                if side is written and random.random() < 0.2:
                    request[name] = random_value(random, type_)
        found = judge.compare(normalized_context(written), normalized_context(request))
        counts[found] += 1
        counts["python"] += found is None and judge.in_python(written, request) in (Verdict.YES, Verdict.NO)
    return counts


@pytest.mark.seeds(250)
def test_random_expressions_come_to_what_they_come_to_in_python(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_expression(seed)
    seeds.require(counts[Verdict.YES] > 150 and counts[Verdict.NO] > 150, counts)
    seeds.require(counts["python"] < 0.2 * counts.total(), f"much is left to Python that Python decides: {counts}")


@pytest.mark.long
@pytest.mark.seeds(20_000, shards=4, fresh=True)
def test_random_expressions_come_to_what_they_come_to_in_python_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        judge_expression(seed, depth=3 + seed % 4)


# --- what is native, and what is not ------------------------------------------------------------------------------

NATIVE: list[tuple[dict[str, str], str, Context, Verdict]] = [
    ({"a": "int", "b": "int"}, "a + b * 2 - 1 > 10 / b", {"a": 5, "b": 3}, Verdict.YES),
    ({"a": "int"}, "a % 2 == 0 && -a < 0", {"a": 3}, Verdict.NO),
    ({"a": "int"}, "a > -9223372036854775808", {"a": 1}, Verdict.YES),
    ({"a": "int"}, "a == 42", {"a": "42"}, Verdict.YES),
    ({"a": "int"}, "a == 9007199254740992", {"a": 2**53}, Verdict.YES),
    ({"a": "uint"}, "a <= 10", {"a": 10}, Verdict.YES),
    ({"d": "double"}, "d * 2.0 >= 0.30000000000000004", {"d": 0.15}, Verdict.NO),
    ({"d": "double"}, "1.0 / d > 1e300", {"d": 0}, Verdict.YES),
    ({"s": "string"}, "s.startsWith('a') && s.endsWith('é') && s.contains('b')", {"s": "abé"}, Verdict.YES),
    ({"s": "string"}, "size(s) == 2 && s.size() == 2 && s < '日本語'", {"s": "日本"}, Verdict.YES),
    ({"s": "string"}, r"""s == "a\tb\x41\u00e9\"" || s == r'\n' """, {"s": 'a\tbAé"'}, Verdict.YES),
    ({"s": "string"}, "s in ['a', 'b']", {"s": "b"}, Verdict.YES),
    ({"r": "string", "l": "list<string>"}, "r in l", {"r": "x", "l": ["a", "b"]}, Verdict.NO),
    ({"l": "list<int>"}, "l == [1, 2] && l[1] == 2 && size(l) == 2", {"l": [1, 2]}, Verdict.YES),
    ({"l": "list<string>", "k": "list<string>"}, "l.all(x, x in k)", {"l": ["a"], "k": ["b", "a"]}, Verdict.YES),
    ({"l": "list<int>"}, "l.exists(x, 10 / x == 5) && l.exists_one(x, x == 2)", {"l": [0, 2]}, Verdict.YES),
    ({"l": "list<int>"}, "l.exists(x, 10 / x == 5)", {"l": [0, 2]}, Verdict.YES),
    ({"m": "map<int>"}, "has(m.a) && m.a == 1 && m['b'] == 2 && !('c' in m)", {"m": {"a": 1, "b": 2}}, Verdict.YES),
    ({"a": "bool", "i": "int"}, "a || 1 / i > 0", {"a": True, "i": 0}, Verdict.YES),
    ({"a": "bool", "i": "int"}, "1 / i > 0 ? a : !a", {"a": True, "i": 1}, Verdict.YES),
    ({"a": "int"}, "a < 5", {"a": 1, "unheard": {"of": [None]}}, Verdict.YES),
]  # fmt: skip


@pytest.mark.parametrize(("types", "expression", "context", "expected"), NATIVE, ids=[each[1] for each in NATIVE])
def test_what_is_plain_is_native(types: dict[str, str], expression: str, context: Context, expected: Verdict) -> None:
    judge = Judge(caveat_of(types, expression))
    assert judge.compare(context, {}) is expected
    assert judge.compare({}, context) is expected


LEFT: list[tuple[dict[str, str], str, Context]] = [
    ({"a": "int"}, "a + 1 > 0", {"a": "9223372036854775807"}),
    ({"a": "int"}, "a + 9223372036854775807 > 0", {"a": 1}),
    ({"a": "int"}, "a * a > 0", {"a": 2**53}),
    ({"a": "int"}, "-9223372036854775808 / a > 0", {"a": -1}),
    ({"a": "int"}, "10 / a > 0", {"a": 0}),
    ({"a": "int"}, "10 % a > 0", {"a": 0}),
    ({"a": "int"}, "-(a - 9223372036854775807 - 1) > 0", {"a": 0}),
    ({"d": "double"}, "d / d < 1.0", {"d": 0}),
    ({"a": "int"}, "a < 5", {"a": None}),
    ({"a": "int"}, "a < 5", {"a": True}),
    ({"a": "int"}, "a < 5", {"a": 1.5}),
    ({"a": "int"}, "a < 5", {"a": [1]}),
    ({"a": "uint"}, "a < 5", {"a": -1}),
    ({"s": "string"}, "s == 'a'", {"s": 5}),
    ({"s": "string"}, "s == 'a'", {"s": "a\0b"}),
    ({"l": "list<int>"}, "l[2] == 1", {"l": [1]}),
    ({"l": "list<int>"}, "l[0] == 1", {"l": ["x"]}),
    ({"m": "map<int>"}, "m.a == 1", {"m": {"b": 1}}),
    ({"a": "int", "b": "int"}, "a < b", {"a": 1}),
    ({"a": "int", "b": "int"}, "a < 5 || b < 5", {"a": 1}),
    ({"s": "string"}, "s.matches('^a+$')", {"s": "aa"}),
    ({"t": "timestamp"}, "t < timestamp('2030-01-01T00:00:00Z')", {"t": "2026-01-01T00:00:00Z"}),
    ({"t": "duration"}, "t < duration('1h')", {"t": "30m"}),
    ({"x": "bytes"}, "x == b'ok'", {"x": "b2s="}),
    ({"ip": "ipaddress"}, "ip.in_cidr('10.0.0.0/8')", {"ip": "10.0.0.1"}),
    ({"x": "any"}, "x == 1.0", {"x": 1}),
    ({"m": "map<any>"}, "m.isSubtreeOf(m)", {"m": {}}),
    ({"m": "map<int>"}, "m == {'a': 1}", {"m": {"a": 1}}),
    ({"m": "map<int>"}, "m.all(k, k == 'a')", {"m": {"a": 1}}),
    ({"l": "list<list<int>>"}, "l == [[1]]", {"l": [[1]]}),
    ({"l": "list<int>"}, "l.map(x, x + 1) == [2]", {"l": [1]}),
    ({"l": "list<int>"}, "l.filter(x, x > 1) == [2]", {"l": [2]}),
    ({"l": "list<int>"}, "l.all(x, l.exists(y, x == y))", {"l": [2]}),
    ({"l": "list<int>"}, "l == []", {"l": []}),
    ({"s": "string"}, "s + s == 'aa'", {"s": "a"}),
    ({"a": "int"}, "double(a) < 1.5", {"a": 1}),
    ({"a": "int"}, "uint(a) < 5u", {"a": 1}),
    ({"l": "list<int>"}, "l[?0].orValue(1) == 1", {"l": [1]}),
    ({"a": "int"}, "type(a) == int", {"a": 1}),
    # What Go reads otherwise than C++ and Rust do.
    ({"s": "string"}, "int(s) == 5", {"s": " 5"}),
    ({"s": "string"}, "int(s) == 5", {"s": "5"}),
    ({"s": "string"}, "uint(s) == 5u", {"s": "+5"}),
    ({"s": "string"}, "double(s) == 5.0", {"s": "0x5"}),
    ({"s": "string"}, "bool(s)", {"s": "T"}),
    ({"s": "string"}, "duration(s) == duration('5s')", {"s": "5s"}),
    ({"s": "string"}, "timestamp(s) < timestamp('2030-01-01T00:00:00Z')", {"s": "2026-01-01T00:00:00+0000"}),
    ({"l": "list<string>"}, "l.exists(s, int(s) == 5)", {"l": [" 5"]}),
    ({"d": "double"}, "d <= 1e308", {"d": "1e400"}),
    ({"d": "double"}, "d <= 1e308", {"d": "1.5"}),
    ({"ip": "ipaddress"}, "ip.in_cidr('10.0.0.0/8')", {"ip": "::ffff:10.0.0.1"}),
    ({"l": "list<ipaddress>"}, "l[0] == l[1]", {"l": ["::ffff:10.0.0.1", "10.0.0.1"]}),
    ({"ip": "ipaddress", "known": "ipaddress"}, "ip == known", {"ip": "::ffff:10.0.0.1", "known": "10.0.0.1"}),
]


@pytest.mark.parametrize(("types", "expression", "context"), LEFT, ids=[f"{each[1]} {each[2]}" for each in LEFT])
def test_what_is_not_is_left_to_python(types: dict[str, str], expression: str, context: Context) -> None:
    try:
        judge = Judge(caveat_of(types, expression))
    except SchemaInvalid as refused:
        pytest.fail(f"no such caveat may stand here: {refused.message}")
    assert judge.natively(context, {}) is None
    assert judge.natively({}, context) is None


def test_a_number_that_is_none_is_left_to_python() -> None:
    judge = Judge(caveat_of({"d": "double"}, "d == d"))
    for number in (math.nan, math.inf, 2**70, object(), (1,), "\ud800"):
        with pytest.raises((InvalidContext, TypeError)):
            normalized_context({"d": number} if number != (1,) else {"d": {1: 2}})
        assert judge.natively({}, {"d": number}) is None


# --- bounds ------------------------------------------------------------------------------------------------------


def test_deep_expressions_take_no_stack() -> None:
    for depth in (1, 10, 25, 31):
        nested = "a < 1 || " * depth + "a < 2"
        brackets = "(" * depth + "a" + " + 1)" * depth
        for expression in (nested, f"{brackets} > 0", "!" * (depth // 2 * 2) + "(a < 2)"):
            try:
                judge = Judge(caveat_of({"a": "int"}, expression))
            except SchemaInvalid:
                continue
            judge.compare({"a": 1}, {})
    wide = Judge(caveat_of({"a": "int"}, " || ".join(f"a == {number}" for number in range(2_000))))
    assert wide.natively({"a": 1_999}, {}) is None, "so many parts are Python's"


def test_contexts_nested_without_end_take_no_stack() -> None:
    judge = Judge(caveat_of({"a": "int"}, "a < 5"))
    nested: object = 1
    for _ in range(50_000):
        nested = [nested]
    assert judge.natively({}, {"a": 1, "deep": nested}) is None
    assert judge.natively({}, {"a": nested}) is None


def test_what_takes_long_is_left_to_python() -> None:
    inside = Judge(caveat_of({"l": "list<string>", "k": "list<string>"}, "l.all(x, x in k)"))
    few, many = [str(number) for number in range(20)], [str(number) for number in range(3_000)]
    assert inside.compare({"k": few}, {"l": few}) is Verdict.YES
    assert inside.natively({"k": many}, {"l": many}) is None
    once = Judge(caveat_of({"s": "string", "k": "list<string>"}, "s in k"))
    assert once.compare({"k": many}, {"s": "2999"}) is Verdict.YES
    assert once.natively({"k": [*many, "x" * 2_000_000]}, {"s": "2999"}) is None


# --- contexts and what is remembered ------------------------------------------------------------------------------

LIMITED = compile_schema(
    """
    caveat up_to(amount int, most int) { amount <= most }
    caveat on(day int) { day < 6 }
    definition user {}
    definition group { relation member: user | user with on | group#member }
    definition doc {
      relation viewer: user | user with up_to | group#member | group#member with on
      permission view = viewer
    }
    """
).schema


def asked(graph: NativeGraph, context: Context, id: str = "a", subject: SubjectRef = ANNE) -> Verdict | None:
    answered = native.check(graph, ObjectRef("doc", id), "view", subject, now_us=0, context=context)
    return answered.verdict if answered is not None else None


@pytest.mark.parametrize("cached", [0, 4096])
def test_an_answer_under_one_context_is_never_given_under_another(cached: int) -> None:
    graph = NativeGraph([parse_relationship('doc:a#viewer@user:anne[up_to:{"most":5}]')])
    native.install(graph, LIMITED)
    contexts: list[Mapping[str, object]] = [
        {"amount": 3},
        {"amount": 9},
        {},
        {"amount": 3},
        {"amount": "x"},
        {},
        {"amount": 9},
    ]
    expected = [Verdict.YES, Verdict.NO, None, Verdict.YES, None, None, Verdict.NO]
    with cache_of(cached):
        for _ in range(3):
            assert [asked(graph, context) for context in contexts] == expected
        questions = [(DOCUMENT, "view", ANNE)] * len(contexts)
        together = native.check_many(graph, questions, now_us=0, contexts=contexts)
        assert [each.verdict if isinstance(each, native.Answered) else None for each in together] == expected


@pytest.mark.parametrize(("day", "expected"), [(1, Verdict.YES), (7, Verdict.NO)])
def test_a_target_whose_caveat_says_no_is_one_of_every_target(day: int, expected: Verdict) -> None:
    schema = compile_schema(
        """
        use delegation
        caveat on(day int) { day < 6 }
        definition user {}
        definition doc {
          relation viewer: user
          relation parent: doc | doc with on
          permission view = viewer + parent.all(view)
          permission open = parent.exists()
        }
        """
    ).schema
    facts = ["doc:b#viewer@user:anne", "doc:a#parent@doc:b", "doc:a#parent@doc:c[on:{}]", "doc:c#viewer@user:anne"]
    facts += ["doc:x#parent@doc:y", "doc:y#parent@doc:x", "doc:x#parent@doc:b[on:{}]", "doc:x#viewer@user:anne"]
    graph = NativeGraph([parse_relationship(fact) for fact in facts])
    native.install(graph, schema)
    questions = every_question(schema, [ObjectRef("doc", id) for id in "abcxy"], [ANNE, SubjectRef("user", "bob")])
    counts = compare(schema, graph, list(graph.relationships()), questions, 0, {"day": day})
    assert not counts["elsewhere"]
    assert asked(graph, {"day": day}) is expected


@pytest.mark.parametrize("cached", [0, 4096])
def test_groups_met_from_the_subject_s_side_know_of_no_context(cached: int) -> None:
    groups = range(40)
    facts = [parse_relationship(f"doc:a#viewer@group:{number}#member") for number in groups]
    facts += [parse_relationship(f"group:{number}#member@group:{number + 1}#member") for number in groups]
    facts += [parse_relationship("group:7#member@user:anne[on:{}]"), parse_relationship("group:9#member@user:bob")]
    facts += [parse_relationship("doc:b#viewer@group:5#member[on:{}]")]
    facts += [parse_relationship(f"doc:b#viewer@group:{number}#member") for number in range(50, 90)]
    graph = NativeGraph(facts)
    native.install(graph, LIMITED)
    bob = SubjectRef("user", "bob")
    with cache_of(cached):
        for day, expected in ((1, Verdict.YES), (7, Verdict.NO), (2, Verdict.YES), (None, None), (7, Verdict.NO)):
            context: Context = {} if day is None else {"day": day}
            assert asked(graph, context) is expected
            assert asked(graph, context, subject=bob) is Verdict.YES
            assert asked(graph, context, "b", bob) is expected


def test_a_context_or_caveat_that_is_written_anew_decides_anew() -> None:
    graph = NativeGraph()
    native.install(graph, LIMITED)
    for most, expected in ((5, Verdict.YES), (2, Verdict.NO), (9, Verdict.YES)):
        # The number of the context before is given out again.
        graph.add(parse_relationship(f'doc:a#viewer@user:anne[up_to:{{"most":{most}}}]'))
        assert asked(graph, {"amount": 3}) is expected
    fact = parse_relationship('doc:a#viewer@user:anne[up_to:{"most":1}]')
    graph.remove(fact.key)
    assert asked(graph, {"amount": 1}) is Verdict.NO
    graph.add(fact)
    assert asked(graph, {"amount": 1}) is Verdict.YES
    stricter = caveat_of({"amount": "int", "most": "int"}, "amount < most")
    native.install(graph, replace(LIMITED, caveats={**LIMITED.caveats, "up_to": stricter}))
    assert asked(graph, {"amount": 1}) is Verdict.NO
    native.install(graph, replace(LIMITED, caveats={}))
    assert asked(graph, {"amount": 1}) is None
    graph.check_invariants()
