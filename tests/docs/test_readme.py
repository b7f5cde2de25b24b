"""README.md is true: its sessions print what they show, its walks lead downwards, and its map has every room."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.docs.blocks import blocks_of, code_words, run_python, table_cells
from tests.support.docs.consoles import Run, run_console
from tests.support.places import ROOT

PAGE = "../README.md"
PACKAGE = ROOT / "engine" / "remit"
CORE = ROOT / "engine" / "core"
CHECK, WRITE, MAP = "## Follow a Check", "## Follow a Write", "## A map"


def test_the_sessions_print_what_they_show(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first_screen, second_terminal = blocks_of(PAGE, "console")
    environment: dict[str, str] = {}
    run_console(second_terminal, run, environment)
    for name, value in environment.items():  # the store that it made is what the first screen is repeated in
        monkeypatch.setenv(name, value)
    run_console(first_screen, run, {})


def test_the_first_screen_has_one_yes_and_one_no_with_why() -> None:
    schema, session = blocks_of(PAGE)[:2]
    assert schema.text.replace("  ", "\t") == (ROOT / schema.says["file"]).read_text(encoding="utf-8")
    assert session.line + session.text.count("\n") < 55
    shown = session.text.splitlines()
    assert (shown.count("yes"), shown.count("no")) == (1, 1)
    *_, missing, _, _, fix = shown
    assert missing.endswith("no relationship")
    assert fix.split()[1] in missing


def test_the_client_in_ten_lines_prints_what_it_says(example: str) -> None:
    (block,) = blocks_of(PAGE, "python")
    run_python(block, {})


def test_the_words_of_make_that_it_names_are_there() -> None:
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test", "check"} <= named <= rules


# --- walks ------------------------------------------------------------------------------------------------------


def steps(heading: str) -> list[tuple[Path, str]]:
    """(file, what is in it) of a walk. Its second table, if there is one, is of the core."""
    rows = [(*code_words(file), *code_words(name)) for file, name, _ in table_cells(PAGE, heading)]
    return [((CORE if file.endswith(".rs") else PACKAGE) / file, name) for file, name in rows]


def names_in(path: Path) -> set[str]:
    """What a file defines at its top, and what its classes define: `name` and `Class.name`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".rs":
        return set(re.findall(r"\b(?:fn|struct|enum|trait|static|const) (\w+)", text))
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {node.name, *(f"{node.name}.{method.name}" for method in methods)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("heading", [CHECK, WRITE])
def test_every_step_of_a_walk_is_there(heading: str) -> None:
    for path, name in steps(heading):
        assert path.is_file(), path
        assert name in names_in(path), f"{path} has no `{name}`"


Layers = list[set[str]]


def layers_of(container: str) -> Layers:
    """The layers of a package from the top down, as the contract of the imports names them."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == [container])
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def depth_in(layers: Layers, name: str) -> int:
    return next(depth for depth, layer in enumerate(layers) if name in layer)


@pytest.mark.parametrize("heading", [CHECK, WRITE])
def test_a_walk_never_goes_up(heading: str) -> None:
    """Neither from room to room nor, in a room, from one part of it to another."""
    depths = []
    for path, _ in steps(heading):
        if path.suffix == ".py":
            room, part, *_ = path.relative_to(PACKAGE).with_suffix("").parts
            depths.append((depth_in(layers_of("remit"), room), depth_in(layers_of(f"remit.{room}"), part)))
    assert all(above <= below for above, below in pairwise(depths)), depths


def test_four_files_explain_a_check() -> None:
    bold = [row[0] for row in table_cells(PAGE, CHECK) if row[0].startswith("**")]
    assert len(bold) == 4


def test_the_map_has_every_room_from_the_top_down() -> None:
    listed = [word.rstrip("/").removesuffix(".py") for row in table_cells(PAGE, MAP) for word in code_words(row[0])]
    assert set(listed) | {"native_core"} == set().union(*layers_of("remit"))
    assert all((PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file() for name in listed)


def test_every_path_that_is_named_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {word for word in re.findall(r"`([a-z_0-9./]+)`", text) if "/" in word or word.endswith(".py")}
    assert len(named) > 20
    places = (ROOT, PACKAGE, CORE, PACKAGE / "server")
    missing = [word for word in named if not any((place / word).exists() for place in places)]
    # Within a row of the map a room names its own files.
    rooms = [path for path in PACKAGE.iterdir() if path.is_dir()]
    assert [word for word in missing if not any((room / word).exists() for room in rooms)] == []
