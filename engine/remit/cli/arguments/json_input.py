"""A JSON object that a command is given: as text, as a file, or on standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from remit.cli.arguments.lines import STANDARD_INPUT
from remit.errors import FileUnreadable
from remit.notation import shortened


def read_json_input(argument: str) -> bytes:
    """The bytes of an argument that begins with `{`, of standard input for `-`, else of the file that it names, with or
    without an `@` before it. Raises FileUnreadable."""
    if argument.lstrip().startswith("{"):
        return argument.encode("utf-8", "surrogateescape")
    if argument == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    path = argument.removeprefix("@")
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        hint = "; JSON itself begins with `{`"
        raise FileUnreadable(f"cannot read `{shortened(path, 4_096)}`: {reason}{hint}", file=path) from error
