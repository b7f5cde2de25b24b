"""Source text, places in it, and messages about them: the one way a schema message gets its line and its caret.

A span is a pair of character offsets. Where several files make one schema, each file's `base` shifts its offsets, so
that every span of the whole schema belongs to exactly one file; `SourceMap` finds it. A lone text has base 0.
Law: every offset from a source's base to its end, both included, has one line and one column, and the line holds it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from remit.errors import SchemaInvalid

# A carriage return alone ends a line in SpiceDB's lexer too, so that old Mac texts have lines as well.
_LINE_END = re.compile(r"\r\n|\r|\n")

# A minified schema may be one line of a megabyte; people read about this much of it around the caret.
_SHOWN_LINE_MAX = 160
_SHOWN_BEFORE_CARET = 100
# A message may quote a name of any length; what is shown of it must fit into an RPC's trailing metadata.
_SHOWN_MESSAGE_MAX = 400


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open character offsets [start, end) into a source text, counted from the source's base."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span begins, for people: the file, the line and column (both from 1), and the line's own text."""

    file: str
    line: int
    column: int
    text: str


class Piece(NamedTuple):
    """Where a line of a file stands in a text that is part of the file: from `offset` on, the text is that line from
    `column` on. `line` and `column` count from 1; `whole` is the line as the file has it."""

    offset: int
    line: int
    column: int
    whole: str


class ImportedAt(NamedTuple):
    """Where a library was imported: the source that did so, and the import in it."""

    source: Source
    span: Span


@dataclass(frozen=True, slots=True)
class Source:
    """One text and the name it is known by. Columns count characters, not bytes and not cells of a terminal.

    Where the text is but part of its file, as a block of a world is, `pieces` say which, by rising offset, and its
    places are those of the file. A library says where it was imported; other files are their writer's own."""

    name: str
    text: str
    base: int = 0
    pieces: tuple[Piece, ...] = field(default=(), repr=False)
    library: ImportedAt | None = field(default=None, repr=False, compare=False)
    _line_starts: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def end(self) -> int:
        """The offset just behind the last character."""
        return self.base + len(self.text)

    def place(self, offset: int) -> Place:
        """The place of an offset; one outside the text counts as the nearest end.

        Cost: O(text) the first time, O(log lines) after."""
        local = min(max(offset - self.base, 0), len(self.text))
        if self.pieces:
            at = bisect_right(self.pieces, local, key=lambda piece: piece.offset) - 1
            start, line, column, whole = self.pieces[max(at, 0)]
            return Place(self.name, line, min(column + max(local - start, 0), len(whole) + 1), whole)
        if not self._line_starts:
            self._line_starts.extend([0, *(end.end() for end in _LINE_END.finditer(self.text))])
        line = bisect_right(self._line_starts, local)
        start = self._line_starts[line - 1]
        stop = self._line_starts[line] if line < len(self._line_starts) else len(self.text)
        return Place(self.name, line, local - start + 1, self.text[start:stop].rstrip("\r\n"))

    def of(self, span: Span) -> Source:
        """The source a span of this text lies in: itself."""
        return self

    def slice(self, span: Span) -> str:
        """The text a span covers."""
        return self.text[span.start - self.base : span.end - self.base]


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Every source of one schema, by rising base; the first is the file that was asked for, the rest its imports.
    Bases leave one offset free between two sources, so that the end of one is not the beginning of the next."""

    sources: tuple[Source, ...] = ()

    def of(self, span: Span) -> Source:
        """The source a span lies in. Cost: O(log sources)."""
        if not self.sources:
            return Source("", "")
        index = bisect_right(self.sources, span.start, key=lambda source: source.base) - 1
        return self.sources[max(index, 0)]

    def place(self, offset: int) -> Place:
        return self.of(Span(offset, offset)).place(offset)

    def slice(self, span: Span) -> str:
        return self.of(span).slice(span)


NO_SOURCES = SourceMap()

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding about a schema. `code` is stable and kebab-case, for programs; `message` and `suggestion` are for
    people, shown clipped where they are very long. `source` may be the one source or the whole map: both know the
    place of the span."""

    severity: Severity
    code: str
    message: str
    span: Span
    source: Source | SourceMap
    suggestion: str = ""

    @property
    def place(self) -> Place:
        return self.source.place(self.span.start)

    def at_import(self) -> Issue:
        """The issue where its reader can do something about it: one inside a library stands at its import."""
        written_in = self.source.of(self.span)
        if written_in.library is None:
            return self
        message = f"in `{written_in.name}`, line {self.line}: {self.message}"
        return replace(self, message=message, span=written_in.library.span, source=written_in.library.source)

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    def summary(self) -> str:
        """One line: `file:line:column: severity: message (suggestion) [code]`."""
        place = self.place
        advice = f" ({self.suggestion})" if self.suggestion else ""
        return f"{_prefix(place)}: {self.severity}: {_clipped(self.message)}{_clipped(advice)} [{self.code}]"

    def render(self) -> str:
        """The summary, the line it speaks of, a caret under the span, and the suggestion.

        schema.zed:1:1: error: expected `definition` … but found `definiton` [syntax]
          1 | definiton user {}
            | ^^^^^^^^^
            = did you mean `definition`?
        """
        place = self.place
        width = max(self.span.end - self.span.start, 1)
        shown, indent, carets = _shown(place.text, place.column - 1, width)
        gutter = " " * len(str(place.line))
        lines = [
            f"{_prefix(place)}: {self.severity}: {_clipped(self.message)} [{self.code}]",
            f"  {place.line} | {shown}",
            f"  {gutter} | {indent}{'^' * carets}",
        ]
        if self.suggestion:
            lines.append(f"  {gutter} = {_clipped(self.suggestion)}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()


def refusal(issues: Sequence[Issue]) -> SchemaInvalid:
    """The error that carries these issues, at least one; its message is the first, on one line."""
    issues = [issue.at_import() for issue in issues]
    first = issues[0]
    return SchemaInvalid(first.summary(), issues=issues, file=first.file, line=first.line, column=first.column)


def _prefix(place: Place) -> str:
    return f"{_clipped(place.file)}:{place.line}:{place.column}" if place.file else f"{place.line}:{place.column}"


def _clipped(message: str) -> str:
    """At most so much of a message, on one line, and nothing in it that a terminal would obey."""
    clipped = message if len(message) <= _SHOWN_MESSAGE_MAX else message[: _SHOWN_MESSAGE_MAX - 1] + "…"
    return "".join(char if char.isprintable() else " " if char == "\n" else "�" for char in clipped)


def _shown(text: str, column: int, width: int) -> tuple[str, str, int]:
    """The part of a line worth showing, the white space that leads to its caret, and how many carets fit.

    Tabs stay tabs in both, so that the caret stands right whatever a tab's width; what else cannot be printed is shown
    as `�`, since a schema is often read from a terminal that would obey it."""
    start = max(column - _SHOWN_BEFORE_CARET, 0) if len(text) > _SHOWN_LINE_MAX else 0
    window = text[start : start + _SHOWN_LINE_MAX]
    lead = "…" if start else ""
    tail = "…" if start + len(window) < len(text) else ""
    shown = "".join(char if char.isprintable() or char == "\t" else "�" for char in window)
    before = lead + shown[: column - start]
    indent = "".join("\t" if char == "\t" else " " for char in before)
    carets = max(min(width, len(window) - (column - start)), 1)
    return lead + shown + tail, indent, carets
