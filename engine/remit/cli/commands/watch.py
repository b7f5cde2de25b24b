"""`remit watch`: what changes, as it changes; with `--permission`, who gets it and who loses it.

Law: what is printed of a store as text are updates that `remit write` takes: replayed in order, they make the same of a
copy."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from remit.cli.arguments.filters import parse_filter
from remit.cli.arguments.tokens import From
from remit.cli.render.as_json import event_json, permission_event_json
from remit.cli.render.output import json_line, note, put, put_json, verdict_words
from remit.cli.session import Session, command
from remit.client import ChangeKind, PermissionEvent, Permissionship, Verdict, WatchEvent
from remit.errors import RemitError
from remit.model import WILDCARD, SubjectRef
from remit.notation import format_relationship, format_time, parse_time, parse_watched_permission

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
    permission: Annotated[
        str,
        typer.Option(
            "--permission",
            metavar="PERMISSION",
            help="Tell who gets it and who loses it instead: `type#permission@type`, as in `tool#use@run`, or "
            "`…@type#relation`.",
        ),
    ] = "",
    evaluated_at: Annotated[
        str,
        typer.Option(
            "--evaluated-at", metavar="TIME", help="With `--permission` and `--from`: the time of the token's answer."
        ),
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="Stop after so many revisions; 0 goes on.")
    ] = 0,
) -> int:
    """Tell every change, in order, until interrupted.

    Each revision is told as the updates that it was, `touch` or `delete` and a relationship, then in lines that begin
    with `//` which records it wrote or removed, which verb of agents it was, and its token, time and writer: `--from`
    takes the token. A connection that breaks is made again, and nothing is told twice. With `--json`, checkpoints are
    told, too: they say that nothing happened up to a token.

    With `--permission` it is told who has that permission of which resources, as that changes: by writes, and by
    relationships that begin or end. A line has the resource, the permission and the subject, and what was and what is
    now. Where that cannot be told, a line says to look up anew. `--from` and `--evaluated-at` take the token and the
    time of the `//` line together.

    Examples:

        remit watch --filter 'tool#may_use'
        remit watch --permission 'tool#use@run'
        remit watch --from "$TOKEN" --json
        remit export backup.txt --json   # and then: remit watch --from its token
    """
    if permission:
        if filters:
            raise typer.BadParameter("`--filter` is about relationships, and `--permission` about what follows of them")
        return _watch_permission(session, permission, after, evaluated_at, limit)
    if evaluated_at:
        raise typer.BadParameter("`--evaluated-at` goes with `--permission`")
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


def _watch_permission(session: Session, permission: str, after: str, evaluated_at: str, limit: int) -> int:
    printed = 0
    name = parse_watched_permission(permission).permission
    at_us = parse_time(evaluated_at) if evaluated_at else None
    with (
        session.connect() as client,
        client.watch_permission(permission, after=after, evaluated_at_us=at_us) as watching,
    ):
        try:
            for event in watching:
                _print_permission(event, name, session)
                printed += not event.checkpoint
                if limit and printed == limit:
                    break
        except (RemitError, KeyboardInterrupt) as ending:
            token, told_at_us = watching.token, watching.evaluated_at_us
            if told_at_us is not None and (token != after or isinstance(ending, KeyboardInterrupt)):
                note(f"go on with `--from {token} --evaluated-at {format_time(told_at_us)}`")
            raise
    return 0


def _print_permission(event: PermissionEvent, name: str, session: Session) -> None:
    if session.json:
        put_json(permission_event_json(event))
    elif not event.checkpoint:
        for update in event.updates:
            words = f"{_words(update.before)} → {_words(update.now)}"
            if not update.now.listed and update.now.verdict is not Verdict.NO:
                words += f", as {SubjectRef(update.subject.type, WILDCARD, update.subject.relation)}"
            put(f"{update.resource}#{name}@{update.subject}\t{words}")
        heading = f"// {event.token} {format_time(event.evaluated_at_us)}"
        put(heading if event.reset is None else f"{heading} reset ({event.reset.value}): look up anew")
    sys.stdout.flush()


def _words(permissionship: Permissionship) -> str:
    if permissionship.verdict is None:
        return "error" if permissionship.error is None else f"error ({permissionship.error.reason})"
    return verdict_words(permissionship.verdict, permissionship.missing)


def _print(event: WatchEvent, session: Session) -> None:
    if session.json:
        put_json(event_json(event))
    elif not event.checkpoint:
        for change in event.changes:
            put(f"{_UPDATES[change.kind]} {format_relationship(change.relationship)}")
        for record in event.records:
            put(f"// record {record.record_kind} of {record.object} {record.kind.value}")
        if event.entry:
            put(f"// entry {json_line(event.entry)}")
        heading = f"// {event.token} {format_time(event.committed_at_us)} by {event.written_by}"
        heading += " schema changed" if event.schema is not None else ""
        put(f"{heading} {json_line(event.metadata)}" if event.metadata else heading)
    sys.stdout.flush()
