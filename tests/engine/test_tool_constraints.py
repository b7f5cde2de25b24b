"""Constraints on a tool and the descriptors that are accepted of it fit each other, whichever is written first."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from remit.arguments.tool_schema import read_descriptor
from remit.engine.tool_constraints import UnfitConstraint, unfit_constraints
from remit.errors import ConstraintsUnfit
from remit.language.compiler import compile_schema
from remit.model import ObjectRef, Operation, Record, RelationshipKey, SubjectRef
from remit.notation import parse_relationship
from remit.world import World, verify
from tests.support.engines import EngineOfTest, update

SCHEMA = """use arguments
use expiration
definition user {}
definition descriptor {}
definition tag {
  relation may_use: user with arguments
}
definition tool {
  relation tag: tag
  relation descriptor: descriptor | descriptor with expiration
  relation may_use: user | user with arguments
  permission use = may_use + tag->may_use
}
"""


def described(**types: str) -> Record:
    properties = {name: {"type": "string"} for name in ("to", "file", "amount")}
    document = json.dumps({"input_schema": {"type": "object", "properties": properties}, "types": types}).encode()
    return Record("descriptor", ObjectRef("descriptor", sha256(document).hexdigest()), document)


PATHS, HOSTS = described(file="path", amount="decimal"), described(file="host")
BELOW = 'tool:t#may_use@user:anne[arguments:{"file":{"subpath":"/srv"}}]'
ANNE = RelationshipKey(ObjectRef("tool", "t"), "may_use", SubjectRef("user", "anne"))


def accepts(record: Record, tool: str = "t") -> str:
    return f"tool:{tool}#descriptor@{record.object}"


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def write(world: EngineOfTest, *facts: str, records: tuple[Record, ...] = ()) -> None:
    world.engine.relationships.write("", [update(fact) for fact in facts], records=records)


def test_it_is_told_which_constraints_do_not_fit_and_where() -> None:
    schema = compile_schema(SCHEMA).schema
    facts = [
        BELOW,
        'tool:t#may_use@user:ben[arguments:{"additional":true}]',
        'tool:t#may_use@user:cy[arguments:{"any_of":[{"to":{}},{"file":{"any_of":[{"cidr":"10.0.0.0/8"}]}}]}]',
        "tool:t#may_use@user:dan",
    ]
    relationships = [parse_relationship(fact) for fact in facts]
    unfit = list(unfit_constraints(schema, relationships, read_descriptor(HOSTS.document)))
    assert [(each.relationship, each.pointer) for each in unfit] == [
        (ANNE, "/file"),
        (ANNE._replace(subject=SubjectRef("user", "cy")), "/file"),
    ]
    assert "`subpath` is of paths" in unfit[0].reason
    assert list(unfit_constraints(schema, relationships[:2], read_descriptor(PATHS.document))) == []


def test_a_descriptor_that_standing_constraints_do_not_fit_is_not_accepted(world: EngineOfTest) -> None:
    write(world, BELOW, 'tool:u#may_use@user:anne[arguments:{"file":{"subpath":"/srv"}}]')
    with pytest.raises(ConstraintsUnfit, match="subpath") as caught:
        write(world, accepts(HOSTS), records=(HOSTS,))
    assert caught.value.field == "updates[0]"
    [unfit] = caught.value.unfit
    assert isinstance(unfit, UnfitConstraint)
    assert (unfit.relationship, unfit.pointer) == (ANNE, "/file")
    write(world, accepts(PATHS), records=(PATHS,))
    assert accepts(PATHS) in world.facts()
    assert accepts(HOSTS) not in world.facts()


def test_a_constraint_that_an_accepted_descriptor_does_not_fit_is_not_written(world: EngineOfTest) -> None:
    write(world, accepts(HOSTS), records=(HOSTS,))
    with pytest.raises(ConstraintsUnfit, match="`host`"):
        write(world, BELOW)
    # Elsewhere nobody knows which tools are meant, and it is judged as it comes.
    write(world, 'tag:x#may_use@user:anne[arguments:{"file":{"subpath":"/srv"}}]', "tool:t#tag@tag:x")


def test_both_may_change_in_one_request(world: EngineOfTest) -> None:
    write(world, BELOW)
    fits = 'tool:t#may_use@user:anne[arguments:{"file":{"host":"example.com"}}]'
    write(world, accepts(HOSTS), fits, records=(HOSTS,))
    with pytest.raises(ConstraintsUnfit):
        write(world, BELOW, accepts(PATHS), records=(PATHS,))
    replaced = update(accepts(HOSTS))._replace(operation=Operation.DELETE)
    world.engine.relationships.write("", [replaced, update(BELOW), update(accepts(PATHS))], records=(PATHS,))


def test_what_does_not_count_refuses_nothing(world: EngineOfTest) -> None:
    """A descriptor of which nobody has the record, and one whose acceptance is over."""
    over = f"{accepts(HOSTS)}[expiration:2001-01-01T00:00:00Z]"
    write(world, "tool:t#descriptor@descriptor:lost", over, BELOW, records=(HOSTS,))


def test_a_world_tells_it_on_the_line_of_the_constraint(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    indented = SCHEMA.replace("\n", "\n  ")
    path.write_text(
        f"schema: |-\n  {indented}\nrelationships: |-\n  {accepts(HOSTS)}\n  {BELOW}\n"
        f"records:\n  {HOSTS.object}:\n    descriptor: '{HOSTS.document.decode()}'\n",
        encoding="utf-8",
    )
    [finding] = verify(World.read(path), 0)
    assert (finding.found, path.read_text().splitlines()[finding.line - 1].strip()) == ("CONSTRAINTS_UNFIT", BELOW)
