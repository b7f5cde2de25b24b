"""What every question may bring beside itself.

Law: an option has one name and one meaning, whichever command asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from remit.cli.arguments.lines import STANDARD_INPUT, read_bytes
from remit.model import Call

Context = Annotated[str | None, typer.Option("--context", metavar="JSON", help="Parameters for caveats.")]
Contextual = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="RELATIONSHIP", help="A fact that counts for this question only. May be repeated."),
]

Tool = Annotated[
    str, typer.Option("--tool", metavar="ID", help="The tool that is called: the question is about that one call.")
]
Arguments = Annotated[
    str,
    typer.Option(
        "--arguments", metavar="JSON", help="The arguments of the call; `@FILE` reads a file, `-` standard input."
    ),
]
Purpose = Annotated[str, typer.Option("--purpose", metavar="TEXT", help="What the call is for.")]
Descriptor = Annotated[
    str, typer.Option("--descriptor", metavar="SHA256", help="The digest of the tool's description that you saw.")
]


def given_call(
    tool: str, arguments: str, purpose: str, descriptor: str, questions: Collection[str] | None = None
) -> Call | None:
    """The call that a command is told of, None where it is told of none. `questions`: those that it was given.

    The arguments are sent as they are read, byte for byte: whether they can be read is for the server to say. Raises
    FileUnreadable."""
    if not (tool or arguments or purpose or descriptor):
        return None
    if not tool:
        raise typer.BadParameter("a call has a tool: name it with `--tool`")
    if not arguments:
        raise typer.BadParameter("a call has arguments: give them with `--arguments`, `{}` for none")
    if arguments == STANDARD_INPUT and (not questions or STANDARD_INPUT in questions):
        raise typer.BadParameter("standard input holds the questions or the arguments, and not both: use `@FILE`")
    if arguments == STANDARD_INPUT or arguments.startswith("@"):
        sent = read_bytes(arguments.removeprefix("@"))
    else:
        sent = arguments.encode("utf-8", "surrogateescape")
    return Call(tool, sent, purpose, descriptor)
