"""The shipped schema and its worlds: each says what is true in it, and each no is owed to the flaw it tells of.

Two watchers keep the worlds sharp: taking the flaw away turns their noes into yeses, and taking any single condition
away from the schema makes some world fail.
Law: no condition in the schema stands there without a world that needs it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache

import pytest

from remit.errors import (
    DocumentInvalid,
    FinalRefused,
    RelationshipRefused,
    RemitError,
    SingleTaken,
    WeakeningRefused,
)
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.language.libraries import AGENTS, library_text
from remit.model import ObjectRef, Operation, Update, Verdict
from remit.notation import parse_relationship
from remit.world import World, verify
from tests.support.agent_worlds import (
    NOW_US,
    Repair,
    idle_conditions,
    relations_that,
    uncured,
    undocumented,
    weakened,
    written,
)
from tests.support.places import ROOT

WORLDS = ROOT / "schema" / "worlds"
NAMES = sorted(path.stem for path in WORLDS.glob("*.yaml"))


@cache
def world(name: str) -> World:
    return World.read(WORLDS / f"{name}.yaml")


def test_the_agent_schema_compiles_without_a_warning_and_documents_everything() -> None:
    compiled = compile_schema(library_text(AGENTS))
    assert not compiled.warnings
    assert undocumented(compiled.schema) == []


def test_the_lifecycle_is_managed_and_policy_is_not() -> None:
    """A table to proofread: what is not in it only Remit's verbs write, or a key with the right to."""
    schema = world("organisation").schema
    assert relations_that(schema, lambda relation: not relation.managed) == {
        "team#member",
        "user#contact",
        "tool#may_use",
        "tool#in_intent",
        "tool#denied",
        "dataset#reader",
        "dataset#in_intent",
        "dataset#denied",
        "dataset#classification",
        "level#above",
        "level#cleared",
        "profile#holder",
    }
    assert relations_that(schema, lambda relation: relation.final) == {
        "run#terminated",
        "agent#terminated",
        "agent_version#terminated",
        "consent#withdrawn",
        "run#spawned_by",
    }
    assert relations_that(schema, lambda relation: relation.single) == {
        "run#delegated_by",
        "run#instance_of",
        "run#spawned_by",
        "tool#maps",
        "tool#risk",
        "agent_version#version_of",
        "domain#estate",
        "agent#domain",
        "system#domain",
        "tool#domain",
        "dataset#domain",
    }


def test_every_attack_the_design_names_has_a_world() -> None:
    assert {"self-delegation", "ring-of-runs", "no-human", "unregistered-agent", "ownerless-agent", "held-domain"} <= {
        *NAMES
    }
    assert {"second-delegator", "missing-intent", "unlabelled-dataset", "public-label-added"} <= {*NAMES}
    assert {"edited-profile", "held-profile", "second-guardrail", "denial-touched", "guardrail-and-clearance"} <= {
        *NAMES
    }
    assert {"missing-consent", "foreign-consent", "withdrawn-consent", "tag-removed", "terminated-run"} <= {*NAMES}
    assert {"retired-agent", "stolen-credential", "organisation"} <= {*NAMES}
    assert {"half-covered", "select-and-delete", "wide-intent", "overlapping-guardrails", "argument-left-out"} <= {
        *NAMES
    }
    assert {"other-invoice", "foreign-contact", "unjudgeable-call"} <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_world_is_as_it_says(name: str) -> None:
    findings = verify(world(name), NOW_US)
    assert not findings, "\n".join(finding.render() for finding in findings)
    assert {assertion.expected for assertion in world(name).assertions} >= {Verdict.YES, Verdict.NO}


@pytest.mark.parametrize("name", NAMES)
def test_every_world_can_be_written_but_the_one_with_a_second_delegator(name: str) -> None:
    refused = pytest.raises(SingleTaken) if name == "second-delegator" else nullcontext()
    with refused, written(world(name)):
        pass


