"""Calls in the equations: by which descriptor a call is judged, what it costs, and who is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import pytest

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.errors import CallUnjudgeable, InvalidCall, StepBudgetSpent
from remit.eval.budget import Budget
from remit.eval.calls import JudgedCall, put_together
from remit.eval.semantics import Answer, Evaluation
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.model import Call, ObjectRef, Verdict
from remit.notation import parse_question, parse_relationship

NOW_US = 1_000_000
YES, NO = Answer(Verdict.YES).verdict, Answer(Verdict.NO).verdict

DESCRIBING = (
    "relation descriptor: descriptor | descriptor:* | descriptor#of | descriptor with expiration | descriptor with sure"
)
SCHEMA = compile_schema(
    f"""
use arguments
use expiration
caveat sure(x int) {{ x > 1 }}
definition user {{
    relation contact_of: user
    permission contact = contact_of
}}
definition descriptor {{ relation of: user }}
definition group {{ relation member: user with arguments(user#contact) }}
definition tool {{
    {DESCRIBING}
    relation may_use: user with arguments(user#contact) | group#member
    permission use = may_use
}}
"""
).schema
UNTYPED = compile_schema(SCHEMA.text.replace(DESCRIBING, "")).schema  # in which tools have no descriptors


def described(types: str) -> tuple[str, Descriptor]:
    text = '{"input_schema":{"type":"object","properties":{"amount":{"type":"string","default":"1000"}}},"types":%s}'
    document = (text % types).encode()
    return sha256(document).hexdigest(), read_descriptor(document)


ONE, OTHER = described('{"amount":"decimal"}'), described("{}")
KEPT = dict((ONE, OTHER))
GRANT = 'tool:pay#may_use@user:anne[arguments:{"amount":{"max":"100"}}]'
PAYS = Call("pay", b'{"amount":"50"}', descriptor=ONE[0])


def accepted(digest: str, trailer: str = "") -> str:
    return f"tool:pay#descriptor@descriptor:{digest}{trailer}"


def asked(
    *facts: str,
    call: Call | None = PAYS,
    question: str = "tool:pay#use@user:anne",
    kept: Mapping[str, Descriptor] = KEPT,
    budget: Budget | None = None,
) -> Answer:
    judged = JudgedCall(call, kept.get) if call is not None else None
    evaluation = Evaluation(SCHEMA, Graph(map(parse_relationship, facts)), now_us=NOW_US, call=judged)
    return evaluation.check(*parse_question(question), budget=budget or Budget())


def refused(*facts: str, call: Call = PAYS, kept: Mapping[str, Descriptor] = KEPT) -> CallUnjudgeable:
    with pytest.raises(CallUnjudgeable) as raised:
        asked(*facts, call=call, kept=kept)
    assert raised.value.metadata["relationship"] == "tool:pay#may_use@user:anne"
    return raised.value


# --- by which descriptor ----------------------------------------------------------------------------------------


def test_it_is_the_accepted_one_that_the_call_names() -> None:
    both = (accepted(ONE[0]), accepted(OTHER[0]))
    for digest, _ in (ONE, OTHER):
        call = PAYS._replace(descriptor=digest)
        assert asked(GRANT, *both, call=call).verdict is YES
        assert asked(GRANT, accepted(digest), call=call).verdict is YES


@pytest.mark.parametrize("digests", [(), (ONE[0],), (ONE[0], OTHER[0])], ids=len)
def test_a_call_that_names_none_is_not_judged_however_many_are_accepted(digests: tuple[str, ...]) -> None:
    failure = refused(GRANT, *map(accepted, digests), call=PAYS._replace(descriptor=""))
    assert "names no descriptor of `tool:pay`" in failure.message
    assert "`tool:pay#descriptor`" in failure.metadata["problem"]


@pytest.mark.parametrize("beside", [OTHER[0], "*", "x#of"])
def test_what_else_is_accepted_changes_nothing(beside: str) -> None:
    assert asked(GRANT, accepted(ONE[0]), accepted(beside)).verdict is YES


@pytest.mark.parametrize(
    ("facts", "call", "says"),
    [
        ((), PAYS, "is no accepted descriptor of `tool:pay`"),
        ((accepted(ONE[0], "[expiration:1970-01-01T00:00:01Z]"),), PAYS, "is no accepted descriptor"),
        ((accepted(ONE[0]),), PAYS._replace(descriptor=OTHER[0]), "is no accepted descriptor"),
        ((accepted(ONE[0], '[sure:{"x":2}]'),), PAYS, "does not say outright"),
        ((accepted("abc"),), PAYS._replace(descriptor="abc"), "nothing is kept"),
        ((accepted(ONE[0]),), PAYS._replace(arguments=b'{"amount":"5","more":1}'), "does not fit"),
    ],
)
def test_where_nobody_knows_what_the_tool_takes_nothing_is_judged(
    facts: tuple[str, ...], call: Call, says: str
) -> None:
    assert says in refused(GRANT, *facts, call=call).message


def test_what_was_left_out_is_judged_as_the_tool_fills_it_in() -> None:
    assert asked(GRANT, accepted(ONE[0]), call=PAYS._replace(arguments=b"{}")).verdict is NO  # a thousand by default


def test_who_needs_no_document_needs_no_descriptor() -> None:
    facts = ("tool:pay#may_use@group:g#member", "group:g#member@user:anne")
    assert asked(*facts, question="group:g#member@user:anne").verdict is YES


# --- whom and what it is about ----------------------------------------------------------------------------------


def test_a_call_of_another_tool_says_nothing_of_this_one() -> None:
    assert "`tool:mail`" in refused(GRANT, accepted(ONE[0]), call=PAYS._replace(tool="mail")).message


def test_without_a_call_the_answer_waits_for_one() -> None:
    assert asked(GRANT, call=None)[:2] == (Verdict.CONDITIONAL, ("arguments",))


def test_a_call_that_cannot_be_read_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InvalidCall):
        JudgedCall(PAYS._replace(arguments=b"{"))


def test_related_is_asked_of_the_subject_in_question_wherever_the_document_stands() -> None:
    group = 'group:g#member@user:anne[arguments:{"to":{"related":{"type":"user","permission":"contact"}},"amount":{}}]'
    own = 'tool:pay#may_use@user:ben[arguments:{"to":{"related":{"type":"user","permission":"contact"}},"amount":{}}]'
    facts = (group, own, "tool:pay#may_use@group:g#member", "user:carl#contact_of@user:anne")
    schemaless = {question: asked_untyped(*facts, question=question) for question in ("anne", "ben")}
    assert schemaless == {"anne": Verdict.YES, "ben": Verdict.NO}


def asked_untyped(*facts: str, question: str) -> Verdict:
    call = JudgedCall(Call("pay", b'{"amount":"50","to":"carl"}'))
    graph = Graph(map(parse_relationship, facts))
    evaluation = Evaluation(UNTYPED, graph, now_us=NOW_US, call=call)
    return evaluation.check(*parse_question(f"tool:pay#use@user:{question}")).verdict


# --- what it costs ----------------------------------------------------------------------------------------------


def test_judging_costs_steps_once_for_a_document() -> None:
    facts = [f'tool:pay#may_use@user:u{n}[arguments:{{"amount":{{"max":"100"}}}}]' for n in range(3)]
    judged = JudgedCall(Call("pay", b'{"amount":"5","more":%s}' % (b"[" + b",".join([b"1"] * 800) + b"]")))
    evaluation = Evaluation(UNTYPED, Graph(map(parse_relationship, facts)), now_us=NOW_US, call=judged)
    steps = []
    for n in range(3):
        budget = Budget()
        assert evaluation.check(*parse_question(f"tool:pay#may_use@user:u{n}"), budget=budget).verdict is NO
        steps.append(budget.steps)
    assert steps[0] > 200
    assert steps[1] == steps[2] < 10
    with pytest.raises(StepBudgetSpent):
        asked(GRANT, accepted(ONE[0]), budget=Budget(3))


# --- what is known without the graph ----------------------------------------------------------------------------

GOAL = Related(ObjectRef("user", "carl"), "contact", "/to")
FITS, FAILS, OPEN = Known(True, "it fits"), Known(False, "it is too much"), Unjudged("/a", "it is a list")


@pytest.mark.parametrize(
    ("judged", "together"),
    [
        (Every(()), Known(True, "")),
        (Any(()), Known(False, "")),
        (Every((FITS, OPEN, FAILS)), FAILS),
        (Any((FAILS, OPEN, FITS)), FITS),
        (Every((FITS, OPEN)), OPEN),
        (Any((FAILS, OPEN)), OPEN),
        (Unless(FITS), Known(False, "it fits")),
        (Unless(OPEN), OPEN),
        (Every((FITS, GOAL)), GOAL),
        (Every((OPEN, GOAL)), Every((OPEN, GOAL))),
        (Unless(Any((FAILS, Every((FITS, GOAL))))), Unless(GOAL)),
        (Every((FITS, Known(True, "it is known"))), Known(True, "it fits; it is known")),
    ],
)
def test_what_the_call_alone_decides_is_put_together(judged: Judged, together: Judged) -> None:
    assert put_together(judged) == together
