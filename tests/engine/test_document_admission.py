"""Law: a constraint document is refused where it is written, by its place; what stands beside a relationship can be
judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from remit.errors import DocumentInvalid, InvalidContext, RemitError, SchemaOrphansRelationships, WeakeningRefused
from remit.notation import parse_relationship
from remit.world.file import World
from remit.world.verification import misfits_of
from tests.support.engines import EngineOfTest, facts

SCHEMA = """use arguments
use expiration
use delegation

definition user {
    relation contact: user
    relation rival: user
}

definition tool {
    relation may_use: user with arguments(user#contact) | user with arguments and expiration
    relation stopped: user with matching(user#rival)
    relation plain: user
    permission use = may_use - stopped
}
"""

CONTACTS = {"to": {"each": {"related": {"type": "user", "permission": "contact"}}}}


def beside(relation: str, document: object, trailer: str = "") -> str:
    caveat = "matching" if relation == "stopped" else "arguments"
    return f"tool:t#{relation}@user:a[{caveat}:{json.dumps(document)}]{trailer}"


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def refused(world: EngineOfTest, line: str, error: type[RemitError] = DocumentInvalid) -> RemitError:
    before = world.facts()
    with pytest.raises(error) as raised:
        world.write("tool:t#plain@user:a", line)
    assert world.facts() == before
    return raised.value


@pytest.mark.parametrize(
    "line",
    [
        beside("may_use", {}),
        beside("may_use", CONTACTS),
        beside("may_use", {"amount": {"max": "100.00"}}, "[expiration:2100-01-01T00:00:00Z]"),
        beside("stopped", {"amount": {"min": "0.10"}, "to": {"unrelated": {"type": "user", "permission": "rival"}}}),
    ],
)
def test_what_can_be_judged_is_written_as_it_is(world: EngineOfTest, line: str) -> None:
    world.write(line)
    assert [parse_relationship(each) for each in world.facts()] == [parse_relationship(line)]
    world.check_laws()


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        (beside("may_use", {"amount": {"mx": "1"}}), "/amount/mx"),
        (beside("may_use", {"amount": {"max": 1}}), "/amount/max"),
        (beside("may_use", {"to": {"some": {}}}), "/to/some"),  # is for `matching`
        (
            beside("may_use", {"to": {"equals": {"binding": "invoice"}}}),
            "/to/equals/binding",
        ),  # `binding#link` is not declared
        (beside("may_use", {"to": {"related": {"type": "user", "permission": "rival"}}}), "/to/related"),
        (beside("stopped", {"to": {"related": {"type": "user", "permission": "contact"}}}), "/to/related"),
        (
            beside("may_use", CONTACTS, "[expiration:2100-01-01T00:00:00Z]"),
            "/to/each/related",
        ),  # as the other is written
        (beside("may_use", {"list": {"one_of": [str(number) for number in range(501)]}}), "/list/one_of"),
        (beside("may_use", {"text": {"prefix": "x" * 17_000}}), ""),
    ],
)
def test_what_cannot_is_refused_by_its_place(world: EngineOfTest, line: str, pointer: str) -> None:
    error = refused(world, line)
    assert error.metadata["pointer"] == pointer and error.metadata["relationship"].startswith("tool:t#")
    assert error.field == "updates[1]" and error.reason == "DOCUMENT_INVALID"


def test_it_is_refused_as_a_fact_of_one_request_too(world: EngineOfTest) -> None:
    with pytest.raises(DocumentInvalid):
        world.check("tool:t#use@user:a", contextual=facts(beside("may_use", {"amount": {"max": 1}})))


def test_numbers_stay_what_was_written(world: EngineOfTest) -> None:
    """A double beside it would be another constraint."""
    for number in ("9007199254740993", "99.999999999999999999", "1e-400"):
        with pytest.raises(InvalidContext):
            parse_relationship(f'tool:t#may_use@user:a[arguments:{{"amount":{{"equals":{number}}}}}]')
    world.write('tool:t#may_use@user:a[arguments:{"amount":{"equals":1.50}}]')
    assert world.facts() == ['tool:t#may_use@user:a[arguments:{"amount":{"equals":1.5}}]']


def test_a_schema_that_leaves_a_document_without_its_permission_is_refused(world: EngineOfTest) -> None:
    world.write(beside("may_use", CONTACTS))
    with pytest.raises(SchemaOrphansRelationships, match="contact"):
        world.schema(SCHEMA.replace("with arguments(user#contact)", "with arguments"))
    world.schema(SCHEMA.replace("with arguments(user#contact)", "with arguments(user#contact, user#rival)"))


def test_a_caveat_that_becomes_a_constraint_takes_what_stands_along_only_where_it_is_one(engine: EngineOfTest) -> None:
    defined = "caveat arguments(x int) { x > 1 }\ncaveat matching(x int) { x > 1 }\n\ndefinition user"
    before = SCHEMA.replace("use arguments\n", "").replace("definition user", defined, 1)
    engine.schema(before.replace("(user#contact)", "").replace("(user#rival)", ""))
    engine.write('tool:t#may_use@user:a[arguments:{"x":3}]')
    with pytest.raises(SchemaOrphansRelationships):
        engine.schema(SCHEMA)


def test_what_is_subtracted_is_not_written_anew_with_another_document(world: EngineOfTest) -> None:
    world.write(beside("stopped", {"amount": {"min": "100"}}))
    refused(world, beside("stopped", {"amount": {"min": "200"}}), WeakeningRefused)


def test_it_is_refused_where_it_comes_in_bulk(world: EngineOfTest) -> None:
    importing = world.engine.streams.import_("")
    failed = importing.take(facts(beside("may_use", CONTACTS), beside("stopped", {"amount": {"max": 1}}))).exception(60)
    assert isinstance(failed, DocumentInvalid) and failed.metadata["pointer"] == "/amount/max"
    assert world.facts() == []


def test_a_world_that_holds_one_is_told_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    line = beside("may_use", {"amount": {"max": 1}})
    path.write_text(yaml.safe_dump({"schema": SCHEMA, "relationships": line}))
    (told,) = misfits_of(World.read(path))
    assert "/amount/max" in told.message
