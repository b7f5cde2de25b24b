"""The core's crates and rooms: who may know whom. rustc holds the first between crates, and nothing between modules.

Law: modules know only those below them, so that no cycle of them comes into being, neither of rooms nor of files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "engine" / "core"

# Of each crate, its rooms in the order in which they are built upon one another: each may know those before it.
ROOMS = {
    "remit-arguments": [
        "numbers",
        "json_text",
        "values",
        "glob",
        "judged",
        "call",
        "tree",
        "fitting",
        "document",
        "judge",
        "patterns",
        "keywords",
        "closed_schema",
        "schema_library",
        "tool_schema",
    ],
    "remit-core": [
        "protobuf",
        "clock",
        "memory",
        "graph",
        "schema",
        "check",
        "expand",
        "lookup",
        "store",
    ],
    "remit-front": [
        "fair_quota",
        "turns",
        "fair_semaphore",
        "status",
        "codec",
        "credentials",
        "hot_path",
        "verbs",
        "metrics",
        "response",
        "dispatch",
        "transport",
    ],
    "remit-py": [
        "gil",
        "arguments",
        "clock",
        "holdings",
        "given",
        "session",
        "turns",
        "edges",
        "checks",
        "expansions",
        "lookups",
        "store",
        "tool_schemas",
        "front",
    ],
}

# What a crate may not be built with: whatever speaks with Python; and for the graph and its meaning, with anybody.
FORBIDDEN = {
    "remit-arguments": ["pyo3", "tokio", "h2", "http", "tokio-rustls", "remit-core", "remit-front", "remit-py"],
    "remit-core": ["pyo3", "tokio", "h2", "http", "tokio-rustls", "remit-front", "remit-py"],
    "remit-front": ["pyo3", "remit-py"],
    "remit-py": [],
}

_TESTS = re.compile(r"#\[cfg\(test\)\]\s*(pub )?mod \w+ \{.*?^\}", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"//.*")
# `pub(super)` says who may look, and looks nowhere.
_PATH = re.compile(r"(?<!pub\()\b(?:crate|super)(?:::(?:\w+|\{))*")


def modules_of(crate: str) -> dict[tuple[str, ...], str]:
    """Every module of a crate by its path, with its text: without tests, which may know everything, and comments."""
    source = CORE / crate / "src"
    files = {path.relative_to(source).with_suffix("").parts: path for path in source.rglob("*.rs")}
    skipped = {("lib",), ("tests",)}
    return {
        parts: _COMMENT.sub("", _TESTS.sub("", path.read_text(encoding="utf-8")))
        for parts, path in files.items()
        if parts not in skipped
    }


def known_by(module: tuple[str, ...], text: str, modules: dict[tuple[str, ...], str]) -> Iterator[tuple[str, ...]]:
    """The modules that a module's text names, each as deep as there is a file for it."""
    for below in modules:
        if below[:-1] == module and re.search(rf"(?<![\w:]){below[-1]}::", text):
            yield below
    for match in _PATH.finditer(text):
        for path in _spread(match.group(), text[match.end() :]):
            parts = list(module)
            for word in path:
                if word == "crate":
                    parts = []
                elif word == "super":
                    parts = parts[:-1]
                else:
                    parts = [*parts, word]
            while parts and tuple(parts) not in modules:
                parts.pop()
            if tuple(parts) != module:
                yield tuple(parts)


def _spread(path: str, rest: str) -> list[list[str]]:
    """`a::{b::C, d}` as the paths that it stands for; groups within groups are written out by nobody here."""
    words = path.split("::")
    if words[-1] != "{":
        return [words]
    group = rest.partition("}")[0]
    assert "{" not in group, f"a group within a group: `{path}{group}`"
    return [[*words[:-1], *each.strip().split("::")] for each in group.split(",") if each.strip()]


@pytest.mark.parametrize("crate", ROOMS)
def test_a_room_knows_only_rooms_below_it(crate: str) -> None:
    rooms, modules = ROOMS[crate], modules_of(crate)
    assert {module[0] for module in modules} == set(rooms)
    upwards = [
        f"{'/'.join(module)} knows {'/'.join(known)}"
        for module, text in modules.items()
        for known in known_by(module, text, modules)
        if known and rooms.index(known[0]) > rooms.index(module[0])
    ]
    assert upwards == []


@pytest.mark.parametrize("crate", ROOMS)
def test_no_files_know_each_other_in_a_cycle(crate: str) -> None:
    modules = modules_of(crate)
    graph = {module: set(known_by(module, text, modules)) - {()} for module, text in modules.items()}
    assert sum(map(len, graph.values())) > len(graph) / 2
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("crate", ROOMS)
def test_a_crate_is_built_with_nothing_of_those_above_it(crate: str) -> None:
    manifest = tomllib.loads((CORE / crate / "Cargo.toml").read_text(encoding="utf-8"))
    built_with = {*manifest["dependencies"], *manifest.get("dev-dependencies", {})}
    assert not built_with & set(FORBIDDEN[crate])


def test_paths_are_read_as_rust_reads_them() -> None:
    modules = {("a",): "", ("a", "b"): "", ("c",): "", ("c", "d"): ""}
    for module, text, expected in [
        (("a", "b"), "use super::super::c::{self, d::Thing};", [("c",), ("c", "d")]),
        (("a", "b"), "fn f() -> crate::a::Other; use super::{x, y};", [("a",), ("a",), ("a",)]),
        (("c",), "mod d; fn f(x: Vec<d::Thing>) -> std::d::Thing; use crate::c::d;", [("c", "d"), ("c", "d")]),
        (("c",), "mod d; struct Thing;", []),
        (("c", "d"), "pub(super) struct Thing; pub(crate) fn f() {}", []),
        (("c", "d"), "pub(super) fn f() -> super::Thing;", [("c",)]),
    ]:
        assert [*known_by(module, text, modules)] == expected
