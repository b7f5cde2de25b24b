"""Caveats by their laws: the relationship's word is final, what is determined stays so, and nothing is ever guessed."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from remit.errors import CaveatFailed, InvalidContext, SchemaInvalid
from remit.language.caveats import Caveat, ExpressionIssue, Program, Programs, is_cidr
from remit.language.parameters import (
    ANY,
    BOOL,
    DOUBLE,
    INT,
    IPADDRESS,
    STRING,
    TIMESTAMP,
    ParameterType,
    parse_parameter_type,
)
from remit.model import Verdict
from remit.notation import canonical_json


def issues_of(parameters: Mapping[str, ParameterType], expression: str) -> Sequence[ExpressionIssue]:
    compiled = Programs().of(parameters, expression)
    return () if isinstance(compiled, Program) else compiled


PARAMETERS = {"a": INT, "b": INT, "s": STRING, "flag": BOOL, "items": parse_parameter_type("list<int>")}
VALUES = {
    "a": st.integers(-2, 2),
    "b": st.integers(-2, 2),
    "s": st.sampled_from(["", "x", "xy", "é😀"]),
    "flag": st.booleans(),
    "items": st.lists(st.integers(-2, 2), max_size=3),
}
ATOMS = [
    "flag",
    "a == b",
    "a < 1",
    "b / a > 0",
    "s == 'x'",
    "s.startsWith('x')",
    "a in items",
    "items.all(i, i < b)",
    "items.exists(i, i == a)",
    "items[0] == a",
    "size(items) > size(s)",
]


FORMS = ["({0}) && ({1})", "({1}) || ({0})", "({0}) ? ({1}) : !({1})", "!({0}) || ({1})"]


def random_caveats(seed: int, count: int) -> Iterator[Caveat]:
    """Compiling costs milliseconds, so a run shares a pool; the laws draw from it."""
    random = Random(seed)
    for _ in range(count):
        expression = random.choice(ATOMS)
        for _ in range(random.randint(0, 4)):
            expression = random.choice(FORMS).format(expression, random.choice(ATOMS))
        used = {name: type_ for name, type_ in PARAMETERS.items() if re.search(rf"\b{name}\b", expression)}
        yield Caveat("c", used, expression)


CAVEATS = st.sampled_from(list(random_caveats(20, 40)))


def contexts() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=VALUES)


def outcome(caveat: Caveat, relationship: dict[str, object], request: dict[str, object]) -> object:
    try:
        return caveat.evaluate(relationship, request)
    except CaveatFailed as error:
        return error.message


def verdict(caveat: Caveat, relationship: dict[str, object], request: dict[str, object]) -> object:
    """The outcome, where failing is one whatever is told of it."""
    found = outcome(caveat, relationship, request)
    return CaveatFailed.reason if isinstance(found, str) else found


# --- laws -------------------------------------------------------------------------------------------------------


@given(CAVEATS, contexts(), contexts())
@settings(max_examples=150, deadline=None)
def test_the_relationship_s_context_wins_over_the_request_s(
    caveat: Caveat, relationship: dict[str, object], request: dict[str, object]
) -> None:
    merged = {**request, **relationship}
    assert verdict(caveat, relationship, request) == verdict(caveat, merged, {}) == verdict(caveat, {}, merged)


@given(CAVEATS, contexts(), contexts())
@settings(max_examples=150, deadline=None)
def test_a_determined_outcome_is_unchanged_by_adding_parameters(
    caveat: Caveat, known: dict[str, object], more: dict[str, object]
) -> None:
    before = outcome(caveat, known, {})
    assume(isinstance(before, tuple) and before[0] is not Verdict.CONDITIONAL)
    assert outcome(caveat, known, more) == before


@given(CAVEATS, contexts())
@settings(max_examples=150, deadline=None)
def test_missing_is_what_neither_context_brings_and_nothing_is_missing_from_a_whole_one(
    caveat: Caveat, known: dict[str, object]
) -> None:
    found = outcome(caveat, {}, known)
    absent = frozenset(caveat.parameters) - set(known)
    if isinstance(found, str):
        assert not absent, "a failure is told only when nothing is missing"
    else:
        verdict, missing = found  # type: ignore[misc]
        assert missing <= absent and bool(missing) == (verdict is Verdict.CONDITIONAL)
        assert (verdict is not Verdict.CONDITIONAL) or absent


@given(CAVEATS, contexts(), contexts())
@settings(max_examples=150, deadline=None)
def test_remembering_outcomes_changes_none(
    caveat: Caveat, relationship: dict[str, object], request: dict[str, object]
) -> None:
    plain = outcome(caveat, relationship, request)
    for _ in range(2):
        try:
            assert caveat.evaluate_written(canonical_json(relationship), request) == plain
        except CaveatFailed as error:
            assert error.message == plain


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    st.recursive(
        st.none() | st.booleans() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
    )
)
@settings(max_examples=60, deadline=None)
def test_any_takes_every_json_value_and_equals_itself(value: object) -> None:
    assert SAME.evaluate({"left": value}, {"right": value}) == (Verdict.YES, frozenset())


SAME = Caveat("same", {"left": ANY, "right": ANY}, "left == right")


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.integers()))
@settings(max_examples=300, deadline=None)
def test_every_type_converts_a_json_value_or_says_what_it_wants(value: object) -> None:
    for name in ("int", "uint", "bool", "string", "double", "bytes", "duration", "timestamp", "ipaddress", "list<int>"):
        try:
            converted = parse_parameter_type(name).convert(value)
        except ValueError as error:
            assert str(error)
        else:
            assert converted is not None


@given(st.binary())
def test_bytes_are_read_from_base64(content: bytes) -> None:
    assert parse_parameter_type("bytes").convert(base64.b64encode(content).decode()).value == content


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_may_come_as_its_digits(number: int) -> None:
    assert INT.convert(str(number)) == INT.convert(number) == number


# --- missing and failing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "context", "verdict"),
    [
        ("a == 2 && s == 'x'", {"a": 1}, Verdict.NO),
        ("s == 'x' && a == 2", {"a": 1}, Verdict.NO),
        ("a == 2 && s == 'x'", {"a": 2}, Verdict.CONDITIONAL),
        ("a == 2 || s == 'x'", {"a": 2}, Verdict.YES),
        ("s == 'x' || a == 2", {"a": 2}, Verdict.YES),
        ("a == 2 ? s == 'x' : true", {"a": 1}, Verdict.YES),
        ("s == 'x' ? a == 2 : a == 2", {"a": 2}, Verdict.CONDITIONAL),
        ("1 / a == 1 || s == 'x'", {"a": 0}, Verdict.CONDITIONAL),  # an `s` of 'x' would still make it YES
        ("1 / a == 1 || s == 'x'", {"a": 0, "s": "x"}, Verdict.YES),
    ],
)
def test_what_is_missing_counts_only_where_the_outcome_hangs_on_it(
    expression: str, context: dict[str, object], verdict: Verdict
) -> None:
    caveat = Caveat("c", {"a": INT, "s": STRING}, expression)
    found, missing = caveat.evaluate({}, context)
    assert found is verdict
    assert missing == ({"s"} if verdict is Verdict.CONDITIONAL else set())


@pytest.mark.parametrize(
    ("types", "expression", "context", "said"),
    [
        ({"a": "int"}, "1 / a == 1", {"a": 0}, "divide by zero"),
        ({"m": "map<int>"}, "m.key == 1", {"m": {}}, "key not found"),
        ({"l": "list<int>"}, "l[5] == 1", {"l": [1]}, "index error"),
        ({"a": "int"}, "a + 1 > a", {"a": 2**63 - 1}, "integer overflow"),
        ({"v": "any"}, "v > 5", {"v": "x"}, "no matching overload"),
        ({"ip": "ipaddress"}, "ip.in_cidr('10.0.0.0')", {"ip": "10.0.0.1"}, "`10.0.0.0` is not a CIDR"),
        ({"l": "list<int>"}, "l.all(i, l.all(j, i + j >= 0))", {"l": [1] * 200}, "iteration budget exceeded"),
        ({"s": "string"}, "s.matches('[')", {"s": "x"}, "invalid regular expression"),
    ],
)
def test_an_expression_that_fails_answers_nothing_and_says_why(
    types: dict[str, str], expression: str, context: dict[str, object], said: str
) -> None:
    caveat = Caveat("frail", {name: parse_parameter_type(text) for name, text in types.items()}, expression)
    with pytest.raises(CaveatFailed, match="`frail` failed") as caught:
        caveat.evaluate({}, context)
    assert said in caught.value.message
    assert caught.value.metadata["caveat"] == "frail"


def test_a_wrong_type_is_told_with_its_parameter_and_what_was_expected() -> None:
    caveat = Caveat("limit", {"amount": INT, "known": BOOL}, "known || amount < 10")
    with pytest.raises(CaveatFailed) as caught:
        caveat.evaluate({"known": True}, {"amount": "ten"})
    assert caught.value.message == (
        'caveat `limit` takes parameter `amount` as int, not `"ten"`; '
        "give an integer of 64 bits, or its decimal digits as a string"
    )
    assert caught.value.metadata == {"caveat": "limit", "parameter": "amount", "expected": "int", "value": '"ten"'}


SECRET = "sEcret"
LEAKING = [
    ({"m": "map<int>", "k": "string"}, "m[k] == 1", {"k": SECRET}, {"m": {}}),
    ({"m": "map<int>", "k": "string"}, "m[k] == 1", {"m": {SECRET: 1}}, {"k": "x"}),
    ({"s": "string"}, "'x'.matches(s)", {"s": f"{SECRET}("}, {}),
    ({"s": "string"}, "int(s) == 1", {"s": SECRET}, {}),
    ({"s": "string", "ip": "ipaddress"}, "ip.in_cidr(s)", {"s": f"{SECRET}`"}, {"ip": "10.0.0.1"}),
    ({"s": "any"}, "s > 5", {"s": SECRET}, {}),
    ({"n": "int"}, "n > 5", {"n": SECRET}, {}),
    ({"s": "string", "n": "int"}, "s == 'x' && 1 / n == 1 || 1 / n == 2", {"s": SECRET}, {"n": 0}),
]


@pytest.mark.parametrize(("types", "expression", "fixed", "brought"), LEAKING)
def test_nothing_that_a_relationship_fixed_is_told_to_who_asks(
    types: dict[str, str], expression: str, fixed: dict[str, object], brought: dict[str, object]
) -> None:
    caveat = Caveat("frail", {name: parse_parameter_type(text) for name, text in types.items()}, expression)
    for evaluate in (caveat.evaluate, lambda fixed, brought: caveat.evaluate_written(canonical_json(fixed), brought)):
        with pytest.raises(CaveatFailed, match="`frail`") as caught:
            evaluate(fixed, brought)
        told = caught.value.message + str(caught.value.metadata)
        assert SECRET not in told
        assert all(f"`{name}` = " in told for name in brought), "what the request brought helps whoever asks"


def test_a_request_value_behind_a_fixed_one_is_not_looked_at() -> None:
    caveat = Caveat("limit", {"amount": INT}, "amount < 10")
    assert caveat.evaluate({"amount": 1}, {"amount": "nonsense", "unheard": object()}) == (Verdict.YES, frozenset())


# --- writing ----------------------------------------------------------------------------------------------------


def test_a_relationship_may_carry_only_declared_parameters_of_their_types() -> None:
    caveat = Caveat("limit", {"amount": INT, "unit": STRING}, "amount < 10 && unit == 'eur'")
    caveat.check_context({})
    caveat.check_context({"amount": 5})
    with pytest.raises(InvalidContext, match="has no parameter `amuont`; it has `amount`, `unit`"):
        caveat.check_context({"amuont": 5})
    with pytest.raises(InvalidContext, match=r"takes parameter `amount` as int, not `true`; give an integer"):
        caveat.check_context({"amount": True})


# --- types ------------------------------------------------------------------------------------------------------

CONVERSIONS = [
    # type, JSON, a CEL expression that must then be true
    ("int", 5, "p == 5"),
    ("int", 5.0, "p == 5"),
    ("int", "5", "p == 5"),
    ("int", "5e2", "p == 500"),
    ("int", "-9223372036854775808", "p == -9223372036854775808"),
    ("uint", 5, "p == 5"),
    ("uint", "5", "p + 1 == 6"),
    ("double", 5, "p == 5.0"),
    ("double", "2.5", "p == 2.5"),
    ("double", "1e308", "p == 1e308 && p < 1.7976931348623157e308"),
    ("double", "0.1", "p == 0.1"),
    ("double", "-0.0", "p == 0.0"),
    ("bool", True, "p"),
    ("string", "é", "p == 'é' && size(p) == 1"),
    ("bytes", "YWJj", "p == b'abc'"),
    ("bytes", "YQBi", "p == b'a\\x00b' && p != b'a' && size(p) == 3"),
    ("list<bytes>", ["YQBi"], "b'a\\x00b' in p"),
    ("duration", "1h30m", "p == duration('5400s')"),
    ("duration", "-1.5h", "p == duration('-5400s')"),
    ("duration", "1ns", "p == duration('0.000000001s')"),
    ("duration", "0", "p == duration('0s')"),
    ("duration", ".5s", "p == duration('500ms')"),
    ("timestamp", "2026-01-31T12:00:00Z", "p == timestamp('2026-01-31T12:00:00Z')"),
    ("timestamp", "2026-01-31T12:00:00+02:00", "p == timestamp('2026-01-31T10:00:00Z') && p.getHours() == 10"),
    ("timestamp", "2026-01-31T12:00:00.000000001Z", "p > timestamp('2026-01-31T12:00:00Z')"),
    ("timestamp", "0001-01-01T00:00:00Z", "p.getFullYear() == 1"),
    ("timestamp", "9999-12-31T23:59:59.999999999Z", "p.getFullYear() == 9999"),
    ("ipaddress", "10.1.2.3", "p.in_cidr('10.0.0.0/8')"),
    ("ipaddress", "10.1.2.3", "!p.in_cidr('::/0')"),
    ("ipaddress", "2001:db8::1", "p.in_cidr('2001:db8::/32')"),
    # An IPv4 address written as IPv6 is the IPv4 address, whatever its letters and zone; so are networks of them.
    ("ipaddress", "::ffff:10.1.2.3", "p.in_cidr('10.0.0.0/8') && !p.in_cidr('::/0') && p.in_cidr('0.0.0.0/0')"),
    ("ipaddress", "::FFFF:a01:203", "p.in_cidr('10.1.2.3/32')"),
    ("ipaddress", "::ffff:10.1.2.3%eth0", "p.in_cidr('10.1.2.3/32')"),
    ("ipaddress", "10.1.2.3", "p.in_cidr('::ffff:10.0.0.0/104') && p.in_cidr('::ffff:0:0/96')"),
    ("ipaddress", "::ffff:11.1.2.3", "!p.in_cidr('::ffff:10.0.0.0/104') && !p.in_cidr('::ffff:0:0/95')"),
    ("ipaddress", "::10.1.2.3", "!p.in_cidr('10.0.0.0/8') && p.in_cidr('::/0')"),
    ("list<ipaddress>", ["::ffff:10.1.2.3", "10.1.2.3", "::ffff:a01:203"], "p[0] == p[1] && p[1] == p[2]"),
    ("ipaddress", "10.1.2.3", "p.in_cidr('10.9.9.9/8')"),
    ("list<ipaddress>", ["2001:0db8::1", "2001:db8:0::1"], "p[0] == p[1]"),
    ("list<string>", ["a", "b"], "'b' in p"),
    ("map<int>", {"a": "1"}, "p.a == 1"),
    ("map<list<timestamp>>", {"a": ["2026-01-31T12:00:00Z"]}, "p.a[0].getFullYear() == 2026"),
    ("any", 1, "p == 1 && p + 1.0 == 2.0"),
    ("any", {"a": [1, None, "x"]}, "p.a[0] == 1 && p.a[1] == null && p.a[2] == 'x'"),
    ("any", None, "p == null"),
    ("map<any>", {"a": {"b": 1}}, "p.isSubtreeOf({'a': {'b': 1.0, 'c': 2.0}})"),
    ("map<any>", {"a": {"b": 1}}, "!p.isSubtreeOf({'a': {'b': 2.0}})"),
    ("map<any>", {"a": True}, "!p.isSubtreeOf({'a': 1.0})"),
    ("map<any>", {}, "p.isSubtreeOf({'a': 1.0})"),
    ("map<any>", {"a": 1}, "p.?b.orValue(7.0) == 7.0"),
]


@pytest.mark.parametrize(("type_", "value", "expression"), CONVERSIONS)
def test_json_becomes_the_value_spicedb_would_make_of_it(type_: str, value: object, expression: str) -> None:
    caveat = Caveat("c", {"p": parse_parameter_type(type_)}, expression)
    caveat.check_context({"p": value})
    assert caveat.evaluate({}, json.loads(json.dumps({"p": value}))) == (Verdict.YES, frozenset())


REFUSED_VALUES = [
    ("int", [1.5, "1.5", "x", "", "0x10", True, None, [], 2**63, "9223372036854775808", "1e9999", "1" * 65, "١"]),
    ("uint", [-1, "-1", 1.5, True]),
    ("double", ["x", "NaN", "Inf", True, None, 2**53 + 1, "9007199254740993"]),
    ("double", ["1e400", "-1e400", "1.7976931348623159e308", "1e-400", "1" * 64, " 5", "5\n", "0x5"]),
    ("bool", [1, 0, "true", None]),
    ("string", [1, None, ["x"], "a\0b", "\ud800"]),
    ("bytes", ["YQ", "?", "é", 1]),
    ("duration", ["", "1", "h", "1 h", "1d", 3600, "9999999h", "1.h.", "1h-1m"]),
    ("timestamp", ["2026-01-31", "2026-01-31 12:00:00Z", "2026-02-31T12:00:00Z", "2026-01-31T12:00:00", 0]),
    ("timestamp", [" 2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "2026-01-31T12:00:00+0000"]),
    ("timestamp", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "2026-01-31t12:00:00z"]),
    ("ipaddress", ["10.1.2", "010.1.2.3", "10.1.2.3/8", "::g", 1, ""]),
    ("list<int>", [1, {"0": 1}, [1, "x"], "x"]),
    ("map<int>", [1, [1], {"a": "x"}, {"a\0": 1}]),
    ("any", [2**53 + 1, "a\0b", ["\0"], {"a\0b": 1}, {"\udfff": 1}, object()]),
]


@pytest.mark.parametrize(("type_", "value"), [(type_, value) for type_, values in REFUSED_VALUES for value in values])
def test_a_value_that_is_not_of_its_type_is_refused_and_never_rounded(type_: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_parameter_type(type_).convert(value)


def test_a_value_nested_without_end_is_refused() -> None:
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match="nested at most 64 deep"):
        ANY.convert(deep)


@pytest.mark.parametrize("text", ["tuple", "list", "list<", "list<int", "int<string>", "map<map>", "", "Int"])
def test_an_unknown_parameter_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="parameter type"):
        parse_parameter_type(text)


@pytest.mark.parametrize("text", ["int", "list<any>", "map<list<ipaddress>>"])
def test_a_parameter_type_reads_back_as_it_is_shown(text: str) -> None:
    assert str(parse_parameter_type(text)) == text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("10.0.0.0/8", True),
        ("::/0", True),
        ("10.0.0.0", False),
        ("10.0.0.0/255.0.0.0", False),
        ("10.0.0.0/33", False),
        ("10.0.0.0/08", False),
        ("x/8", False),
        ("fe80::1%eth0/64", False),
    ],
)
def test_a_network_is_an_address_and_a_length(text: str, good: bool) -> None:
    assert is_cidr(text) is good


# --- compiling --------------------------------------------------------------------------------------------------

REFUSED_EXPRESSIONS = [
    ({}, "true", "caveat-without-parameters"),
    ({"a": "int"}, "a", "expression-not-bool"),
    ({"a": "any"}, "a", "expression-not-bool"),
    ({"a": "int"}, "1 == 1", "unused-parameter"),
    ({"a": "int", "b": "list<int>"}, "b.all(a, a < 1)", "unused-parameter"),  # that `a` is the macro's own
    ({"a": "int"}, "a ==", "cel"),
    ({"a": "int"}, "a == 'x'", "cel"),
    ({"a": "int"}, "a == other", "cel"),
    ({"a": "double"}, "a > 1", "cel"),  # as in SpiceDB: `1.0`
    ({"a": "int"}, "package == a", "cel"),
    ({"a": "ipaddress"}, "a == '10.0.0.1'", "cel"),
    ({"a": "string"}, "a.in_cidr('10.0.0.0/8')", "cel"),
    ({"a": "string"}, "a.isSubtreeOf({'x': 1})", "cel"),
    ({"int": "int"}, "int == 1", "reserved-parameter-name"),
    ({"a": "bool"}, "(" * 200 + "a" + ")" * 200, "cel"),
    ({"a": "bool"}, "a || " * 25_000 + "a", "expression-too-long"),
]


@pytest.mark.parametrize(("types", "expression", "code"), REFUSED_EXPRESSIONS)
def test_what_does_not_compile_is_refused_with_its_reason(types: dict[str, str], expression: str, code: str) -> None:
    parameters = {name: parse_parameter_type(text) for name, text in types.items()}
    issues = issues_of(parameters, expression)
    assert [issue.code for issue in issues][:1] == [code]
    with pytest.raises(SchemaInvalid) as caught:
        Caveat("c", parameters, expression)
    assert caught.value.issues == tuple(issues)


def test_the_one_unused_parameter_of_many_is_found() -> None:
    many = {f"p{index}": INT for index in range(300)}
    expression = " && ".join(f"p{at} == p{at + 1}" for at in range(0, 300, 2) if at != 270) + " && p271 == 1"
    assert [issue.parameter for issue in issues_of(many, expression)] == ["p270"]


def test_an_issue_of_cel_says_its_line_and_column() -> None:
    issues = issues_of({"a": INT}, "a == 1 &&\n  'é😀' == zz &&\n  yy")
    assert [(issue.line, issue.column, issue.message) for issue in issues] == [
        (2, 11, "undeclared reference to `zz`"),
        (3, 3, "undeclared reference to `yy`"),
    ]


# --- as a value -------------------------------------------------------------------------------------------------


def test_caveats_are_equal_by_what_they_say() -> None:
    one = Caveat("c", {"a": INT, "b": INT}, "a < b", doc="one")
    same = Caveat("c", {"b": INT, "a": INT}, "a < b", doc="two")
    assert one == same
    assert hash(one) == hash(same)
    assert one != Caveat("c", {"a": INT, "b": INT}, "a <= b")
    assert one != Caveat("c", {"a": DOUBLE, "b": DOUBLE}, "a < b")
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one


def test_a_caveat_answers_the_same_from_many_threads() -> None:
    caveat = Caveat(
        "c", {"ip": IPADDRESS, "until": TIMESTAMP}, "ip.in_cidr('10.0.0.0/8') && until.getFullYear() == 2026"
    )

    def ask(index: int) -> object:
        return caveat.evaluate({"until": f"{2025 + index % 2}-06-01T00:00:00Z"}, {"ip": f"10.0.0.{index % 250}"})[0]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(400)))
    assert found == [Verdict.YES if index % 2 else Verdict.NO for index in range(400)]
