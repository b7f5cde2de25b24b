"""docs/own-types.md is true: its world holds, and its schemas are warned of as they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.notation import parse_time
from remit.world import World, read_schema, verify
from tests.support.docs.blocks import Block, blocks_of

PAGE = "own-types.md"
NOW_US = parse_time("2027-01-31T12:00:00Z")


@pytest.mark.parametrize("block", blocks_of(PAGE, "yaml"), ids=str)
def test_its_world_holds_without_a_warning(block: Block, tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(block.text, encoding="utf-8")
    world = World.read(tmp_path / "world.yaml")
    assert [finding.render() for finding in verify(world, NOW_US)] == []
    assert [warning.code for warning in world.warnings] == []


@pytest.mark.parametrize("block", blocks_of(PAGE, "zed"), ids=str)
def test_its_schemas_are_warned_of_as_it_says(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "schema.zed"
    path.write_text(block.text, encoding="utf-8")
    assert [warning.code for warning in read_schema(path).warnings] == [block.says["warns"]]


def test_each_line_of_the_pattern_is_needed(tmp_path: Path) -> None:
    """What the page says of the pattern: without any one part of it, a no of its world is a yes."""
    block, _ = blocks_of(PAGE, "yaml")
    pushed = ")\n    permission push = granted"
    along = f"link.along(delegated_by, instance_of, version_of{pushed}"
    for part, instead in (
        ("& intent ", ""),
        (along, along.replace(", instance_of, version_of", "")),
        (along, "link\n    permission push = granted"),
        ("permission push = granted & subject->actor", "permission push = granted"),
    ):
        assert part in block.text
        (tmp_path / "world.yaml").write_text(block.text.replace(part, instead), encoding="utf-8")
        assert verify(World.read(tmp_path / "world.yaml"), NOW_US), part


def test_each_line_about_what_calls_are_about_is_needed(tmp_path: Path) -> None:
    _, block = blocks_of(PAGE, "yaml")
    for part, instead in (
        ("payee + subject->on_behalf", "subject->on_behalf"),
        ("payee_link.along(delegated_by)", "payee_link"),
        ("guardrail:known#forbids", "guardrail:other#forbids"),
        (',"tool":{"equals":"erp.pay"}', ""),
        ('"unrelated"', '"related"'),
    ):
        assert part in block.text
        (tmp_path / "world.yaml").write_text(block.text.replace(part, instead), encoding="utf-8")
        assert verify(World.read(tmp_path / "world.yaml"), NOW_US), part
