"""Law: the judge in the core says of every document and every call what Python's says: the same yes, no and unknown,
the same questions for the graph, and where something is refused, the same place and reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest

from remit.arguments.call import read_call
from remit.arguments.document import parse_document
from remit.arguments.json_text import canonical_text
from remit.arguments.judge import judge
from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.side import Side
from remit.arguments.values import VALUE_TYPES, ValueType, refusal
from remit.errors import DocumentInvalid, InvalidCall
from remit.model import Call
from remit.native_core import core
from tests.support.arguments.hostile import hostile, hostile_text, hostile_value
from tests.support.arguments.random_calls import DECLARED, random_call_of, random_document
from tests.support.arguments.tables import bytes_of, rows_of, text_of
from tests.support.native.worlds import needs_core
from tests.support.seeds import Seeds

pytestmark = needs_core

Told = tuple[object, ...]


def told_by_python(document: str, side: Side, call: Call, types: Mapping[str, ValueType]) -> Told:
    try:
        parsed = parse_document(document, side, DECLARED)
    except DocumentInvalid as error:
        return "document", error.pointer, error.problem
    try:
        read = read_call(call)
    except InvalidCall as error:
        return "call", error.metadata.get("pointer", ""), error.metadata.get("problem", str(error))
    return said(judge(parsed, read.typed(read.arguments, types)))


def told_by_core(document: str, side: Side, call: Call, types: Mapping[str, ValueType]) -> Told:
    return core.judge_call(document, side.value, DECLARED, call.tool, call.arguments, call.purpose, list(types.items()))


def said(judged: Judged) -> Told:
    """What was judged without the reasons, and without what decides nothing, as the core says it."""
    match judged:
        case Known(truth, _):
            return "known", truth
        case Unjudged():
            return ("unjudged",)
        case Related(object, permission):
            return "related", object.type, object.id, permission
        case Unless(part):
            return "unless", said(part)
        case Every(parts):
            return _gathered("every", list(map(said, parts)), decides=False)
        case Any(parts):
            return _gathered("any", list(map(said, parts)), decides=True)


def _gathered(word: str, parts: list[Told], decides: bool) -> Told:
    if ("known", decides) in parts:
        return "known", decides
    left: list[Told] = []
    for part in parts:
        if part != ("known", not decides) and not (part == ("unjudged",) and part in left):
            left.append(part)
    if len(left) < 2:
        return left[0] if left else ("known", not decides)
    return word, tuple(left)


# What the core says of values that a document may not name: Python tells what is wrong in which. And of what is no JSON
# each tells what its own reader stumbled on; Python alone names values in what it says.
_SHORTER = ("is not written as ", "is not JSON", "the call's ", "asks `", "is no scheme that", "names `")


def compare(document: str, side: Side, call: Call, types: Mapping[str, ValueType]) -> Told:
    python, native = (told(document, side, call, types) for told in (told_by_python, told_by_core))
    if python[0] in ("document", "call") and str(native[-1]).startswith(_SHORTER):
        same = python[:2] == native[:2]
    else:
        same = python == native
    assert same, f"{document!r} ({side.value}) of {call!r} with {dict(types)}: Python says {python}, the core {native}"
    return python


def drawn(random: Random, side: Side) -> tuple[str, Call, dict[str, ValueType]]:
    document = random_document(random, side)
    arguments = random_call_of(random, document)
    types: dict[str, ValueType] = {}
    if random.random() < 0.3:
        patterns = ("/a", "/b", "/c", "/a/*", "/b/*", "/a/a", "/a/b", "/b/x~1y", "/~0", "/")
        types = {pattern: random.choice(VALUE_TYPES) for pattern in random.sample(patterns, 3)}
    kind = random.random()
    if kind < 0.15:
        document = hostile(random, document)
    elif kind < 0.3:
        changed = hostile(random, arguments)
        arguments = changed if isinstance(changed, dict) else {"a": changed}
    text, written = json.dumps(document, ensure_ascii=random.random() < 0.5), canonical_text(arguments).encode()
    if 0.3 < kind < 0.35:
        text = hostile_text(random, text).decode(errors="replace")
    elif 0.35 < kind < 0.5:
        written = hostile_text(random, written.decode())
    tool = random.choice(("erp.pay", "crm.read", "erp.pay", "*", "a b", ""))
    purpose = random.choice(("", "invoices", "x", "", "e\u0301", "a" * 257)) if kind > 0.95 else ""
    return text, Call(tool if kind > 0.98 else "erp.pay", written, purpose), types


def compare_drawn(seeds: Seeds, side: Side) -> Counter[object]:
    met: Counter[object] = Counter()
    for seed in seeds:
        document, call, types = drawn(Random(seed), side)
        met[compare(document, side, call, types)[0]] += 1
    return met


@pytest.mark.seeds(6_000, shards=2)
@pytest.mark.parametrize("side", list(Side))
def test_the_core_judges_as_python_does(seeds: Seeds, side: Side) -> None:
    met = compare_drawn(seeds, side)
    kinds = ("known", "unjudged", "related", "every", "any", "document", "call")
    seeds.require(all(met[kind] for kind in kinds), met)


@pytest.mark.seeds(500, fresh=True)
@pytest.mark.parametrize("side", list(Side))
def test_the_core_judges_as_python_does_by_fresh_seeds(seeds: Seeds, side: Side) -> None:
    compare_drawn(seeds, side)


@pytest.mark.long
@pytest.mark.seeds(100_000, fresh=True)
@pytest.mark.parametrize("side", list(Side))
def test_the_core_judges_as_python_does_a_hundred_thousand_times(seeds: Seeds, side: Side) -> None:
    print(f"met: {compare_drawn(seeds, side)}")


def compare_value(type: ValueType, value: str) -> bool:
    call = Call("t", canonical_text({"v": value}).encode())
    told = told_by_core('{"v":{}}', Side.ARGUMENTS, call, {"/v": type})
    why = refusal(type, value)
    assert told == (("known", True) if why is None else ("unjudged",)), f"{type} {value!r}: Python says {why}"
    return why is None


@pytest.mark.seeds(6_000, shards=2)
def test_the_core_takes_the_values_that_python_takes(seeds: Seeds) -> None:
    met: Counter[object] = Counter()
    for seed in seeds:
        random = Random(seed)
        for type in VALUE_TYPES:
            met[type, compare_value(type, hostile_value(random, type))] += 1
    seeds.require(len(met) == 2 * len(VALUE_TYPES), met)


# --- the tables -------------------------------------------------------------------------------------------------


def test_the_core_says_of_hostile_values_what_the_table_says() -> None:
    for row in rows_of("hostile_values", "values"):
        if row["type"] == "json":
            call = Call("t", bytes_of(row, "value"))
            told = compare("{}", Side.MATCHING, call, {})
            assert (told[0] == "call") is ("refused" in row), row
        else:
            assert compare_value(row["type"], text_of(row, "value")) is not ("refused" in row), row


def test_the_core_judges_the_calls_of_the_table() -> None:
    words = {("known", True): "yes", ("known", False): "no", ("unjudged",): "unknown"}
    for row in rows_of("judged_calls", "calls"):
        arguments = canonical_text(row["arguments"]).encode()
        call = Call(row.get("tool", "t"), arguments, row.get("purpose", ""))
        told = compare(json.dumps(row["document"]), Side(row["side"]), call, row.get("types", {}))
        assert words.get(told, row["expected"]) == row["expected"], row


def test_the_core_refuses_the_documents_of_the_table_at_the_same_places() -> None:
    for row in rows_of("refused_documents", "documents"):
        text = json.dumps(row["document"]) if "document" in row else text_of(row, "text")
        if all(not "\ud800" <= character <= "\udfff" for character in text):  # no text to the core has halves of a pair
            told = compare(text, Side(row["side"]), Call("t", b"{}"), {})
            assert told[:2] == ("document", row["pointer"]), row


@pytest.mark.parametrize(
    ("document", "arguments"),
    [
        ({"any_of": [{"a": {"any_of": [{"url": {"host": "b"}}] * 110}}] * 3}, {"a": f"https://a/{'%20' * 20_000}"}),
        ({"a": {"all_of": [{"glob": f"/{'*a' * 500}"}] * 15}}, {"a": "/" + "a" * 4_000}),
        ({"a": {"each": {"any_of": [{"glob": "*/" * 100 + "?"}] * 40}}}, {"a": ["x/" * 200 + "x"] * 100}),
        ({"a": {"any_of": [{"min": "9" * 50}] * 200}}, {"a": "9" * 60_000}),
        ({"a": {"any_of": [{"max_length": 60_000}, {"prefix": "é"}] * 120}}, {"a": "e\u0308é" * 10_000}),
        ({"a": {"each": {"one_of": [f"{n}" for n in range(500)]}}}, {"a": [f"{n}x" for n in range(990)]}),
    ],
)
def test_what_takes_longest_is_judged_alike(document: object, arguments: object) -> None:
    for side in Side:
        text = json.dumps(document).replace("each", "some") if side is Side.MATCHING else json.dumps(document)
        compare(text, side, Call("t", canonical_text(arguments).encode()), {})  # type: ignore[arg-type]
