"""How answers reach a reader: as they are for a file, harmless for a terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.cli.render.failures import report
from remit.cli.render.output import json_line, note, put, put_json, put_raw, visible
from remit.errors import RemitError

STEERING = "\x1b]0;title\x07 \x1b[2J \x9b31m \u202egnirts \u2028 \x7f \U000e0041"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_visible_text_has_lines_and_nothing_else_that_steers(text: str) -> None:
    assert visible(text).replace("\n", "").replace("\t", "").isprintable()
    if text.isprintable():
        assert visible(text) == text


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_line_of_json_is_printable_and_means_what_was_given(value: object) -> None:
    assert json_line(value).isprintable()
    assert json.loads(json_line(value)) == value


def test_a_terminal_is_not_steered_by_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, aside = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", answers)
    monkeypatch.setattr(sys, "stderr", aside)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    put(STEERING)
    put_raw(f"// {STEERING}\n\tpermission view = viewer\n")
    put_json({"why": STEERING})
    note(STEERING)
    report(RemitError(STEERING), as_json=False)
    report(RemitError(STEERING), as_json=True)
    for told in (answers.getvalue(), aside.getvalue()):
        assert told.replace("\n", "").replace("\t", "").isprintable()
    assert "\\x1b[2J" in answers.getvalue() and "\tpermission view = viewer\n" in answers.getvalue()


def test_a_file_gets_the_answer_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    put_raw(f"// {STEERING}\n")
    assert capsys.readouterr().out == f"// {STEERING}\n"
