"""Law: README is true. Its program prints what it says, its commands answer as it says, and what it names is there.

That as many worlds and answers of SpiceDB's come out the same as it claims is held by tests/conformance."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.cli.commands.example import write_example
from remit.cli.main import main
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.notation import parse_time
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.docs.blocks import blocks_of
from tests.support.places import DOCS, ROOT

README = "../README.md"
ADDRESS = "127.0.0.1:50051"  # where `make run` serves
EXIT_CODES = {"yes": 0, "no": 1}
PAGES = [ROOT / "README.md", ROOT / "STYLE.md", ROOT / "bench" / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server with the small organisation in it, as `make run` starts one."""
    clock = ManualClock(parse_time("2027-01-01T00:00:00Z"))
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    assert write_example(engine)
    with BackgroundServer(engine) as server:
        yield server.endpoint
    engine.close()


def test_its_program_prints_what_its_comments_say(endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    [program] = blocks_of(README, "python")
    assert ADDRESS in program.text
    exec(compile(program.text.replace(ADDRESS, endpoint), str(program), "exec"), {})
    assert capsys.readouterr().out.split() == ["YES", "held", "True"]


def commands() -> list[tuple[list[str], str]]:
    """Each command of README's, and what its comment says."""
    lines = [line for block in blocks_of(README) for line in block.text.splitlines()]
    found = [line.partition(" remit ")[2] or line.partition("/remit ")[2] for line in lines if "bin/remit " in line]
    return [(shlex.split(line, comments=True), line.partition("  # ")[2]) for line in found]


def test_its_commands_are_there_and_answer_as_it_says(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REMIT_ENDPOINT", endpoint)
    said = commands()
    assert {command for [command, *_], _ in said} >= {"check", "expand", "demo"}
    for arguments, comment in said:
        if arguments[0] == "watch":  # it would not end
            continue
        word = re.split(r"\W", comment)[0] if arguments[0] == "check" else "yes"
        assert main(tuple(arguments)) == EXIT_CODES[word], arguments
    assert capsys.readouterr().err == ""


def test_the_words_of_make_that_it_names_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert {"run", "test", "check"} <= named <= rules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
