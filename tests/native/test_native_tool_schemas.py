"""The core reads descriptions of tools, and judges arguments by them, as Python does, to the last place and reason."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from random import Random

import pytest

from remit.arguments.json_text import canonical_text, read_object
from remit.arguments.tool_schema import Unfit, read_descriptor
from remit.errors import DescriptorInvalid
from remit.native_core import core
from tests.support.arguments.random_patterns import random_pattern, random_text
from tests.support.arguments.tool_schemas import as_bytes, random_arguments, random_descriptor
from tests.support.seeds import Seeds

fit_arguments = core.fit_arguments if core is not None else None
pytestmark = pytest.mark.skipif(core is None, reason="the native core was not built")

Told = tuple[str, str, str]


def python_tells(descriptor: bytes, arguments: bytes) -> Told:
    try:
        filled = read_descriptor(descriptor).filled(read_object(arguments))
    except DescriptorInvalid as error:
        return ("descriptor", error.pointer, error.problem)
    return ("unfit", *filled) if isinstance(filled, Unfit) else ("fits", "", canonical_text(filled))


def require_the_same(descriptor: bytes, arguments: bytes) -> str:
    """What both of them say, in a word."""
    by_python, by_core = python_tells(descriptor, arguments), fit_arguments(descriptor, arguments)
    assert by_core == by_python, (descriptor.decode(), arguments.decode())
    return by_python[0]


@pytest.mark.seeds(4_000, shards=8)
def test_both_judge_random_arguments_alike(seeds: Seeds) -> None:
    told: Counter[str] = Counter()
    for seed in seeds:
        rng = Random(seed)
        document, schema = random_descriptor(rng)
        descriptor = as_bytes(document)
        for _ in range(3):
            told[require_the_same(descriptor, as_bytes(random_arguments(rng, schema)))] += 1
    seeds.require(min(told["fits"], told["unfit"], told["descriptor"]) > 100, told)


@pytest.mark.seeds(2_000, shards=2)
def test_both_find_the_same_by_random_patterns(seeds: Seeds) -> None:
    told: Counter[str] = Counter()
    for seed in seeds:
        rng = Random(seed)
        property_schema = {"type": "string", "pattern": random_pattern(rng)}
        descriptor = as_bytes({"input_schema": {"type": "object", "properties": {"a": property_schema}}})
        for _ in range(5):
            told[require_the_same(descriptor, as_bytes({"a": random_text(rng)}))] += 1
    seeds.require(min(told["fits"], told["unfit"]) > 1_000, told)


HELD_AGAINST_PATTERNS = """
import json, random, resource
from remit._core import fit_arguments

patterns = [{"pattern": f"a[ab]{{{length}}}c"} for length in range(450, 487)]
schema = {"type": "object", "properties": {"a": {"anyOf": [*patterns, True]}}}
descriptor = json.dumps({"input_schema": schema}).encode()
text = "".join(random.Random(1).choices("ab", k=5_000))
assert fit_arguments(descriptor, b"{}")[0] == "fits"
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert fit_arguments(descriptor, json.dumps({"a": text}).encode())[0] == "fits"
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_engines_keep_little_of_the_texts_held_against_their_patterns() -> None:
    """What they keep stays as long as the descriptor does: of these thirty-seven it was eighty mebibytes."""
    script = subprocess.run([sys.executable, "-c", HELD_AGAINST_PATTERNS], check=True, capture_output=True)
    grown_kb = int(script.stdout)
    assert grown_kb < 16 * 1024
