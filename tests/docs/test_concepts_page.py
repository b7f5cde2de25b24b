"""docs/concepts.md is true: its worlds hold, its sessions print what they show, its list leads to every heading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from remit.notation import parse_time
from remit.world import World, verify
from tests.support.docs.blocks import DOCS, Block, blocks_of, run_python
from tests.support.docs.consoles import Run, run_console

PAGE = "concepts.md"
NOW_US = parse_time("2027-01-31T12:00:00Z")


@pytest.mark.parametrize("block", blocks_of(PAGE, "yaml"), ids=str)
def test_every_world_holds_and_asks_both_ways(block: Block, tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(block.text, encoding="utf-8")
    world = World.read(tmp_path / "world.yaml")
    assert [finding.render() for finding in verify(world, NOW_US)] == []
    assert [warning.code for warning in world.warnings] == []
    assert {assertion.expected.name for assertion in world.assertions} >= {"YES", "NO"}


def test_the_sessions_run_from_top_to_bottom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {}
    for block in blocks_of(PAGE, "console", "python"):
        if block.language == "python":
            run_python(block, namespace)
            continue
        environment: dict[str, str] = {}
        run_console(block, run, environment)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)


def test_every_concept_has_an_example_or_is_in_one() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    without = [section.splitlines()[0] for section in sections if "```" not in section]
    assert without == ["Object", "Subject"]  # they name what the examples around them show


def test_the_list_leads_to_every_concept() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    anchors = re.findall(r"\]\(#([^)]+)\)", text.split("\n## ")[0])
    assert sorted(anchors) == sorted(heading.lower().replace(" ", "-") for heading in headings)
