"""Bringing a store along by hand, from an agent schema of old to the one before profiles: its facts stay in place, and
no answer is lost on the way.

The steps are those of docs/agents.md, "Upgrading"."""

from __future__ import annotations

import pytest

from remit.errors import SchemaOrphansRelationships
from remit.language.diff import Effect
from remit.model import Operation, RelationshipFilter, Update, Verdict
from remit.notation import parse_relationship
from tests.support.engines import EngineOfTest
from tests.support.places import AGENTS_BEFORE_PROFILES

NEWER = AGENTS_BEFORE_PROFILES.read_text()

# As it might have been: grants are called `allowed`, nothing is placed, tools need no registry, and a run needs no
# intent. Lines with a `+` came with the first step of the upgrade.
OLDER = """
use delegation
use expiration
use self

definition directory {}
definition hold {}
+definition intent {}
+definition estate { managed relation hold: hold
+}
+definition domain {
+    single managed relation estate: estate
+    managed relation hold: hold
+}
definition user {
    managed relation registered: directory
    permission live = self & registered.exists()
}
definition agent {
    managed relation registered: directory
    managed relation owner: user
+    single managed relation domain: domain
    permission live = self & registered.exists() & owner.exists()
}
definition agent_version {
    single managed relation version_of: agent
    managed relation certified: directory
    permission live = self & certified.exists()
}
definition run {
    single managed relation delegated_by: run | user
    single managed relation instance_of: agent_version
+    managed relation intent: intent
+    managed relation without_intent: directory
    managed relation hold: hold
    permission live = self - hold.exists()
}
definition tool {
+    managed relation registered: directory
+    single managed relation domain: domain
+    relation may_use: user | agent | agent_version | run
+    relation in_intent: run
    relation allowed: user | agent | agent_version | run
    permission link = allowed & subject->live
    permission use = link.along(delegated_by, instance_of, version_of)
}
"""
THEN = "".join(line for line in OLDER.splitlines(keepends=True) if not line.startswith("+"))
WIDENED = "".join(line.removeprefix("+") for line in OLDER.splitlines(keepends=True))
BRIDGE = NEWER.replace(
    "definition tool {\n", "definition tool {\n\trelation allowed: user | agent | agent_version | run\n", 1
)

FACTS = (
    "user:anne#registered@directory:people",
    "agent:payer#registered@directory:agents",
    "agent:payer#owner@user:anne",
    "agent_version:payer.2#version_of@agent:payer",
    "agent_version:payer.2#certified@directory:reviews",
    *(
        f"run:{id}#{fact}"
        for id in ("r-1", "r-2")
        for fact in ("delegated_by@user:anne", "instance_of@agent_version:payer.2")
    ),
    "run:r-3#delegated_by@run:r-1",
    "run:r-3#instance_of@agent_version:payer.2",
    "run:r-2#hold@hold:why",
    *(
        f"tool:erp.pay#allowed@{link}"
        for link in ("user:anne", "agent:payer", "agent_version:payer.2", "run:r-1", "run:r-2", "run:r-3")
    ),
)
# What today's schema asks for beside.
NEW_FACTS = (
    "domain:office#estate@estate:harbour",
    "agent:payer#domain@domain:office",
    "tool:erp.pay#domain@domain:office",
    "tool:erp.pay#registered@directory:tools",
    *(f"run:{id}#without_intent@directory:runs" for id in ("r-1", "r-2", "r-3")),
)
ANSWERS = {
    "tool:erp.pay#use@user:anne": Verdict.YES,
    "tool:erp.pay#use@run:r-1": Verdict.YES,
    "tool:erp.pay#use@run:r-2": Verdict.NO,  # held
    "tool:erp.pay#use@run:r-3": Verdict.YES,
    "tool:erp.pay#use@user:zoe": Verdict.NO,
}


def answers(engine: EngineOfTest) -> dict[str, Verdict]:
    return {question: engine.verdict(question) for question in ANSWERS}


@pytest.fixture
def old(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(THEN)
    engine.write(*FACTS)
    return engine


def test_the_older_schema_answers_as_it_did(old: EngineOfTest) -> None:
    assert answers(old) == ANSWERS
    assert "allowed" in THEN and "may_use" not in THEN
    assert "may_use" in WIDENED


def test_todays_schema_is_refused_while_it_leaves_facts_without_a_place(old: EngineOfTest) -> None:
    found = old.engine.schemas.diff("", NEWER)
    assert [(orphans.type, orphans.relation, orphans.count) for orphans in found.orphans] == [("tool", "allowed", 6)]
    assert {change.effect for change in found.changes} > {Effect.NARROWS}
    with pytest.raises(SchemaOrphansRelationships, match="6 relationships"):
        old.schema(NEWER)
    assert answers(old) == ANSWERS


def test_a_store_comes_along_step_by_step_and_no_answer_changes_on_the_way(old: EngineOfTest) -> None:
    # 1. Declare what is new, beside what there was.
    widened = old.engine.schemas.diff("", WIDENED)
    assert widened.orphans == ()
    assert {change.effect for change in widened.changes} <= {Effect.NONE, Effect.WIDENS}
    old.schema(WIDENED)
    assert answers(old) == ANSWERS

    # 2. Write the facts that the new meaning asks for: those nobody had to state, and old ones under their new name.
    old.write(*NEW_FACTS)
    moved = old.facts(RelationshipFilter(resource_type="tool", relation="allowed"))
    old.write(*(line.replace("#allowed@", "#may_use@") for line in moved))
    assert answers(old) == ANSWERS

    # 3. Change the meaning, and keep a place for the old facts.
    assert BRIDGE != NEWER
    assert old.engine.schemas.diff("", BRIDGE).orphans == ()
    token = old.schema(BRIDGE)
    assert answers(old) == ANSWERS

    # 4. Remove them, and then their place.
    deleted = old.engine.relationships.delete("", RelationshipFilter(resource_type="tool", relation="allowed"))
    assert (deleted.deleted, deleted.complete) == (6, True)
    last = old.engine.schemas.diff("", NEWER)
    assert [(change.definition, change.name) for change in last.changes] == [("tool", "allowed")]
    assert last.orphans == ()
    old.schema(NEWER)
    assert answers(old) == ANSWERS
    assert old.engine.schemas.diff("", NEWER).changes == ()

    # And what was said before is still understood: the past is asked under its own schema.
    for question, verdict in ANSWERS.items():
        assert old.verdict(question, at_exactly=token) is verdict
    hold = Update(Operation.TOUCH, parse_relationship("estate:harbour#hold@hold:stop"))
    old.engine.relationships.write("", [hold])
    assert old.verdict("tool:erp.pay#use@run:r-1") is Verdict.NO  # the kill switch of today works on facts of then


def test_without_its_facts_the_new_meaning_says_no(old: EngineOfTest) -> None:
    """What skipping the second step would do: fail closed, every door shut, and nobody gains."""
    old.schema(WIDENED)
    old.schema(BRIDGE)
    assert set(answers(old).values()) == {Verdict.NO}
