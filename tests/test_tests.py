"""Laws of the tests themselves: none leans on another, what they share is used, and each has its place in the suite."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forms import ROWS, forms_of
from tests.support.places import ROOT
from tests.support.seeds import again, alone, shards_of

TESTS = ROOT / "tests"
SUPPORT = TESTS / "support"
FILES = sorted(TESTS.rglob("*.py"))
# Folders that are about a subject; every other one is of the package whose name it bears.
SUBJECTS = {"bench", "conformance", "docs", "laws", "long", "native", "schema", "simulation", "support", "worlds"}

# An import that ends leaves behind what asyncio would log, in an order that no caller can bring about.
KNOWN = {("test_unseen_errors.py", "_Queued"), ("test_unseen_errors.py", "_see")}


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Each module that is imported, and what of it: "" for all of it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), each.name) for each in node.names)


def faults_of(module: str, name: str) -> Iterator[str]:
    """What is wrong with an import in a test."""
    if module.startswith("."):
        yield "is relative: say the whole name"
    elif module.split(".")[0] == "tests" and not f"{module}.{name}".startswith("tests.support"):
        yield "belongs to one test: what two of them need is in tests/support"
    # The native core is private to remit, and what some tests are about.
    if module.partition(".")[0] in ("remit", "bench", "tests") and name != "_core":
        yield from (f"`{part}` is private" for part in (*module.split("."), name) if re.match("_[a-z]", part, re.I))


def test_no_test_leans_on_another_or_on_what_is_private() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {module} {name} {fault}"
        for path in FILES
        for module, name in imports_of(path)
        for fault in faults_of(module, name)
        if (path.name, name) not in KNOWN
    ]
    assert found == []


@pytest.mark.parametrize(
    ("module", "name", "faults"),
    [
        ("tests.graph.test_plain", "KEYS", 1),
        ("tests.graph", "test_plain", 1),
        ("tests", "graph", 1),
        (".test_plain", "KEYS", 1),
        ("remit.server.handlers.streams", "_see", 1),
        ("remit.engine._hidden", "open", 1),
        ("tests.support.seeds", "Seeds", 0),
        ("tests.support", "seeds", 0),
        ("remit", "_core", 0),
        ("__future__", "annotations", 0),
    ],
)
def test_a_wrong_import_is_seen(module: str, name: str, faults: int) -> None:
    assert len(list(faults_of(module, name))) == faults


def test_whatever_is_shared_is_used() -> None:
    words = Counter(word for path in FILES for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))
    for path in SUPPORT.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert words[node.name] > 1, f"nobody uses {node.name} of {path.relative_to(ROOT)}"


def test_every_file_says_what_it_is_about() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in FILES}
    assert [path for path, text in texts.items() if text and not ast.get_docstring(ast.parse(text))] == []


def test_folders_are_those_of_the_packages() -> None:
    folders = {path.parent.relative_to(TESTS) for path in FILES} - {Path()}
    of_packages = {folder for folder in folders if folder.parts[0] not in SUBJECTS}
    assert [folder for folder in sorted(of_packages) if not (ROOT / "engine/remit" / folder).is_dir()] == []


def test_every_test_has_a_form_and_every_row_has_tests() -> None:
    tests = [path for path in FILES if path.name.startswith("test_")]
    for path in tests:
        forms_of(path)
    for row in ROWS:
        assert any(path.is_relative_to(TESTS / row) for path in tests), f"no test is for the row {row}"
    with pytest.raises(LookupError, match=r"no row for tests/new/test_new\.py"):
        forms_of(TESTS / "new/test_new.py")


def test_shards_are_all_seeds_once_and_bear_their_names() -> None:
    shards = shards_of(1_200, shards=8)
    assert [seed for shard in shards for seed in shard] == list(range(1_200))
    assert shards[1].name == "seeds-150-299"
    assert shards[1].current == 299
    fresh = [seed for shard in shards_of(40, shards=4, fresh=True) for seed in shard]
    assert fresh == list(range(fresh[0], fresh[0] + 40))
    [one] = alone(17)
    assert (one.name, list(one)) == ("seed-17", [17])


def test_a_seed_that_is_tried_alone_need_not_mean_much() -> None:
    [all_of_them], [one] = shards_of(20), alone(3)
    one.require(False, "nothing")
    with pytest.raises(AssertionError, match="too little was met to mean anything: nothing"):
        all_of_them.require(False, "nothing")


def test_what_tries_a_seed_again_is_one_command_for_a_shell() -> None:
    told = again("tests/laws/test_x.py::test_it[seeds-0-149-off]", 17)
    assert told == "seed 17; again with: python -m pytest -m '' --seed 17 'tests/laws/test_x.py::test_it'"