def test_every_world_says_what_it_is_about_and_the_page_tells_of_it() -> None:
    page = (ROOT / "docs" / "agents.md").read_text()
    assert not [name for name in NAMES if not (WORLDS / f"{name}.yaml").read_text().startswith("# ")]
    assert not [name for name in NAMES if f"{name}.yaml" not in page]


def test_the_organisation_is_large_enough_to_explore() -> None:
    organisation = world("organisation")
    graph = organisation.graph()
    assert len(organisation.facts) >= 150
    systems = {
        fact.resource.id.partition(".")[0] for fact in organisation.relationships if fact.resource.type == "tool"
    }
    assert len(systems) >= 3
    runs = {fact.resource for fact in organisation.relationships if fact.resource.type == "run"}
    deepest = max(_depth(graph, run) for run in runs)
    assert deepest >= 4, f"the longest chain has {deepest} runs"


def _depth(graph: Graph, link: ObjectRef) -> int:
    """How many runs stand in the chain, from this one up."""
    above = [subject.object for subject, _ in graph.edges(link, "delegated_by")]
    return 1 + max((_depth(graph, each) for each in above), default=0) if link.type == "run" else 0


# --- each no is owed to its flaw --------------------------------------------------------------------------------


REPAIRS = {
    "agent-acts-alone": Repair(still_no=("tool:", "dataset:")),
    "argument-left-out": Repair(
        removed=("guardrail:wet#forbids@run:*", "guardrail:wet-if-told#forbids@run:*"),
        added=("tool:disk.free#may_use@profile:pay#holds", "tool:disk.free#in_intent@profile:pay#declares"),
    ),
    "bindings": Repair(
        added=("binding:invoice/881#of@run:r-3", "binding:invoice/881#of@run:r-4", "binding:invoice/882#of@run:r-1")
    ),
    "borrowed-life": Repair(still_no=("user:", "system:", "agent:", "agent_version:", "run:")),
    "clearance-gap": Repair(
        added=(
            "level:secret#cleared@run:r-2",
            "level:secret#cleared@agent:gossip",
            "level:secret#cleared@agent_version:payer.3",
        )
    ),
    "consent-of-a-directory": Repair(
        added=("user:guest#registered@directory:people", "user:mallory#registered@directory:people")
    ),
    "constrained-for-a-while": Repair(
        added=("tool:erp.pay#may_use@run:r-2", "tool:erp.pay#may_use@run:r-3"),
    ),
    "denial-touched": Repair(removed=("tool:erp.pay#denied@run:r-2",)),
    "denied-data": Repair(removed=("dataset:ledger#denied@user:bob", "dataset:ledger#denied@run:r-3")),
    "denied-wildcard": Repair(removed=("tool:erp.pay#denied@user:bob", "tool:erp.wire#denied@run:*")),
    "departed-human": Repair(added=("user:mallory#registered@directory:people",)),
    "departed-owner": Repair(added=("user:mallory#registered@directory:people", "team:mirror#member@user:anne")),
    "edited-profile": Repair(
        added=(
            "tool:erp.wire#in_intent@profile:pay#declares",
            "tool:erp.read#may_use@profile:pay#holds",
            "profile:pay.copy#holder@run:r-1",
            "profile:pay.copy#declarer@run:r-1",
            "profile:pay.copy#holder@user:anne",
            "profile:pay.copy#holder@agent:payer",
            "profile:pay.copy#holder@agent_version:payer.2",
        )
    ),
    "expired-grant": Repair(added=("tool:erp.pay#may_use@user:bob", "profile:pay#holder@run:r-2")),
    "expired-registration": Repair(
        added=(
            "user:bob#registered@directory:people",
            "agent:old#registered@directory:agents",
            "tool:erp.wire#registered@directory:tools",
            "credential:old#registered@directory:keys",
        )
    ),
    "foreign-consent": Repair(added=("user:bob#consent@consent:c",)),
    "foreign-contact": Repair(
        added=(
            "user:carl#contact@user:anne",
            "user:BOB#contact@user:anne",
            "user:bob#contact@user:eve",
            "team:finance#member@user:eve",
            "user:bob#contact@system:cron",
            "run:r-5#delegated_by@user:anne",
        ),
        still_no=("tool:mail.send#use@run:r-1 calling nobody",),
    ),
    "guardrail": Repair(
        removed=("guardrail:g1#forbids@run:*", "guardrail:g2#forbids@agent:payer", "guardrail:g3#forbids@run:r-1")
    ),
    "guardrail-and-clearance": Repair(removed=("guardrail:g#forbids@user:bob",)),
    "half-covered": Repair(added=("profile:pay#holder@run:r-2", "profile:pay#declarer@run:r-3")),
    "held-agent": Repair(removed=("agent:wild#hold@hold:h-1",)),
    "held-ancestor": Repair(removed=("run:r-2#hold@hold:h-1",)),
    "held-dataset": Repair(removed=("dataset:leaked#hold@hold:h-1",)),
    "held-domain": Repair(removed=("domain:lab#hold@hold:h-1",)),
    "held-estate": Repair(removed=("estate:mill#hold@hold:all-stop",)),
    "held-human": Repair(removed=("user:bob#hold@hold:h-1",)),
    "held-profile": Repair(removed=("profile:wire#hold@hold:h-1", "profile:about#hold@hold:h-2")),
    "held-system": Repair(removed=("system:cron#hold@hold:h-1", "domain:night#hold@hold:h-2")),
    "held-tool": Repair(removed=("tool:erp.wire#hold@hold:h-1",)),
    "held-version": Repair(removed=("agent_version:payer.3#hold@hold:h-1",)),
    "left-the-team": Repair(added=("team:finance#member@user:bob",)),
    "missing-consent": Repair(
        added=(
            "user:bob#consent@consent:c-bob",
            "consent:c-bob#agent@agent:payer",
            "consent:c-bob#run@run:r-2",
            "consent:c#run@run:r-3",
            "consent:c#agent@agent:other",
        )
    ),
    "missing-intent": Repair(added=("profile:pay#declarer@run:r-2", "profile:pay#declarer@run:r-3")),
    "moved-domain": Repair(
        added=(
            "agent:stray#domain@domain:office",
            "domain:island#estate@estate:harbour",
            "tool:loose.end#domain@domain:office",
            "dataset:stray#domain@domain:office",
        )
    ),
    "no-agent": Repair(
        added=("run:r-2#instance_of@agent_version:payer.2", "agent_version:forged.1#version_of@agent:payer")
    ),
    "no-credential": Repair(added=("run:r-2#spawned_by@credential:k", "credential:made-up#registered@directory:keys")),
    "no-human": Repair(added=("run:r-2#delegated_by@user:anne",)),
    "nobody-holds-it": Repair(
        added=(
            "dataset:ledger#reader@user:bob",
            "dataset:ledger#in_intent@profile:pay#declares",
            "profile:clear#declarer@run:r-4",
            "dataset:ledger#reader@run:r-5",
            "dataset:ledger#reader@agent_version:reader.2",
            "dataset:ledger#reader@agent:plain",
        ),
        still_no=("dataset:ledger#read@agent:", "agent:", "agent_version:", "run:"),
    ),
    "not-yet": Repair(added=("profile:pay#holder@run:r-2",)),
    "observed": Repair(
        added=(
            "profile:wire#holder@user:anne",
            "profile:wire#holder@agent:payer",
            "profile:wire#holder@agent_version:payer.2",
            "profile:wire#holder@run:r-1",
            "profile:wire#declarer@run:r-1",
            "tool:erp.wire#observed@agent:other[expiration:2099-01-01T00:00:00Z]",
            "tool:erp.wire#observed@agent:over[expiration:2099-01-01T00:00:00Z]",
        ),
        still_no=("tool:erp.wire#observing@user",),
    ),
    "other-invoice": Repair(
        added=tuple(
            f"binding:invoice/{digest}#of@run:r-{n}"
            for digest in (
                "dd45f7e47cb8e798230e7cd18d8f1010646cbdb8884bd307a508f4e4056e436a",
                "774b772662e2b174032d6bdf1861d0c336bfb8455574864119b4abe0534beca9",
            )
            for n in range(1, 6)
        )
    ),
    "outside-intent": Repair(added=("profile:pay#declarer@run:r-2", "profile:pay#declarer@run:r-3")),
    "overlapping-guardrails": Repair(
        removed=(
            "guardrail:much#forbids@run:*",
            "guardrail:fraud#forbids@agent:payer",
            "guardrail:mild#forbids@run:*",
            "guardrail:audit#forbids@run:r-1",
        )
    ),
    "ownerless-agent": Repair(added=("agent:orphan#owner@user:anne",)),
    "public-label-added": Repair(
        removed=("dataset:riddle#classification@level:whatever",), added=("level:secret#cleared@user:bob",)
    ),
    "retired-agent": Repair(
        removed=("agent:old#terminated@directory:agents", "agent_version:payer.1#terminated@directory:reviews")
    ),
    "retired-tool": Repair(added=("tool:erp.fax#registered@directory:tools",)),
    "ring-of-runs": Repair(removed=("run:r-11#delegated_by@run:r-13",), added=("run:r-11#delegated_by@run:r-1",)),
    "second-delegator": Repair(added=("profile:pay#holder@user:bob",)),
    "second-guardrail": Repair(removed=("tool:erp.wire#guardrail@guardrail:strict",)),
    "select-and-delete": Repair(
        removed=(
            "dataset:orders#reader@profile:pay#holds",
            "dataset:orders#in_intent@profile:pay#declares",
            "dataset:drafts#reader@profile:pay#holds",
            "dataset:ledger#in_intent@profile:pay#declares",
        ),
        added=(
            "dataset:orders#reader@profile:pay#holds",
            "dataset:orders#in_intent@profile:pay#declares",
            "dataset:drafts#reader@profile:pay#holds",
            "dataset:ledger#in_intent@profile:pay#declares",
        ),
    ),
    "self-delegation": Repair(removed=("run:r-2#delegated_by@run:r-2",), added=("run:r-2#delegated_by@run:r-1",)),
    "self-granted": Repair(added=("profile:wire#holder@run:r-1", "profile:wire#declarer@run:r-1")),
    "stolen-credential": Repair(removed=("credential:stolen#hold@hold:h-1",)),
    "tag-removed": Repair(removed=("guardrail:g#forbids@run:*",), added=("tool:mail.send#untagged@directory:tools",)),
    "terminated-run": Repair(removed=("run:r-2#terminated@directory:agents",)),
    "uncertified-version": Repair(
        added=("agent_version:payer.3#certified@directory:reviews", "agent_version:payer.1#certified@directory:reviews")
    ),
    "undeclared-system": Repair(
        added=(
            "system:shadow#registered@directory:systems",
            "system:orphan#owner@user:anne",
            "system:stray#domain@domain:office",
            "user:mallory#registered@directory:people",
            "domain:island#estate@estate:harbour",
        )
    ),
    "unjudgeable-call": Repair(
        added=(
            *(
                f"profile:more#holder@{link}"
                for link in ("user:anne", "agent:payer", "agent_version:payer.2", "run:r-1")
            ),
            "profile:more#declarer@run:r-1",
            'tool:erp.pay#may_use@profile:more#holds[arguments:{"amount":{"max":"1000.00"},"to":{}}]',
            'tool:erp.pay#in_intent@profile:more#declares[arguments:{"amount":{"max":"1000.00"},"to":{}}]',
        )
    ),
    "unknown": Repair(
        added=(
            "user:nobody#registered@directory:people",
            "run:r-999#delegated_by@run:r-1",
            "run:r-999#instance_of@agent_version:payer.2",
        ),
        still_no=("tool:erp.pay#use@run:r-1000", "tool:erp.none"),
    ),
    "unlabelled-dataset": Repair(added=("dataset:scans#classification@level:secret",)),
    "unregistered-agent": Repair(added=("agent:rogue#registered@directory:agents",)),
    "unseen-tool": Repair(added=("tool:erp.new#descriptor@descriptor:d9",)),
    "userset-subject": Repair(still_no=("tool:",)),
    "wide-intent": Repair(added=("profile:pay#holder@run:r-2", "profile:pay#declarer@run:r-3")),
    "withdrawn-consent": Repair(
        removed=("consent:b1#withdrawn@directory:people",), added=("consent:b2#agent@agent:helper",)
    ),
}


