"""How answers reach a person or a program: text on a line, a JSON object on a line, a tree, a bar.

Nothing here styles what goes into a pipe, and nothing breaks a line that a program might read.
Law: standard output holds answers only; what happened on the way goes to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

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


def put(text: str) -> None:
    """A line of the answer."""
    sys.stdout.write(f"{text}\n")


def put_raw(text: str) -> None:
    """A text of the answer as it is, ended by a newline."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def put_json(value: Mapping[str, object]) -> None:
    """An object of the answer, on one line. A key without a value is left out, as docs/cli.md promises."""
    present = {key: each for key, each in value.items() if each is not None}
    put(json.dumps(present, ensure_ascii=False, separators=(", ", ": ")))


def note(text: str) -> None:
    """A line on the side, for the person who watches."""
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")


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
