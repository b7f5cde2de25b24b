"""docs/verbs.md is true: its examples print what they say, every verb of agents has a heading, and its tables of
states are those of the code."""

from __future__ import annotations

import re
from typing import Any

import pytest

from remit.client import Client
from remit.engine.agents.lifecycles import LIFECYCLES, Lifecycle
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.run.background import BackgroundServer
from remit.server.verbs import STREAMS, VERBS
from remit.store.memory import MemoryStore
from tests.support.docs.blocks import DOCS, blocks_of, run_python
from tests.support.serving import NOW_US

PAGE = "verbs.md"
SERVICE = "remit.v1.Agents"


def test_every_example_prints_what_it_says() -> None:
    (schema,) = blocks_of(PAGE, "zed")
    (facts,) = blocks_of(PAGE, "relationships")
    examples = [each for each in blocks_of(PAGE, "python") if "run" in each.says]
    assert examples
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", schema.text)
    written = [Update(Operation.TOUCH, parse_relationship(line)) for line in facts.text.split()]
    engine.relationships.write("", written)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        namespace: dict[str, Any] = {"remit": client}
        for block in examples:
            run_python(block, namespace)
    engine.close()


def test_every_verb_of_agents_has_a_heading() -> None:
    headings = set(re.findall(r"^## (\w+)$", (DOCS / PAGE).read_text(encoding="utf-8"), re.MULTILINE))
    assert {verb.method for verb in (*VERBS, *STREAMS) if verb.service == SERVICE} <= headings


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda each: each.kind)
def test_the_tables_of_states_are_those_of_the_code(lifecycle: Lifecycle) -> None:
    head = [f"state of an? {re.escape(lifecycle.kind)}", *lifecycle.events]
    rows = [[state, *(lifecycle.cells[state, event] for event in lifecycle.events)] for state in lifecycle.states]
    lines = [_row(head), r"\|" + r"---\|" * len(head), *map(_row, rows)]
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    assert re.search("\n".join(lines) + "\n", text), f"docs/{PAGE} has another table of `{lifecycle.kind}`"


def _row(cells: list[str]) -> str:
    return r"\| " + r" \| ".join(cells) + r" \|"
