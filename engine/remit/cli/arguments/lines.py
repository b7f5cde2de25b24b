"""What a command is given line by line: as arguments, or on standard input and in files.

Blank lines and lines that begin with `//` are skipped.
Law: whatever is wrong with a line is reported with the place it came from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, NamedTuple

import typer

from remit.errors import FileUnreadable, RemitError

STANDARD_INPUT = "-"


class Line(NamedTuple):
    """A line with something on it. `number` counts from 1; 0 for an argument, which needs no place."""

    source: str
    number: int
    text: str

    def at_fault(self, error: RemitError) -> RemitError:
        """The same error, its message naming the place."""
        if self.number:
            error.message = f"{self.source}:{self.number}: {error.message}"
        return error


def given_lines(arguments: Iterable[str], what: str) -> list[Line]:
    """The arguments, `-` standing for the lines of standard input; those alone where there are no arguments.

    A person who gives nothing and sits at a terminal is told what is missing rather than waited for. No lines at all
    are an error: where something upstream failed, a check of nothing must not pass for a yes."""
    arguments = list(arguments)
    if not arguments:
        if sys.stdin.isatty():
            raise typer.BadParameter(f"give {what} as arguments, or `-` to read them from standard input")
        arguments = [STANDARD_INPUT]
    lines: list[Line] = []
    for argument in arguments:
        lines += read_lines(STANDARD_INPUT) if argument == STANDARD_INPUT else [Line("", 0, argument)]
    if not lines:
        raise typer.BadParameter(f"standard input held no {what}")
    return lines


def read_lines(path: str, *, skip: int = 0) -> Iterator[Line]:
    """The lines of a file, or of standard input for `-`, without the first `skip`. Raises FileUnreadable.

    Read as they are asked for: a file may hold a million."""
    source = "<stdin>" if path == STANDARD_INPUT else path
    number = 0
    try:
        with _opened(path) as stream:
            for number, raw in enumerate(stream, start=1):
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if number > skip and text and not text.startswith("//"):
                    yield Line(source, number, text)
    except UnicodeDecodeError as error:
        raise FileUnreadable(f"{source}:{number}: byte {error.start + 1} of the line is not UTF-8") from error
    except OSError as error:
        raise FileUnreadable(f"cannot read `{source}`: {(error.strerror or str(error)).lower()}") from error


def read_bytes(path: str) -> bytes:
    """All of a file, or of standard input for `-`, as it is. Raises FileUnreadable."""
    try:
        with _opened(path) as stream:
            return stream.read()
    except OSError as error:
        source = "<stdin>" if path == STANDARD_INPUT else path
        raise FileUnreadable(f"cannot read `{source}`: {(error.strerror or str(error)).lower()}") from error


def read_standard_input() -> str:
    """All of standard input. Raises FileUnreadable."""
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileUnreadable(f"cannot read standard input: byte {error.start} is not UTF-8") from error


def _opened(path: str) -> AbstractContextManager[IO[bytes]]:
    # Standard input is not ours to close.
    return nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else Path(path).open("rb")
