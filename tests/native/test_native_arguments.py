"""Law: the judge in the core says of every document and every call what Python's says: the same yes, no and unknown, the
same questions for the graph, and where something is refused, the same place and reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest

from remit.arguments.call import read_call
from remit.arguments.document import parse_document
from remit.arguments.judge import judge
from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.json_text import canonical_text
from remit.arguments.side import Side
from remit.arguments.values import VALUE_TYPES, ValueType, refusal
from remit.errors import DocumentInvalid, InvalidCall
from remit.model import Call
from tests.support.arguments.hostile import hostile, hostile_text, hostile_value
from tests.support.arguments.random_calls import DECLARED, random_call_of, random_document
from tests.support.places import ROOT
from tests.support.seeds import Seeds

core = pytest.importorskip("remit._core")

HOSTILE_VALUES = json.loads((ROOT / "tests/arguments/hostile_values.json").read_text(encoding="utf-8"))["values"]

Told = tuple[object, ...]


def told_by_python(document: str, side: Side, call: Call, types: Mapping[str, ValueType]) -> Told:
    try:
        parsed = parse_document(document, side, DECLARED)
    except DocumentInvalid as error:
        return "document", error.pointer, error.why
    try:
        read = read_call(call)
    except InvalidCall as error:
        return "call", error.metadata.get("pointer", ""), error.metadata.get("why", str(error))
    return said(judge(parsed, read.typed(read.arguments, types)))


def told_by_core(document: str, side: Side, call: Call, types: Mapping[str, ValueType]) -> Told:
    return core.judge_call(
        document, side.value, DECLARED, call.tool, call.arguments, call.purpose, list(types.items())
    )


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


@pytest.mark.seeds(6_000, shards=2)
@pytest.mark.parametrize("side", list(Side))
def test_the_core_judges_as_python_does(seeds: Seeds, side: Side) -> None:
    met: Counter[object] = Counter()
    for seed in seeds:
        met[compare(*_with(drawn(Random(seed), side), side))[0]] += 1
    kinds = ("known", "unjudged", "related", "every", "any", "document", "call")
    seeds.require(all(met[kind] > len(seeds.range) // 500 for kind in kinds), met)


def _with(drawn: tuple[str, Call, dict[str, ValueType]], side: Side) -> tuple[str, Side, Call, dict[str, ValueType]]:
    document, call, types = drawn
    return document, side, call, types


@pytest.mark.seeds(6_000, shards=2)
def test_the_core_takes_the_values_that_python_takes(seeds: Seeds) -> None:
    met: Counter[object] = Counter()
    for seed in seeds:
        random = Random(seed)
        for type in VALUE_TYPES:
            value = hostile_value(random, type)
            call = Call("t", canonical_text({"v": value}).encode())
            told = told_by_core('{"v":{}}', Side.ARGUMENTS, call, {"/v": type})
            why = refusal(type, value)
            assert told == (("known", True) if why is None else ("unjudged",)), f"{type} {value!r}: {why}"
            met[type, why is None] += 1
    seeds.require(len(met) == 2 * len(VALUE_TYPES), met)
