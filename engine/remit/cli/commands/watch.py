"""`remit watch`: what changes, as it changes.

Law: what is printed as text are updates that `remit write` takes: replayed in order, they make the same of a copy."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from remit.cli.arguments.filters import parse_filter
from remit.cli.arguments.tokens import From
from remit.cli.render.as_json import event_json
from remit.cli.render.output import json_line, note, put, put_json
from remit.cli.session import Session, command
from remit.client import ChangeKind, WatchEvent
from remit.errors import RemitError
from remit.notation import format_relationship, format_time

_UPDATES = {ChangeKind.TOUCHED: "touch", ChangeKind.DELETED: "delete"}


def register(app: typer.Typer) -> None:
    command(app, "watch")(watch)


def watch(
    session: Session,
    after: From = "",
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="FILTER", help="Only these; see `remit read --help`. May be repeated."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="Stop after so many revisions; 0 goes on.")
    ] = 0,
) -> int:
    """Tell every change, in order, until interrupted.

    Each revision is told as the updates that it was, `touch` or `delete` and a relationship, and then a line that
    begins with `//` with its token, time and writer: `--from` takes the token. A connection that breaks is made again,
    and nothing is told twice. With `--json`, checkpoints are told, too: they say that nothing happened up to a token.

    Examples:

        remit watch --filter 'tool#may_use'
        remit watch --from "$TOKEN" --json
        remit export backup.txt --json   # and then: remit watch --from its token
    """
    printed = 0
    wanted = [parse_filter(text) for text in filters or ()]
    with session.connect() as client, client.watch(after, wanted) as watching:
        try:
            for event in watching:
                _print(event, session)
                printed += not event.checkpoint
                if limit and printed == limit:
                    break
        except (RemitError, KeyboardInterrupt) as ending:
            # A token that was refused is nothing to go on with.
            if watching.token and (watching.token != after or isinstance(ending, KeyboardInterrupt)):
                note(f"go on with `--from {watching.token}`")
            raise
    return 0


def _print(event: WatchEvent, session: Session) -> None:
    if session.json:
        put_json(event_json(event))
    elif not event.checkpoint:
        for change in event.changes:
            put(f"{_UPDATES[change.kind]} {format_relationship(change.relationship)}")
        heading = f"// {event.token} {format_time(event.committed_at_us)} by {event.written_by}"
        heading += " schema changed" if event.schema is not None else ""
        put(f"{heading} {json_line(event.metadata)}" if event.metadata else heading)
    sys.stdout.flush()
