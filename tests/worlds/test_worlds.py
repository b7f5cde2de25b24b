"""Law: a small world means the same however it is asked: over both engines, by Check alone and among many, with its
reasons, as the sets of an Expand, of a past revision, and as facts that a request brings along.

One file holds one world and is named by its shape; `remit validate tests/worlds/*.yaml` reads them as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from remit.engine.lookups import PageOptions
from remit.engine.results import CheckResult
from remit.errors import CallUnjudgeable, InvalidCall, NegativeCycle, RemitError
from remit.graph.native import available
from remit.model import (
    WILDCARD,
    Lookup,
    Operation,
    PermissionLookup,
    Question,
    Record,
    Relationship,
    ResourceLookup,
    SubjectLookup,
    Update,
    Verdict,
)
from remit.native_core import SWITCH
from remit.notation import parse_question
from remit.world import World, verify
from remit.world.file import Assertion
from remit.world.lists import find_list
from tests.support.engines import EngineOfTest
from tests.support.expansions import Reader
from tests.support.places import SMALL_WORLDS
from tests.support.random_worlds import RandomWorld
from tests.support.small_worlds import NOW_US

WORLDS = sorted(SMALL_WORLDS.glob("*.yaml"))
# What no assertion can say: a question without an answer, because it hangs on its own negation.
UNDEFINED = [("negative-cycle", "doc:a#admitted@user:anne"), ("negative-cycle", "doc:b#admitted@user:anne")]

each_world = pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)


@pytest.fixture(params=["core", "python"])
def empty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EngineOfTest:
    """An engine with nothing in it, by name of who answers first."""
    if request.param == "python":
        monkeypatch.setenv(SWITCH, "off")
    elif not available():
        pytest.skip("the native core is not built here, or is switched off")
    engine = EngineOfTest("memory", tmp_path)
    request.addfinalizer(engine.engine.close)
    return engine


def question_of(each: Assertion) -> Question:
    return Question(each.resource, each.permission, each.subject, each.context, each.call)


class Asked:
    """A world in an engine, at the world's own time; `token` is of the revision that has all of it."""

    def __init__(self, path: Path, engine: EngineOfTest) -> None:
        self.world = World.read(path)
        self.engine = engine.engine
        self.now_us = self.world.now_us if self.world.now_us is not None else NOW_US
        engine.clock.advance_us(self.now_us - engine.clock.now_us())
        engine.schema(self.world.schema.text)
        records = [each.record for each in self.world.records]
        self.token = self.write(Operation.TOUCH, self.world.relationships, records)
        definitions = self.world.schema.definitions
        self.passing = [
            fact
            for fact in self.world.relationships
            if not definitions[fact.resource.type].relations[fact.relation].final
        ]
        said = [(each, each.expected) for each in self.world.assertions if each.expected is not None]
        self.questions = [question_of(each) for each, _ in said]
        self.expected = [expected for _, expected in said]
        self.unjudged = [question_of(each) for each in self.world.assertions if each.expected is None]

    def without_calls(self) -> list[tuple[Question, Verdict]]:
        """What may be asked of whoever knows no calls."""
        answered = zip(self.questions, self.expected, strict=True)
        return [(question, expected) for question, expected in answered if question.call is None]

    def write(self, operation: Operation, facts: Iterable[Relationship], records: Sequence[Record] = ()) -> str:
        updates = [Update(operation, fact) for fact in facts]
        return self.engine.relationships.write("", updates, records=records).token

    def is_yes(self, question: Question) -> bool:
        """Whether there is an answer, and it is yes: what cannot be judged lets nothing through."""
        try:
            return self.engine.questions.check("", question).verdict is Verdict.YES
        except CallUnjudgeable:
            return False

    def verdicts(self, **options: object) -> list[Verdict]:
        """What Check says of each question by itself."""
        return [self.engine.questions.check("", each, **options).verdict for each in self.questions]  # type: ignore[arg-type]

    def verdicts_among_many(self, **options: object) -> list[Verdict]:
        found = self.engine.questions.check_many("", self.questions, **options).results  # type: ignore[arg-type]
        return [each.verdict for each in found if isinstance(each, CheckResult)]

    def found(self, lookup: Lookup, limit: int = 0) -> dict[str, Verdict | str]:
        """What a lookup finds, page by page: each id with its verdict, or the reason that it has none."""
        lookups = self.engine.lookups
        entries: dict[str, Verdict | str] = {}
        cursor, is_last = "", False
        while not is_last:
            options = PageOptions(limit=limit, cursor=cursor)
            if isinstance(lookup, ResourceLookup):
                page = lookups.resources("", lookup, options)
            elif isinstance(lookup, SubjectLookup):
                page = lookups.subjects("", lookup, options)
            else:
                page = lookups.permissions("", lookup, options)
            for id, answer in page.entries:
                assert id not in entries, "an id is told once"
                entries[id] = answer.reason if isinstance(answer, RemitError) else answer.verdict
            cursor, is_last = page.next_cursor, not page.next_cursor
        return entries

    def decided_by_sets(self, question: Question) -> int | None:
        """Whether the subject is in the sets that Expand tells; None where that is undefined."""
        resource, name, subject, context = (question.resource, question.permission, question.subject, question.context)
        world = RandomWorld(self.world.schema, list(self.world.relationships), subject, dict(context))
        expansion = self.engine.questions.expand("", resource, name).expansion
        return Reader(world, expansion, self.now_us).table()[(resource, name), subject]