def test_every_attack_has_a_repair() -> None:
    assert sorted(REPAIRS) == [name for name in NAMES if name != "organisation"]


@pytest.mark.parametrize("name", sorted(REPAIRS))
def test_without_the_flaw_the_answer_is_yes(name: str) -> None:
    assert uncured(world(name), REPAIRS[name]) == []


def test_every_condition_of_the_schema_is_needed_by_a_world() -> None:
    worlds = [world(name) for name in NAMES]
    assert len(list(weakened(worlds[0].schema))) > 60, "the schema has lost conditions, or `weaker` its eye for them"
    assert idle_conditions(worlds) == []


# --- what no writer can undo ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line", "error"),
    [
        ("denial-touched", "tool:erp.pay#denied@run:r-2[expiration:2026-01-02T00:00:00Z]", RelationshipRefused),
        ("terminated-run", "delete run:r-2#terminated@directory:agents", FinalRefused),
        ("retired-agent", "delete agent:old#terminated@directory:agents", FinalRefused),
        ("retired-agent", "delete agent_version:payer.1#terminated@directory:reviews", FinalRefused),
        ("withdrawn-consent", "delete consent:b1#withdrawn@directory:people", FinalRefused),
        ("stolen-credential", "delete run:r-4#spawned_by@credential:stolen", FinalRefused),
        ("stolen-credential", "run:r-4#spawned_by@credential:k", SingleTaken),
        ("guardrail-and-clearance", "guardrail:g#forbids@team:finance#member", RelationshipRefused),
        ("guardrail-and-clearance", "guardrail:g#forbids@level:secret#cleared", RelationshipRefused),
        ("guardrail", "guardrail:g1#forbids@run:*[expiration:2026-01-02T00:00:00Z]", RelationshipRefused),
        ("outside-intent", "tool:erp.pay#in_intent@run:r-2", RelationshipRefused),
        ("denial-touched", "tool:erp.pay#denied@run:r-2[matching:{}]", RelationshipRefused),
        ("overlapping-guardrails", "guardrail:much#forbids@run:*[arguments:{}]", RelationshipRefused),
        ("overlapping-guardrails", "guardrail:much#forbids@run:*[matching:{}]", WeakeningRefused),
        ("half-covered", "tool:erp.pay#may_use@profile:pay#holds[matching:{}]", RelationshipRefused),
        ("half-covered", 'tool:erp.pay#may_use@profile:pay#holds[arguments:{"to":{"some":{}}}]', DocumentInvalid),
    ],
)
def test_what_an_attacker_would_write_is_refused_to_whoever_may_write_everything(
    name: str, line: str, error: type[RemitError]
) -> None:
    operation = Operation.DELETE if line.startswith("delete ") else Operation.TOUCH
    with written(world(name)) as engine, pytest.raises(error):
        engine.relationships.write("", [Update(operation, parse_relationship(line.removeprefix("delete ")))])


def test_a_run_below_a_run_is_four_facts_however_many_tools_it_has() -> None:
    """One below a person brings its credential and its consent along."""
    facts = world("organisation").relationships

    def about(run: str) -> list[str]:
        object = ObjectRef("run", run)
        below = [fact for fact in facts if fact.relation == "delegated_by" and fact.subject.object == object]
        return [fact.relation for fact in facts if object in (fact.resource, fact.subject.object) and fact not in below]

    assert sorted(about("r-9")) == ["declarer", "delegated_by", "holder", "instance_of"]
    assert sorted(about("r-20")) == ["declarer", "delegated_by", "holder", "instance_of", "run", "spawned_by"]
