"""Law: what the judge says of a random call under a random document is what the two mean, read plainly.

Where all can be judged, it is that exactly. Where some cannot, every way to decide it stays within what the judge says,
so that what is unknown never opens and never closes anything by itself."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from random import Random

import pytest

from remit.arguments.call import ReadCall, read_call
from remit.arguments.document import parse_document
from remit.arguments.fitting import fits
from remit.arguments.json_text import canonical_text
from remit.arguments.judge import judge
from remit.arguments.judged import Related, Unjudged
from remit.arguments.side import Side
from remit.arguments.values import VALUE_TYPES
from remit.model import Call
from tests.support.arguments.bounds import UNKNOWN, bounds_of, leaves_of
from tests.support.arguments.plain_judge import Asked, PlainCall, passes
from tests.support.arguments.random_calls import DECLARED, random_call_of, random_document
from tests.support.seeds import Seeds

COMPLETIONS = 3


def drawn(seed: int, side: Side) -> tuple[dict, ReadCall]:
    random = Random(seed)
    document = random_document(random, side)
    arguments = canonical_text(random_call_of(random, document)).encode()
    call = Call(random.choice(("erp.pay", "crm.read")), arguments, random.choice(("", "invoices", "x")))
    return document, read_call(call)


def answers_of(salt: str):
    """Answers drawn from the questions, so that the same question has the same answer wherever it is asked."""

    def truth(asked: Asked) -> bool:
        return sha256(f"{salt}{asked}".encode()).digest()[0] % 2 == 0

    return truth


def graph_of(truth):
    return lambda related: truth((str(related.object), related.permission))


def compare(seed: int, side: Side) -> Counter[str]:
    written, call = drawn(seed, side)
    document = parse_document(json.dumps(written), side, DECLARED)
    assert parse_document(document.text, side, DECLARED) == document
    judged = judge(document, call)
    leaves = list(leaves_of(judged))
    is_judged = not any(isinstance(leaf, Unjudged) for leaf in leaves)
    met: Counter[str] = Counter()
    met["asks"] += any(isinstance(leaf, Related) for leaf in leaves)
    plain_call = PlainCall(call.tool, call.purpose, call.arguments)
    for completion in range(COMPLETIONS):
        truth = answers_of(f"{seed}/{completion}")
        low, high = bounds_of(judged, graph_of(truth))
        plain = passes(written, side, plain_call, truth)
        assert low <= plain <= high, f"seed {seed}, {side}: {written} of {call.arguments} is {plain}: {judged}"
        assert not is_judged or low == high, f"seed {seed}, {side}: {written} of {call.arguments}: {judged}"
        met["unknown" if low != high else "yes" if low else "no"] += 1
    return met


@pytest.mark.seeds(4_000, shards=2)
@pytest.mark.parametrize("side", list(Side))
def test_judged_is_what_is_meant(seeds: Seeds, side: Side) -> None:
    met: Counter[str] = Counter()
    for seed in seeds:
        met += compare(seed, side)
    seeds.require(all(met[kind] > len(seeds.range) // 20 for kind in ("yes", "no", "unknown", "asks")), met)


@pytest.mark.seeds(1_000, fresh=True)
@pytest.mark.parametrize("side", list(Side))
def test_judged_is_what_is_meant_for_fresh_seeds(seeds: Seeds, side: Side) -> None:
    for seed in seeds:
        compare(seed, side)


@pytest.mark.seeds(2_000, shards=2)
def test_types_of_the_tool_make_nothing_known_that_was_not(seeds: Seeds) -> None:
    """A tool that says of what types its arguments are only adds reasons not to judge."""
    met: Counter[str] = Counter()
    for seed in seeds:
        for side in Side:
            written, call = drawn(seed, side)
            random = Random(-seed)
            patterns = ("/a", "/b", "/c", "/a/*", "/b/*", "/a/a", "/a/b", "/b/x~1y")
            types = {pattern: random.choice(VALUE_TYPES) for pattern in random.sample(patterns, 3)}
            document = parse_document(json.dumps(written), side, DECLARED)
            answer = graph_of(answers_of(str(seed)))
            untyped = bounds_of(judge(document, call), answer)
            typed = bounds_of(judge(document, call.typed(call.arguments, types)), answer)
            assert typed[0] <= untyped[0] and untyped[1] <= typed[1], f"seed {seed}: {written} with {types}"
            met["typed"] += typed != untyped
            met["misfit"] += fits(document, types) is not None
    seeds.require(min(met.values()) > 50, met)


def test_a_call_of_which_nobody_knows_what_the_tool_makes_is_unknown_on_both_sides() -> None:
    for side in Side:
        for seed in range(100):
            written, call = drawn(seed, side)
            document = parse_document(json.dumps(written), side, DECLARED)
            judged = judge(document, call.unjudgeable("", "is of a tool without an accepted descriptor"))
            assert bounds_of(judged, lambda _: True) == UNKNOWN
