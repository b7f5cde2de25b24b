"""Laws of places: every offset has one line and one column, and what is rendered points at it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from remit.language.source import Issue, Source, SourceMap, Span, refusal

texts = st.text(st.sampled_from("ab\té漢\u2028\x00\r\n") | st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts, st.data())
def test_a_place_is_where_counting_lines_by_hand_ends(text, data):
    offset = data.draw(st.integers(0, len(text)))
    base = data.draw(st.integers(0, 1000))
    place = Source("a.zed", text, base).place(base + offset)
    # A line's end belongs to its line, also between `\r` and `\n`.
    ends = [match.end() for match in re.finditer(r"\r\n|\r|\n", text) if match.end() <= offset]
    assert place.line == len(ends) + 1
    assert place.column == offset - (ends[-1] if ends else 0) + 1
    line = re.split(r"\r\n|\r|\n", text)[place.line - 1]
    assert place.text == line
    assert place.column <= len(line) + 2


@given(st.lists(texts, min_size=1, max_size=5), st.data())
def test_a_map_finds_the_source_every_offset_came_from(parts, data):
    sources, base = [], 0
    for number, text in enumerate(parts):
        sources.append(Source(f"{number}.zed", text, base))
        base = sources[-1].end + 1
    chosen = data.draw(st.sampled_from(sources))
    offset = data.draw(st.integers(chosen.base, chosen.end))
    sources_map = SourceMap(tuple(sources))
    assert sources_map.of(Span(offset, offset)) is chosen
    assert sources_map.place(offset) == chosen.place(offset)
    end = data.draw(st.integers(offset, chosen.end))
    assert sources_map.slice(Span(offset, end)) == chosen.text[offset - chosen.base : end - chosen.base]


@given(texts, st.data())
def test_a_rendered_issue_prints_on_a_terminal_and_points_at_its_column(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    issue = Issue("error", "test", "wrong", Span(start, end), Source("a.zed", text), "do it right")
    lines = issue.render().split("\n")
    assert len(lines) == 4
    assert lines[0] == f"a.zed:{issue.line}:{issue.column}: error: wrong [test]"
    assert all(char.isprintable() or char == "\t" for line in lines for char in line)
    assert len(lines[2]) - len(lines[2].lstrip(" \t|")) == lines[1].index("|") + 2 + issue.column - 1
    assert lines[2].strip(" \t|").strip("^") == ""
    assert lines[3].endswith("= do it right")


def test_the_caret_stands_under_what_is_meant_whatever_a_tabs_width():
    issue = Issue("warning", "c", "m", Span(2, 5), Source("", "\t\tbad line\n"), "s")
    assert issue.render() == "1:3: warning: m [c]\n  1 | \t\tbad line\n    | \t\t^^^\n    = s"
    assert issue.summary() == "1:3: warning: m (s) [c]"
    assert str(issue) == issue.render()


def test_of_a_very_long_line_only_the_part_around_the_caret_is_shown():
    text = "x" * 5000 + "HERE" + "y" * 5000
    lines = Issue("error", "c", "m", Span(5000, 5004), Source("", text)).render().split("\n")
    assert len(lines[1]) < 200
    at = lines[2].index("^")
    assert lines[1][at : at + 4] == "HERE"
    assert lines[2][at:] == "^^^^"


def test_a_message_is_shown_clipped_and_harmless_whatever_it_quotes():
    issue = Issue("error", "c", "`" + "n" * 10_000 + "`", Span(0, 0), Source("", ""), "\x1b[2J" + "s" * 10_000)
    assert len(issue.render()) < 1000
    assert len(issue.summary()) < 1000
    assert "\x1b" not in issue.render() + issue.summary()
    assert len(issue.message) == 10_002


def test_an_error_carries_its_issues_and_says_the_first():
    issues = [Issue("error", f"c{n}", f"m{n}", Span(n, n), Source("a.zed", "abc")) for n in range(2)]
    error = refusal(issues)
    assert error.issues == tuple(issues)
    assert error.message == "a.zed:1:1: error: m0 [c0]"
    assert error.metadata == {"file": "a.zed", "line": "1", "column": "1"}


def test_a_node_from_nowhere_has_a_place_all_the_same():
    assert SourceMap().place(0).line == 1
