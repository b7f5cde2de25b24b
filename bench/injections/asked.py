"""A domain in an engine, and what Check says of its calls.

Law: one engine holds one domain and nothing else; every answer is of its newest revision."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from bench.injections.domain import SCHEMA, Domain, Sample
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import CallUnjudgeable, InvalidCall
from remit.model import Operation, Record, Relationship, Update, Verdict
from remit.store.memory import MemoryStore

UNJUDGED = None
NOW_US = 1_800_000_000_000_000  # some day of 2027: nothing here ends


def answers(domain: Domain, samples: Iterable[Sample]) -> list[Verdict | None]:
    """What Check says of each; None where it has no answer for the call."""
    return _answers(domain, samples, domain.facts(), domain.records())


def answers_by_tool_alone(domain: Domain, samples: Iterable[Sample]) -> list[Verdict | None]:
    """What it would say if a grant said which tool, and nothing of its calls."""
    return _answers(domain, samples, domain.facts_by_tool_alone(), ())


def _answers(
    domain: Domain, samples: Iterable[Sample], facts: Iterable[Relationship], records: Iterable[Record]
) -> list[Verdict | None]:
    clock = ManualClock(NOW_US)
    with closing(Engine(MemoryStore(clock_us=clock.now_us), clock)) as engine:
        engine.schemas.write("", SCHEMA)
        updates = [Update(Operation.TOUCH, fact) for fact in facts]
        engine.relationships.write("", updates, records=tuple(records))
        return [_answer(engine, domain, each) for each in samples]


def _answer(engine: Engine, domain: Domain, sample: Sample) -> Verdict | None:
    try:
        return engine.questions.check("", domain.question(sample)).verdict
    except (CallUnjudgeable, InvalidCall):
        return UNJUDGED
