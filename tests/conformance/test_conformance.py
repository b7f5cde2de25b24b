"""What SpiceDB answers, Remit answers: its own test worlds, and worlds made at random and asked of a real one.

The data is other projects' and stays where it is; without it these tests are skipped, and say so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from remit.notation import parse_time
from remit.world import World, verify
from tests.support.places import CONFORMANCE

ASKED_AT_US = parse_time("2026-01-01T00:00:00Z")  # the worlds' own times lie years before and centuries after

# folder → how many files and how many answers it is known to hold, so that a half-copied folder is no success
FOLDERS = {"spicedb": (31, 194), "spicedb-answers": (31, 1_386), "spicedb-random": (120, 26_516)}


def worlds() -> list[object]:
    return [
        pytest.param(path, id=f"{folder}/{path.stem}")
        for folder in FOLDERS
        for path in sorted((CONFORMANCE / folder).glob("*.yaml"))
    ] or [pytest.param(None, marks=pytest.mark.skip(f"no conformance data at {CONFORMANCE}"), id="absent")]


def count_questions(path: Path) -> int:
    """How many assertions a file has, by its look: nothing else in these files is a list."""
    return len(re.findall(r"^ +- ", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", worlds())
def test_spicedb_and_remit_agree(path: Path) -> None:
    world = World.read(path)
    assert len(world.assertions) == count_questions(path), "every question of the file is asked"
    assert [finding.render() for finding in verify(world, ASKED_AT_US)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_data_is_whole(folder: str) -> None:
    if not (CONFORMANCE / folder).is_dir():
        pytest.skip(f"no conformance data at {CONFORMANCE / folder}")
    paths = list((CONFORMANCE / folder).glob("*.yaml"))
    assert (len(paths), sum(map(count_questions, paths))) == FOLDERS[folder]
