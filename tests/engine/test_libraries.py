"""Laws of a schema that imports a library: the store keeps what it meant when it was written, whatever a later Remit
ships under that name, and gives back the text that was written."""

from __future__ import annotations

import contextlib

import pytest

from remit.engine.limits import Limits
from remit.errors import LimitExceeded, SchemaInvalid, UnknownRelation
from remit.language import imports, libraries
from remit.language.libraries import AGENTS, library_text
from remit.model import Verdict
from tests.support.engines import EngineOfTest, EngineOpener
from tests.support.restoring import feed

SCHEMA = f'use import\n\nimport "{AGENTS}"\n\ndefinition note {{\n  relation reader: user\n}}\n'
LATER = "definition user {\n  relation other: user\n}\n"
FACT = "team:finance#member@user:anne"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Call it to go on with a Remit whose library of this name says something else."""
    library_text(AGENTS)  # as it is, before it is another
    return monkeypatch


def ship(later: pytest.MonkeyPatch, text: str) -> None:
    later.setattr(imports, "library_text", lambda name: text)


def test_a_schema_is_read_as_it_was_written_and_as_it_was_compiled(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    read = engine.engine.schemas.read("")
    assert read.text == SCHEMA
    assert AGENTS not in read.expansion and "definition agent_version" in read.expansion
    assert engine.engine.schemas.diff("", SCHEMA).changes == ()
    assert engine.engine.schemas.diff("", read.expansion).changes == ()
    engine.write(FACT, "note:1#reader@user:anne")
    assert engine.verdict("team:finance#member@user:anne") is Verdict.YES


def test_a_later_library_changes_nothing_of_what_is_stored(
    open_engine: EngineOpener, later: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    engine.schema(SCHEMA)
    engine.write(FACT)
    before = engine.engine.schemas.read("")
    ship(later, LATER)
    if engine.kind == "lmdb":
        engine.reopen()
    read = engine.engine.schemas.read("")
    assert (read.text, read.expansion) == (before.text, before.expansion)
    assert engine.verdict(FACT) is Verdict.YES
    # And it is brought in where somebody writes the schema again.
    assert "definition-removed" in {each.code for each in engine.engine.schemas.diff("", SCHEMA).changes}
    engine.write(f"delete {FACT}")
    token = engine.schema(SCHEMA)
    assert engine.engine.schemas.read("").text == SCHEMA
    with pytest.raises(UnknownRelation):
        engine.verdict("user:anne#registered@user:anne")
    # The past keeps what it had, under the very same text.
    past = engine.engine.schemas.read("", at_exactly=before.token)
    assert (past.text, past.expansion) == (before.text, before.expansion)
    assert engine.verdict(FACT, at_exactly=before.token) is Verdict.YES
    assert token != before.token


def test_a_backup_brings_both_texts_and_compiles_the_kept_one(engine: EngineOfTest, later: pytest.MonkeyPatch) -> None:
    engine.schema(SCHEMA)
    engine.write(FACT)
    before = engine.engine.schemas.read("")
    with contextlib.closing(engine.engine.stores.backup("")) as copying:
        copying.take()
        data = b"".join(iter(lambda: copying.read(1 << 16), b""))
    ship(later, LATER)
    with contextlib.closing(engine.engine.stores.restore("copy")) as restoring:
        feed(restoring, data)
        restoring.finish()
    read = engine.engine.schemas.read("copy")
    assert (read.text, read.expansion) == (before.text, before.expansion)


def test_a_server_resolves_libraries_and_nothing_else(engine: EngineOfTest) -> None:
    for path in ("people.zed", "/etc/passwd", "remit:agents@0", "http://example.com/a.zed"):
        with pytest.raises(SchemaInvalid) as caught:
            engine.schema(f'use import\nimport "{path}"\n')
        assert caught.value.issues[0].code in ("import-unavailable", "unknown-library")


def test_what_a_library_brings_counts_against_the_limits(open_engine: EngineOpener) -> None:
    few_terms = open_engine(Limits(schema_terms_max=100))
    with pytest.raises(LimitExceeded, match="100 terms"):
        few_terms.schema(SCHEMA)
    few_bytes = open_engine(Limits(schema_bytes_max=len(SCHEMA) + 1))
    with pytest.raises(LimitExceeded, match="schema"):
        few_bytes.schema(SCHEMA)


def test_every_name_of_a_library_stays() -> None:
    """A name that a store may have written is never taken away."""
    assert {"remit:agents@1"} <= libraries.LIBRARIES.keys()
