"""Law: whatever values are given to parameters that are not named as missing, the outcome stays open, for the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import CaveatFailed
from remit.language.caveats import Caveat
from remit.language.missing import Needs
from remit.language.parameters import ANY, BOOL, INT, STRING, ParameterType
from remit.model import Verdict

NUMBERS, TREE = ParameterType("list", INT), ParameterType("map", ANY)
PARAMETERS = {"a": BOOL, "b": BOOL, "c": BOOL, "x": INT, "y": INT, "s": STRING, "l": NUMBERS}
VALUES: Mapping[str, st.SearchStrategy[object]] = {
    **dict.fromkeys("abc", st.booleans()),
    **dict.fromkeys("xy", st.integers(-1, 2)),
    "s": st.sampled_from(["", "1", "x"]),
    "l": st.lists(st.integers(-1, 2), max_size=3),
}

numbers = st.recursive(
    st.sampled_from(["x", "y", "0", "1", "int(s)", "size(l)", "l[0]"]),
    lambda parts: st.one_of(
        st.tuples(parts, st.sampled_from("+-*/"), parts).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        st.tuples(st.sampled_from("abc"), parts, parts).map(lambda each: f"({each[0]} ? {each[1]} : {each[2]})"),
    ),
    max_leaves=3,
)
truths = st.recursive(
    st.one_of(
        st.sampled_from(["a", "b", "c", "(s == '1')", "true"]),
        st.tuples(numbers, st.sampled_from(["<", "=="]), numbers).map(lambda each: f"({' '.join(each)})"),
    ),
    lambda parts: st.one_of(
        st.tuples(parts, st.sampled_from(["&&", "||", "=="]), parts).map(lambda each: f"({' '.join(each)})"),
        st.tuples(parts, parts, parts).map(lambda each: f"({each[0]} ? {each[1]} : {each[2]})"),
        parts.map(lambda part: f"!({part})"),
        st.tuples(st.sampled_from(["all", "exists"]), parts).map(lambda each: f"l.{each[0]}(e, e > x || {each[1]})"),
    ),
    max_leaves=5,
)


def outcome(caveat: Caveat, values: Mapping[str, object]) -> tuple[Verdict, frozenset[str]] | None:
    """None where it fails."""
    try:
        return caveat.evaluate({}, values)
    except CaveatFailed:
        return None


@given(st.data(), truths)
def test_what_is_not_named_changes_nothing(data: st.DataObject, expression: str) -> None:
    every = " && ".join(["true || a || b || c", "x == y", "s == ''", "size(l) > 0"])
    caveat = Caveat("law", PARAMETERS, f"({expression}) && (true || ({every}))")
    values = data.draw(st.fixed_dictionaries({}, optional=dict(VALUES)))
    found = outcome(caveat, values)
    if found is None or found[0] is not Verdict.CONDITIONAL:
        return
    named = found[1]
    assert named and named <= PARAMETERS.keys() - values.keys()
    others = {name: strategy for name, strategy in VALUES.items() if name not in named and name not in values}
    assert outcome(caveat, {**values, **data.draw(st.fixed_dictionaries({}, optional=others))}) == found


# Parameters, expression, what is given, what is named: by cel-go's order.
CASES = [
    ({"c": BOOL, "x": INT, "y": INT}, "c ? x > 3 : y > 3", {}, "c"),
    ({"c": BOOL, "x": INT, "y": INT}, "c ? x > 3 : y > 3", {"c": False}, "y"),
    ({"c": BOOL, "x": INT, "y": INT}, "c ? x > 3 : y > 3", {"c": True, "y": 5}, "x"),
    ({"l": NUMBERS, "x": INT}, "l.all(e, e > x)", {}, "l"),
    ({"l": NUMBERS, "x": INT}, "l.all(e, e > x)", {"l": [1]}, "x"),
    ({"m": TREE, "k": STRING}, 'm[k] == "v"', {}, "m"),
    ({"m": TREE, "k": STRING}, 'm[k] == "v"', {"m": {}}, "k"),
    ({"m": TREE, "k": INT}, "has(m.k) && m.k == k", {"k": 1}, "m"),
    ({"x": INT, "y": INT}, "x > y", {}, "x"),
    ({"a": BOOL, "b": BOOL, "c": BOOL}, "(a || b) == c", {}, "ab"),
    ({"a": BOOL, "b": BOOL, "c": BOOL}, "(a || b) == c", {"a": True}, "c"),
    ({"a": BOOL, "b": BOOL, "c": BOOL}, "a && (b || c)", {"b": True}, "a"),
    ({"s": STRING, "x": INT}, "int(s) > x", {}, "s"),
    ({"s": STRING, "x": INT}, "int(s) > x", {"s": "5"}, "x"),
    ({"x": INT, "y": INT, "a": BOOL}, "x / y > 2 || a", {"x": 1, "y": 0}, "a"),
    # What may be absent is no value, and waits for nothing itself.
    ({"r": BOOL, "b": INT, "m": ParameterType("map", INT)}, "r && m[?'y'].orValue(b) > 1", {"m": {}}, "br"),
    # Nothing heals it, and it is told as it was: by all that might have.
    ({"s": STRING, "x": INT}, "int(s) > x", {"s": "none"}, "x"),
]


@pytest.mark.parametrize(("parameters", "expression", "given_values", "named"), CASES)
def test_names_are_those_that_are_needed(
    parameters: dict[str, ParameterType], expression: str, given_values: dict[str, object], named: str
) -> None:
    found = Caveat("case", parameters, expression).evaluate({}, given_values)
    assert found == (Verdict.CONDITIONAL, frozenset(named))


def test_of_many_parts_few_are_looked_at_and_all_that_the_rest_names_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[object] = []
    evaluated = Needs._evaluated

    def counted(self: Needs, node: object, values: Mapping[str, object]) -> object:
        looked_at.append(node)
        return evaluated(self, node, values)

    monkeypatch.setattr(Needs, "_evaluated", counted)
    caveat = Caveat("many", {"k": INT, "x": BOOL, "y": BOOL}, "k > 0 && y" + " && !x" * 1_000)
    assert caveat.evaluate({}, {"k": 1}) == (Verdict.CONDITIONAL, frozenset("xy"))
    assert len(looked_at) < 100
    tails = " && ".join(f"(k == {number} || k > {number})" for number in range(200))
    caveat = Caveat("tails", {"k": INT, "x": BOOL, "y": BOOL}, f"x && {tails} && (y || k < 0)")
    looked_at.clear()
    assert caveat.evaluate({}, {"k": 999}) == (Verdict.CONDITIONAL, frozenset("xy"))
    assert len(looked_at) < 100


LOOP = "[1, 2, 3].all(e, e < k + 9)"


@pytest.mark.parametrize(
    ("expression", "named", "loops"),
    [
        (f"({LOOP} && x)", "x", 0),
        ("!" * 12 + f"({LOOP} && x)", "x", 0),
        ("(" * 12 + f"({LOOP} && x)" + " == true)" * 12, "x", 1),
        (f"({LOOP} ? x : y) && (x || y)", "xy", 1),
        (f"[1].all(e, x && {LOOP}) && [1].all(e, y && {LOOP})", "xy", 1),
        (f"({LOOP} ? x : y) && ({LOOP} ? y : x)", "xy", 1),
    ],
)
def test_of_parts_that_go_through_something_one_is_evaluated_at_most(
    expression: str, named: str, loops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may take as long as CEL lets an expression take, and nobody can interrupt it."""
    looped: list[object] = []
    evaluated = Needs._evaluated

    def counted(self: Needs, node: Any, values: Mapping[str, object]) -> object:
        looped.extend([node.id] if node.id in self._looping else [])
        return evaluated(self, node, values)

    monkeypatch.setattr(Needs, "_evaluated", counted)
    caveat = Caveat("loops", {"k": INT, "x": BOOL, "y": BOOL}, f"({expression}) && (true || x || y || k > 0)")
    assert caveat.evaluate({}, {"k": 1}) == (Verdict.CONDITIONAL, frozenset(named))
    assert len(looped) == loops
