"""docs/apply.md is true: its files are applied as it shows, and its table of kinds is that of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.cli.main import main
from remit.client import Client
from remit.engine.agents.documents import BYTES_MAX, DOCUMENTS_MAX, FACTS_MAX
from remit.engine.agents.kinds import KINDS, Field, Form
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.docs.blocks import DOCS, blocks_of, run_python, table_cells
from tests.support.docs.consoles import run_console
from tests.support.serving import NOW_US

PAGE = "apply.md"
SCHEMA = 'use import\nimport "remit:agents@1"\n'


def rows() -> list[list[str]]:
    """The table of kinds as the page has it."""
    return [
        [f"`{kind.name}`, `{kind.list}`" if each is None or each is kind.fields[0] else "", *_cells(each, kind.about)]
        for kind in KINDS
        for each in kind.fields or (None,)
    ]


def _cells(field: Field | None, about: str) -> list[str]:
    if field is None:
        return ["", "", "", about]
    names = ", ".join(f"`{each}`" for each in field.types) if field.types else field.form.value
    taken = f"; takes {', '.join(f'`{each}`' for each in field.takes)}" if field.takes else ""
    needed = " **Needed.**" if field.is_required else ""
    default = f" `{field.default}` where it is left out." if field.default else ""
    shown = f"a list of {names}" if field.form is Form.MANY else names
    return [f"`{field.name}`", shown + taken, f"`{field.fact}`" if field.fact else "", field.about + needed + default]


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    assert table_cells(PAGE, "## The kinds") == rows()


def test_its_bounds_are_those_there_are() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    assert f"{DOCUMENTS_MAX:,} documents" in text
    assert f"{FACTS_MAX:,} facts and {BYTES_MAX // 2**20} MiB" in text


def test_its_files_are_applied_as_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    for block in blocks_of(PAGE, "yaml"):
        if "file" in block.says:
            (tmp_path / block.says["file"]).write_text(block.text, encoding="utf-8")
    whole = (tmp_path / "organisation.yaml").read_text(encoding="utf-8")
    before, _, after = whole.partition("---\napiVersion: remit/v1\nkind: Agent\n")
    smaller = before + after[after.index("---\n") :].replace(", agent:payer]", "]")
    (tmp_path / "smaller.yaml").write_text(smaller, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(arguments: list[str]) -> tuple[int, str]:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out + err

    environment: dict[str, str] = {}
    with BackgroundServer(engine) as server:
        monkeypatch.setenv("REMIT_ENDPOINT", server.endpoint)
        for block in blocks_of(PAGE, "console"):
            run_console(block, run, environment)
        with Client(server.endpoint) as client:
            for block in blocks_of(PAGE, "python"):
                run_python(block, {"remit": client})
    engine.close()
