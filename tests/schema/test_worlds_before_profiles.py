"""The agent schema before profiles and its worlds: stores that have it keep it, and it means what it meant.

Two watchers keep the worlds sharp: taking the flaw away turns their noes into yeses, and taking any single condition
away from the schema makes some world fail.
Law: no condition in agents.zed stands there without a world that needs it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache

import pytest

from remit.errors import SingleTaken
from remit.language import compile_schema
from remit.model import Verdict
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

WORLDS = ROOT / "tests" / "schema" / "before_profiles"
NAMES = sorted(path.stem for path in WORLDS.glob("*.yaml"))


@cache
def world(name: str) -> World:
    return World.read(WORLDS / f"{name}.yaml")


def test_the_agent_schema_compiles_without_a_warning_and_documents_everything() -> None:
    compiled = compile_schema((ROOT / "schema" / "agents.zed").read_text())
    assert not compiled.warnings
    assert undocumented(compiled.schema) == []


def test_the_lifecycle_is_managed_and_policy_is_not() -> None:
    """A table to proofread: what is not in it only Remit's verbs write, or a key with the right to."""
    schema = world("organisation").schema
    assert relations_that(schema, lambda relation: not relation.managed) == {
        "team#member",
        "tool#may_use",
        "tool#in_intent",
        "tool#denied",
        "dataset#reader",
        "dataset#in_intent",
        "dataset#denied",
        "dataset#classification",
        "level#above",
        "level#cleared",
    }
    assert relations_that(schema, lambda relation: relation.single) == {
        "run#delegated_by",
        "run#instance_of",
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
    assert "organisation" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_world_is_as_it_says(name: str) -> None:
    findings = verify(world(name), NOW_US)
    assert not findings, "\n".join(finding.render() for finding in findings)
    assert {assertion.expected for assertion in world(name).assertions} == {Verdict.YES, Verdict.NO}


@pytest.mark.parametrize("name", NAMES)
def test_every_world_can_be_written_but_the_one_with_a_second_delegator(name: str) -> None:
    refused = pytest.raises(SingleTaken) if name == "second-delegator" else nullcontext()
    with refused, written(world(name)):
        pass


# --- each no is owed to its flaw --------------------------------------------------------------------------------


REPAIRS = {
    "agent-acts-alone": Repair(still_no=("tool:", "dataset:")),
    "borrowed-life": Repair(still_no=("user:", "system:", "agent:", "agent_version:", "run:")),
    "clearance-gap": Repair(
        added=(
            "level:secret#cleared@run:r-2",
            "level:secret#cleared@agent:gossip",
            "level:secret#cleared@agent_version:payer.3",
        )
    ),
    "denied-data": Repair(
        removed=("dataset:ledger#denied@user:bob", "dataset:ledger#denied@run:r-3"),
        added=("user:mallory#registered@directory:people",),
    ),
    "denied-wildcard": Repair(removed=("tool:erp.pay#denied@user:bob", "tool:erp.wire#denied@run:*")),
    "departed-human": Repair(added=("user:mallory#registered@directory:people",)),
    "departed-owner": Repair(added=("user:mallory#registered@directory:people", "team:mirror#member@user:anne")),
    "expired-grant": Repair(added=("tool:erp.pay#may_use@run:r-2",)),
    "expired-registration": Repair(
        added=(
            "user:bob#registered@directory:people",
            "agent:old#registered@directory:agents",
            "tool:erp.wire#registered@directory:tools",
        )
    ),
    "held-agent": Repair(removed=("agent:wild#hold@hold:h-1",)),
    "held-ancestor": Repair(removed=("run:r-2#hold@hold:h-1",)),
    "held-dataset": Repair(removed=("dataset:leaked#hold@hold:h-1",)),
    "held-domain": Repair(removed=("domain:lab#hold@hold:h-1",)),
    "held-estate": Repair(removed=("estate:mill#hold@hold:all-stop",)),
    "held-human": Repair(removed=("user:bob#hold@hold:h-1",)),
    "held-system": Repair(removed=("system:cron#hold@hold:h-1", "domain:night#hold@hold:h-2")),
    "held-tool": Repair(removed=("tool:erp.wire#hold@hold:h-1",)),
    "held-version": Repair(removed=("agent_version:payer.3#hold@hold:h-1",)),
    "left-the-team": Repair(added=("team:finance#member@user:bob",)),
    "missing-intent": Repair(
        added=(
            "run:r-2#intent@intent:settle",
            "run:r-3#intent@intent:settle",
            "run:r-5#without_intent@directory:agents",
        )
    ),
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
    "no-human": Repair(added=("run:r-2#delegated_by@user:anne",)),
    "nobody-holds-it": Repair(
        added=(
            "dataset:ledger#reader@user:bob",
            "dataset:ledger#in_intent@run:r-3",
            "dataset:ledger#reader@run:r-4",
            "dataset:ledger#reader@agent_version:payer.3",
            "dataset:ledger#reader@agent:plain",
        )
    ),
    "not-yet": Repair(added=("tool:erp.pay#may_use@run:r-3",)),
    "outside-intent": Repair(added=("tool:erp.pay#in_intent@run:r-2",)),
    "ownerless-agent": Repair(added=("agent:orphan#owner@user:anne",)),
    "public-label-added": Repair(
        removed=("dataset:riddle#classification@level:whatever",), added=("level:secret#cleared@user:bob",)
    ),
    "retired-tool": Repair(added=("tool:erp.fax#registered@directory:tools",)),
    "ring-of-runs": Repair(removed=("run:r-11#delegated_by@run:r-13",), added=("run:r-11#delegated_by@user:anne",)),
    "second-delegator": Repair(added=("tool:erp.pay#may_use@user:bob",)),
    "self-delegation": Repair(removed=("run:r-2#delegated_by@run:r-2",), added=("run:r-2#delegated_by@user:anne",)),
    "self-granted": Repair(added=("tool:erp.wire#may_use@run:r-1", "tool:erp.wire#in_intent@run:r-1")),
    "uncertified-version": Repair(
        added=(
            "agent_version:payer.3#certified@directory:reviews",
            "agent_version:payer.1#certified@directory:reviews",
        )
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
    "unknown": Repair(
        added=(
            "user:nobody#registered@directory:people",
            "run:r-999#delegated_by@user:nobody",
            "run:r-999#instance_of@agent_version:payer.2",
            "run:r-999#intent@intent:settle",
        ),
        still_no=("tool:erp.pay#use@run:r-1000", "tool:erp.none"),
    ),
    "unlabelled-dataset": Repair(added=("dataset:scans#classification@level:secret",)),
    "unregistered-agent": Repair(added=("agent:rogue#registered@directory:agents",)),
    "userset-subject": Repair(still_no=("tool:",)),
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
