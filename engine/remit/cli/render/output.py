"""How answers reach a person or a program: text on a line, a JSON object on a line, a tree, a bar.

Nothing here styles what goes into a pipe, and nothing breaks a line that a program might read.
Laws: standard output holds answers only; what happened on the way goes to standard error. No answer steers the
terminal it is shown on: what schemas, contexts and metadata hold was written by others."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import IO

from rich.console import Console
from rich.text import Text

from remit.model import Verdict

WORDS = {Verdict.YES: "yes", Verdict.CONDITIONAL: "conditional", Verdict.NO: "no"}
STYLES = {Verdict.YES: "green", Verdict.CONDITIONAL: "yellow", Verdict.NO: "red"}
EXIT_CODES = {Verdict.YES: 0, Verdict.NO: 1, Verdict.CONDITIONAL: 3}


# rich would cut what does not fit; a terminal folds long lines itself, and a pipe has no width.
_UNBOUNDED = 100_000


def out() -> Console:
    """Standard output, coloured on a terminal. Made anew, so that it follows a redirected `sys.stdout`."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def trees() -> Console:
    """Standard output for trees, whose lines are never cut."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True, width=_UNBOUNDED)


def err() -> Console:
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def visible(text: str) -> str:
    """The text with its control characters, and those that turn the direction of writing, as `\\x1b` writes them."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def for_reader(stream: IO[str], text: str) -> str:
    """The text as it is for a file or a program, and visible for a person at a terminal."""
    return visible(text) if stream.isatty() else text


def put(text: str) -> None:
    """A line of the answer."""
    sys.stdout.write(for_reader(sys.stdout, f"{text}\n"))


def put_raw(text: str) -> None:
    """A text of the answer as it is, ended by a newline."""
    put(text.removesuffix("\n"))


def put_json(value: Mapping[str, object]) -> None:
    """An object of the answer, on one line. A key without a value is left out, as docs/cli.md promises."""
    present = {key: each for key, each in value.items() if each is not None}
    put(json_line(present))


def json_line(value: object) -> str:
    """JSON on one line, whose letters can be read and which holds no other characters than those."""
    line = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    # Those that are left stand in strings, where JSON has its own way to write them.
    return (
        line if line.isprintable() else "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)
    )


def note(text: str) -> None:
    """A line on the side, for the person who watches."""
    sys.stdout.flush()
    sys.stderr.write(for_reader(sys.stderr, f"{text}\n"))


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Shows a count on standard error while it grows; nothing where no one watches."""
    console = err()
    with console.status(what) if console.is_terminal else nullcontext() as status:

        def show(count: int) -> None:
            if status is not None:
                status.update(f"{what}: {count:,}")

        yield show


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of equally many cells as lines, the cells of a column below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def verdict_words(verdict: Verdict, missing: tuple[str, ...] = ()) -> str:
    """`yes`, `no`, or `conditional (missing: …)`."""
    return f"{WORDS[verdict]} (missing: {', '.join(missing)})" if missing else WORDS[verdict]


def verdict_text(verdict: Verdict, missing: tuple[str, ...] = ()) -> Text:
    return Text(verdict_words(verdict, missing), style=STYLES[verdict])
