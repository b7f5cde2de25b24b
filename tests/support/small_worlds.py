"""Small worlds for tests: a schema and a few facts as text, and questions asked of them as text.

The time of every world is NOW_US; BEFORE, AT and AFTER are the microseconds around it as facts write them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from remit.eval.budget import Budget
from remit.eval.semantics import Answer, Evaluation
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import Verdict
from remit.notation import format_time, parse_question, parse_relationship

NO, CONDITIONAL, YES = Verdict.NO, Verdict.CONDITIONAL, Verdict.YES

NOW_US = 1_767_225_600_000_000
BEFORE, AT, AFTER = (format_time(NOW_US + us) for us in (-1, 0, 1))


def evaluation(schema: str, facts: Iterable[str] = (), context: Mapping[str, object] | None = None) -> Evaluation:
    """The facts are laid in the order given: an answer that depends on it is wrong."""
    graph = Graph(map(parse_relationship, facts))
    return Evaluation(plan_of(schema), graph, now_us=NOW_US, context=context)


@functools.cache
def plan_of(schema: str) -> Schema:
    return compile_schema(schema).schema


def answer(world: Evaluation, question: str, budget: Budget | None = None) -> Answer:
    return world.check(*parse_question(question), budget)


def verdict(world: Evaluation, question: str) -> Verdict:
    return answer(world, question).verdict
