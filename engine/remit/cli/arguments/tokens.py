"""Tokens and cursors that are named on a command line.

Law: a token that is given is a token. An empty one is mostly a shell variable that was never filled, and must not pass
for the head, or for the beginning."""

from __future__ import annotations

from typing import Annotated

import typer


def _filled(context: typer.Context, option: typer.CallbackParam, value: str) -> str:
    """The value. Raises typer.BadParameter for one that is given and empty."""
    source = context.get_parameter_source(option.name or "")
    if not value and source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter("`` is empty: is the variable set? Leave the option out where nothing is meant")
    return value


AtLeast = Annotated[
    str,
    typer.Option(
        "--at-least",
        metavar="TOKEN",
        callback=_filled,
        help="Answer no older than the write that gave this token.",
    ),
]
AtExactly = Annotated[
    str,
    typer.Option("--at-exactly", metavar="TOKEN", callback=_filled, help="Answer as of exactly this token's revision."),
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="TOKEN",
        callback=_filled,
        help="Tell what came after this token; without it: from now on.",
    ),
]
Cursor = Annotated[
    str,
    typer.Option(
        "--cursor", metavar="CURSOR", callback=_filled, help="Go on where an export to standard output ended."
    ),
]
