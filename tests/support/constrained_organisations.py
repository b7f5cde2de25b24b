"""Random organisations whose grants, intents and guardrails hang on the call: profile_organisations.py, with documents
beside relationships, contacts and bindings, and some calls to ask about.

The rules are read from the facts as there; whether a call passes a document is for the plain reading of documents.
Law: nothing in here asks the evaluator but `called`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from remit.arguments.json_text import Json
from remit.arguments.side import Side
from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.errors import CallUnjudgeable, NegativeCycle
from remit.eval.calls import JudgedCall
from remit.eval.semantics import Evaluation
from remit.graph.view import GraphView
from remit.language import compile_schema
from remit.language.libraries import AGENTS
from remit.language.plan import Schema
from remit.model import Call, CaveatUse, ObjectRef, Relationship, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support import profile_organisations
from tests.support.arguments.plain_judge import Asked, PlainCall, passes
from tests.support.organisations import NOW_US, Answers, Organisation
from tests.support.profile_organisations import ACTION, LINKS, damaged_once, healthy

Document = dict[str, Json]


@functools.cache
def constrained_schema() -> Schema:
    """The library, whose guardrails may ask for contacts as well."""
    return compile_schema(
        f'use import\nuse arguments\nimport "{AGENTS}" with arguments(user#contact_of_principal)\n'
    ).schema


# --- calls ------------------------------------------------------------------------------------------------------

_DESCRIPTION = json.dumps(
    {
        "input_schema": {
            "type": "object",
            "properties": {
                "amount": {"type": "string"},
                "to": {"type": "array", "items": {"type": "string"}},
                "invoice": {"type": "string"},
                "wet": {"type": "boolean", "default": False},
            },
        }
    }
).encode()
DESCRIPTOR = sha256(_DESCRIPTION).hexdigest()


def described(digest: str) -> Descriptor | None:
    return read_descriptor(_DESCRIPTION) if digest == DESCRIPTOR else None


class Called(NamedTuple):
    """A call, and the arguments as its tool gets them; None where they do not fit it."""

    call: Call
    filled: dict[str, Json] | None


def called_with(tool: str, purpose: str, **arguments: Json) -> Called:
    filled = {"wet": False, **arguments}
    fits = isinstance(arguments.get("amount", ""), str) and not arguments.keys() - {"amount", "to", "invoice", "wet"}
    call = Call(tool, json.dumps(arguments).encode(), purpose, DESCRIPTOR)
    return Called(call, filled if fits else None)


@st.composite
def calls(draw: st.DrawFn) -> Called:
    """Most are small and go to somebody who is known; some do not fit, or have an amount that is none."""
    arguments: dict[str, Json] = {
        "amount": draw(st.sampled_from(("50", "50", "50", "500", "+5"))),
        "to": draw(st.sampled_from((["u0"], ["u0"], ["u1"], ["u0", "u1"], ["u2"], ["x"], ["u0", "x"], [], ["*"]))),
        "invoice": draw(st.sampled_from(("881", "881", "882"))),
    }
    if draw(st.integers(0, 3)) == 0:
        arguments["wet"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        del arguments[draw(st.sampled_from(("amount", "to", "invoice")))]
    if draw(st.integers(0, 15)) == 0:
        arguments |= draw(st.sampled_from(({"amount": 50}, {"memo": "m"})))
    return called_with(draw(st.sampled_from(("t0", "t0", "t1"))), draw(st.sampled_from(("", "", "audit"))), **arguments)


# --- documents --------------------------------------------------------------------------------------------------

_CONTACT = {"type": "user", "permission": "contact_of_principal"}
_INVOICE: Document = {"equals": {"binding": "invoice"}}

GIVING: tuple[Document, ...] = (
    {"additional": True},
    {"amount": {"max": "100"}, "additional": True},
    {"to": {"each": {"related": _CONTACT}}, "additional": True},
    {"amount": {}, "invoice": {}, "to": {"each": {"related": _CONTACT}}, "wet": {"equals": False, "optional": True}},
    {"amount": {"max": "1000"}, "invoice": _INVOICE, "to": {"optional": True}, "wet": {}},
    {"invoice": {**_INVOICE, "optional": True}, "additional": True},
    {"to": {"each": {"any_of": [{"related": _CONTACT}, {"one_of": ["x", "u0"]}], "min_items": 0}, "optional": True}},
    {"any_of": [{"amount": {"max": "60"}, "additional": True}, {"invoice": _INVOICE, "additional": True}]},
    {"tool": {"equals": "t0"}, "additional": True},
    {"purpose": {"one_of": ["", "pay"]}, "additional": True},
    {"amount": {"max": "100"}},
)
TAKING: tuple[Document, ...] = (
    {},
    {"amount": {"min": "400"}},
    {"amount": {"min": "400", "if_present": True}, "to": {"some": {"one_of": ["u1", "x"]}, "if_present": True}},
    {"to": {"some": {"equals": "x"}}},
    {"to": {"some": {"unrelated": _CONTACT}, "if_present": True}},
    {"wet": {"equals": True}},
    {"memo": {"equals": "m"}},
    {"memo": {"equals": "m", "if_present": True}},
    {"purpose": {"equals": "audit"}},
)
CONSTRAINED = frozenset({"may_use", "in_intent", "reader"})


def constrained(fact: Relationship, side: Side, document: Document) -> Relationship:
    """With the document, and whatever times it had."""
    use = CaveatUse(side.value, json.dumps(document, separators=(",", ":"), sort_keys=True))
    return replace(fact, qualifiers=fact.qualifiers._replace(caveat=use))


def bound(value: str, run: ObjectRef | str) -> str:
    return f"binding:invoice/{sha256(json.dumps(value).encode()).hexdigest()}#of@{run}"


def healthy_with_calls(seed: int) -> Organisation:
    """A healthy organisation, of which half of what gives is constrained; most know most, and are bound to 881."""
    random = Random(seed)
    organisation = healthy(seed)
    return Organisation(tuple(_constrained(random, organisation))).having(
        *map(parse_relationship, _asked_for(random, organisation))
    )


def _constrained(random: Random, organisation: Organisation) -> Iterator[Relationship]:
    for fact in organisation.facts:
        if fact.relation in CONSTRAINED and random.random() < 0.5:
            yield constrained(fact, Side.ARGUMENTS, random.choice(GIVING))
        elif fact.relation == "descriptor":
            yield replace(fact, subject=SubjectRef("descriptor", DESCRIPTOR))
        else:
            yield fact


def _asked_for(random: Random, organisation: Organisation) -> Iterator[str]:
    for person in ("u0", "u1", "u2"):
        if random.random() < 0.3:
            yield f"user:{person}#contact@team:t0#member"
        for link in organisation.objects("user", "system"):
            if random.random() < 0.7:
                yield f"user:{person}#contact@{link}"
    for run in organisation.objects("run"):
        if random.random() < 0.9:
            yield bound("881", run)


@st.composite
def constrained_organisations(draw: st.DrawFn, damages_max: int = 3) -> Organisation:
    """One of those, damaged up to so many times."""
    organisation = healthy_with_calls(draw(st.integers(0, 2**32), label="seed"))
    for _ in range(draw(st.integers(0, damages_max), label="damages")):
        if draw(st.integers(0, 2)):
            organisation = damaged_once(draw, organisation)
        else:
            organisation = organisation.having(*_rule(draw, organisation))
    return organisation


def _rule(draw: st.DrawFn, organisation: Organisation) -> Iterator[Relationship]:
    """A guardrail for some calls."""
    named = [str(link) for link in organisation.objects(*LINKS)]
    who = draw(st.sampled_from([*named, *(f"{type}:*" for type in LINKS)]))
    guarded = draw(st.sampled_from([*organisation.objects("tool", "domain"), ObjectRef("tag", "g0")]))
    rule = f"guardrail:{draw(st.sampled_from(('x', 'y', 'z')))}"
    yield parse_relationship(f"{guarded}#guardrail@{rule}")
    forbids = parse_relationship(f"{rule}#forbids@{who}")
    yield constrained(forbids, Side.MATCHING, draw(st.sampled_from(TAKING)))


# --- what the facts say -----------------------------------------------------------------------------------------


class Reading(profile_organisations.Reading):
    """The rules for one call. What cannot be judged gives nothing, and forbids."""

    def __init__(self, organisation: Organisation, called: Called) -> None:
        super().__init__(organisation)
        self._called = called
        self._documents = {fact.key: caveat for fact in organisation.facts if (caveat := fact.qualifiers.caveat)}

    def named(self, object: ObjectRef, relation: str, link: ObjectRef) -> list[SubjectRef]:
        return [
            subject
            for subject in super().named(object, relation, link)
            if self._counts(Relationship(object, relation, subject), link)
        ]

    def _counts(self, relationship: Relationship, link: ObjectRef) -> bool:
        use = self._documents.get(relationship.key)
        if use is None:
            return True
        side, (call, filled) = Side(use.name), self._called
        unjudged = side is Side.MATCHING

        def truth(asked: Asked) -> bool:
            object, permission = asked
            if not object:
                return unjudged
            asked_of = ObjectRef(*object.split(":", 1))
            return self.knows(asked_of, link) if permission == "contact" else self.is_bound(asked_of, link)

        object = relationship.resource
        is_described = ObjectRef("descriptor", call.descriptor) in self.targets(
            ObjectRef("tool", call.tool), "descriptor"
        )
        if filled is None or not is_described or (object.type == "tool" and object.id != call.tool):
            return unjudged
        return passes(json.loads(use.context_json), side, PlainCall(call.tool, call.purpose, filled), truth)

    def knows(self, person: ObjectRef, link: ObjectRef, below: frozenset[ObjectRef] = frozenset()) -> bool:
        """Whether the person is a contact of whoever the link acts for; agents and versions act for many."""
        if link.type in ("agent", "agent_version"):
            return True
        if link.type != "run":
            return self.names(person, "contact", link)
        above = self.targets(link, "delegated_by")
        return bool(above) and link not in below and all(self.knows(person, each, below | {link}) for each in above)

    def is_bound(self, binding: ObjectRef, link: ObjectRef) -> bool:
        return link.type != "run" or link in self.targets(binding, "of")


# --- what the evaluator says ------------------------------------------------------------------------------------


def called(
    organisation: Organisation,
    graph: GraphView,
    call: Call | None,
    asked: Organisation | None = None,
    permissions: dict[str, str] = ACTION,
) -> dict[tuple[ObjectRef, ObjectRef], Verdict | None]:
    """Every tool and dataset for every link of every kind, for one call or for none; None where there is no answer."""
    judged = None if call is None else JudgedCall(call, described)
    evaluation = Evaluation(constrained_schema(), graph, now_us=NOW_US, call=judged)

    def verdict(resource: ObjectRef, link: ObjectRef) -> Verdict | None:
        try:
            return evaluation.check(resource, permissions[resource.type], SubjectRef(*link)).verdict
        except (CallUnjudgeable, NegativeCycle):
            return None

    world = asked or organisation
    return {
        (resource, link): verdict(resource, link)
        for resource in world.objects(*permissions)
        for link in world.objects(*LINKS)
    }


def allowed(
    organisation: Organisation,
    graph: GraphView,
    call: Call | None,
    asked: Organisation | None = None,
    permissions: dict[str, str] = ACTION,
) -> Answers:
    found = called(organisation, graph, call, asked, permissions)
    return {question: verdict is Verdict.YES for question, verdict in found.items()}