@each_world
def test_a_world_is_what_it_says(path: Path) -> None:
    assert [finding.render() for finding in verify(World.read(path), NOW_US)] == []


@each_world
def test_check_says_it_alone_and_with_its_reasons(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    assert asked.verdicts() == asked.expected
    for question, expected in zip(asked.questions, asked.expected, strict=True):
        found = asked.engine.questions.check("", question, explain=True)
        assert found.verdict is expected
        assert found.explanation is not None
        assert found.explanation.questions[0].verdict is expected


@each_world
def test_a_witness_alone_says_yes_and_a_fix_makes_it(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    for question, expected in zip(asked.questions, asked.expected, strict=True):
        explanation = asked.engine.questions.check("", question, explain=True).explanation
        assert explanation is not None
        if expected is Verdict.YES:
            asked.write(Operation.DELETE, asked.passing)
            if explanation.witness:
                asked.write(Operation.TOUCH, explanation.witness)
            assert asked.engine.questions.check("", question).verdict is Verdict.YES
            for each in [each for each in explanation.witness if each in asked.passing]:
                asked.write(Operation.DELETE, [each])
                assert not asked.is_yes(question)
                asked.write(Operation.TOUCH, [each])
            asked.write(Operation.TOUCH, asked.world.relationships)
        elif explanation.fix:
            asked.engine.relationships.write("", explanation.fix)
            assert asked.engine.questions.check("", question).verdict is Verdict.YES
            asked.write(Operation.DELETE, [each.relationship for each in explanation.fix])
            asked.write(Operation.TOUCH, asked.world.relationships)


@each_world
def test_check_many_says_it_in_any_order(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    assert asked.verdicts_among_many() == asked.expected
    asked.questions.reverse()
    assert asked.verdicts_among_many() == asked.expected[::-1]


@each_world
def test_the_sets_of_an_expand_say_it(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    for question, expected in asked.without_calls():
        assert asked.decided_by_sets(question) == expected


@each_world
def test_lookups_say_it(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    for question, expected in asked.without_calls():
        resource, permission, (type, id, relation), context = (
            question.resource,
            question.permission,
            question.subject,
            question.context,
        )
        of_resources = ResourceLookup(resource.type, permission, question.subject, context)
        assert asked.found(of_resources).get(resource.id, Verdict.NO) is expected
        subjects = asked.found(SubjectLookup(resource, permission, type, relation, context))
        assert subjects.get(id, subjects.get(WILDCARD, Verdict.NO)) is expected
        permissions = asked.found(PermissionLookup(resource, question.subject, relations=True, context=context))
        assert permissions.get(permission, Verdict.NO) is expected


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_lists_are_found_as_they_stand_in_a_world(empty: EngineOfTest, limit: int) -> None:
    asked = Asked(SMALL_WORLDS / "lookups.yaml", empty)
    schema, graph = asked.world.schema, asked.world.graph()
    for each in asked.world.expected_lists:
        by_meaning = {entry.partition(" - ")[0] for entry in find_list(schema, graph, each.lookup, now_us=asked.now_us)}
        found = asked.found(each.lookup, limit)
        assert len(by_meaning) == sum(verdict is not Verdict.NO for verdict in found.values()), each.text


@each_world
def test_a_past_revision_says_it_when_nothing_of_it_is_left(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    asked.write(Operation.DELETE, asked.passing)
    assert asked.verdicts(at_exactly=asked.token) == asked.expected
    assert asked.verdicts_among_many(at_exactly=asked.token) == asked.expected


@each_world
def test_facts_that_a_request_brings_along_say_it(path: Path, empty: EngineOfTest) -> None:
    """All but those of a managed relation, which no request may bring, and of a final one: they stay where they are."""
    asked = Asked(path, empty)
    definitions = asked.world.schema.definitions
    brought = [fact for fact in asked.passing if not definitions[fact.resource.type].relations[fact.relation].managed]
    asked.write(Operation.DELETE, brought)
    assert asked.verdicts(contextual=brought) == asked.expected
    assert asked.verdicts_among_many(contextual=brought) == asked.expected


@each_world
def test_what_a_call_leaves_unknown_has_no_answer_however_it_is_asked(path: Path, empty: EngineOfTest) -> None:
    asked = Asked(path, empty)
    for question in asked.unjudged:
        for options in ({}, {"explain": True}, {"at_exactly": asked.token}):
            with pytest.raises((CallUnjudgeable, InvalidCall)):
                asked.engine.questions.check("", question, **options)  # type: ignore[arg-type]
    found = asked.engine.questions.check_many("", asked.unjudged).results
    assert all(isinstance(each, CallUnjudgeable | InvalidCall) for each in found)


@pytest.mark.parametrize(("name", "text"), UNDEFINED)
def test_what_hangs_on_its_own_negation_has_no_answer_however_it_is_asked(
    name: str, text: str, empty: EngineOfTest
) -> None:
    asked = Asked(SMALL_WORLDS / f"{name}.yaml", empty)
    question = Question(*parse_question(text))
    for options in ({}, {"explain": True}, {"at_exactly": asked.token}):
        with pytest.raises(NegativeCycle):
            asked.engine.questions.check("", question, **options)  # type: ignore[arg-type]
    [found] = asked.engine.questions.check_many("", [question]).results
    assert isinstance(found, NegativeCycle)
    assert asked.decided_by_sets(question) is None


def test_there_are_worlds_of_many_shapes() -> None:
    assert len(WORLDS) >= 35
