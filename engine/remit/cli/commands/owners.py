"""`remit orphans` and `transfer`: what nobody answers for, or soon, and how it is handed over.

Law: what is listed is all there is, unless the last line says otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import orphan_json, transfer_json
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.session import Session, command
from remit.engine.agents.owners import Orphan


def register(app: typer.Typer) -> None:
    command(app, "orphans")(orphans)
    command(app, "transfer")(transfer)


def orphans(
    session: Session,
    leaving: Annotated[
        str, typer.Option("--leaving", metavar="PERSON", help="What would have no owner without them: `user:anne`.")
    ] = "",
) -> int:
    """List the agents and systems that have no owner who is there, with whom they name as owners.

    Who has left, or is held, is not there, nor is a team without such a person or a system that nobody answers for.

    Examples:

        remit orphans
        remit orphans --leaving user:anne
    """
    found: list[Orphan] = []
    with session.connect() as client:
        cursor = ""
        while True:
            page = client.orphans(leaving, cursor=cursor)
            for each in page.orphans:
                if session.json:
                    put_json(orphan_json(each))
            found += page.orphans
            cursor = page.next_cursor
            if not cursor:
                break
    if session.json:
        return 0
    for line in columns([("WHAT", "OWNERS"), *map(_row, found)]) if found else ():
        put(line)
    without = f"would have no owner without `{leaving}`" if leaving else "have no owner who is there"
    note(f"{len(found):,} agents and systems {without}" if found else f"no agents and no systems {without}")
    return 0


def transfer(
    session: Session,
    from_owner: Annotated[str, typer.Option("--from", metavar="OWNER", help="Who owns them now: `user:anne`.")],
    to_owner: Annotated[
        str,
        typer.Option("--to", metavar="OWNER", help="Who will: `user:ben`, `team:finance#member`, `system:nightly`."),
    ],
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="OBJECT", help="One of theirs; repeatable. Else all of them.")
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", "-r", metavar="TEXT", help="Why, for those who look at it later.")
    ] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Give every agent and system that an owner has to another, in one write. Prints what was handed over.

    The new owner must be there. Who is in which team stays as it is, and so does what the leaver was granted.

    Examples:

        remit transfer --from user:anne --to user:ben --dry-run
        remit transfer --from user:anne --to team:finance#member --reason 'anne has left'
        remit transfer --from user:anne --to user:ben --only agent:payer
    """
    with session.connect() as client:
        done = client.transfer_owner(
            from_owner, to_owner, only=only or (), reason=reason, request_id=request_id, dry_run=dry_run
        )
    if session.json:
        put_json(transfer_json(done, from_owner, to_owner))
        return 0
    for each in done.objects:
        put(str(each))
    count = f"{len(done.objects):,} agents and systems"
    note(f"{count} could be handed over; nothing was changed" if dry_run else f"{count} are owned by `{to_owner}` now")
    return 0


def _row(orphan: Orphan) -> tuple[str, str]:
    named = ", ".join(map(str, orphan.owners)) or "nobody"
    return str(orphan.object), f"{named} (not finished: it may have one)" if orphan.is_undecided else named
