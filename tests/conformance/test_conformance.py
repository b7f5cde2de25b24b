"""Law: what SpiceDB answers, Remit answers, about its own test worlds and about worlds at random, asked of a real one.

SpiceDB's worlds are its own and stay where they are; where they are absent their tests are skipped, and say so. The
random worlds are ours and in the checkout: without them the suite fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from remit.eval.budget import STEPS_MAX
from remit.eval.lookups import Place
from remit.eval.plain import PlainEvaluator
from remit.eval.semantics import Answer
from remit.graph.view import GraphView
from remit.interrupt import never_interrupted
from remit.language.plan import Schema
from remit.model import ObjectRef, ResourceLookup, SubjectLookup, Verdict
from remit.world import World, verify
from tests.support.places import ASKED_AT_US, CONFORMANCE, ROOT, SPICEDB_RANDOM

# folder → how many files and how many answers it is known to hold, so that a half-copied folder is no success
FOLDERS = {
    CONFORMANCE / "spicedb": (31, 194),
    CONFORMANCE / "spicedb-answers": (31, 1_386),
    SPICEDB_RANDOM: (120, 26_516),
}


WHOLE = Place("", 1_000_000, STEPS_MAX, never_interrupted)


class View(NamedTuple):
    """What an evaluator is asked over: a world in memory."""

    schema: Schema
    graph: GraphView
    now_us: int
    revision: int = 0
    native: None = None
    changed: None = None


def is_absent(folder: Path) -> bool:
    return not folder.is_dir() and folder != SPICEDB_RANDOM


def worlds() -> list[object]:
    found: list[object] = []
    for folder in FOLDERS:
        if is_absent(folder):
            reason = f"no conformance data at {folder}"
            found.append(pytest.param(None, marks=pytest.mark.skip(reason), id=f"{folder.name}/absent"))
        found += [pytest.param(path, id=f"{folder.name}/{path.stem}") for path in sorted(folder.glob("*.yaml"))]
    return found


def count_questions(path: Path) -> int:
    """How many assertions a file has, by its look: nothing else in these files is a list."""
    return len(re.findall(r"^ +- ", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", worlds())
def test_spicedb_and_remit_agree(path: Path) -> None:
    world = World.read(path)
    assert len(world.assertions) == count_questions(path), "every question of the file is asked"
    assert [finding.render() for finding in verify(world, ASKED_AT_US)] == []


@pytest.mark.parametrize("path", worlds())
def test_lookups_say_what_spicedb_answers(path: Path) -> None:
    """Of every question: the resource is in the list of what the subject has exactly where the answer is not a no, and
    the subject, or `*`, in that of who has the permission."""
    world = World.read(path)
    now_us = world.now_us if world.now_us is not None else ASKED_AT_US
    view = View(world.schema, world.graph(), now_us)
    lists: dict[str, dict[str, Verdict | None]] = {}

    def found(lookup: ResourceLookup | SubjectLookup) -> dict[str, Verdict | None]:
        key = repr(lookup)
        if key not in lists:
            if isinstance(lookup, ResourceLookup):
                page = PlainEvaluator().lookup_resources(view, lookup, WHOLE)
            else:
                page = PlainEvaluator().lookup_subjects(view, lookup, WHOLE)
            lists[key] = {id: answer.verdict if isinstance(answer, Answer) else None for id, answer in page.entries}
        return lists[key]

    for each in world.assertions:
        type, id, relation = each.subject
        resources = found(ResourceLookup(each.resource.type, each.permission, each.subject, each.context))
        assert resources.get(each.resource.id, Verdict.NO) is each.expected or not occurs(world, each.resource), (
            each.text
        )
        subjects = found(SubjectLookup(each.resource, each.permission, type, relation, each.context))
        assert subjects.get(id, subjects.get("*", Verdict.NO)) is each.expected, each.text


def occurs(world: World, resource: ObjectRef) -> bool:
    """Whether a fact names the object: only such are found."""
    return any(resource in (fact.relationship.resource, fact.relationship.subject.object) for fact in world.facts)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_data_is_whole(folder: Path) -> None:
    if is_absent(folder):
        pytest.skip(f"no conformance data at {folder}")
    paths = list(folder.glob("*.yaml"))
    assert (len(paths), sum(map(count_questions, paths))) == FOLDERS[folder]


def test_readme_claims_as_many_worlds_and_answers_as_are_asked() -> None:
    claim = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    worlds, assertions = FOLDERS[CONFORMANCE / "spicedb"]
    assert f"All {worlds} worlds of its integration tests, with their {assertions} assertions" in claim
    answers = sum(count for _, count in FOLDERS.values()) - assertions
    assert f"and {answers:,} answers that a real SpiceDB" in claim
    assert f"on {FOLDERS[SPICEDB_RANDOM][0]} random worlds" in claim
