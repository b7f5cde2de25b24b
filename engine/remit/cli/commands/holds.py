"""`remit hold`, `release` and `terminate`: how a person stops what agents do.

Law: what is printed first is that it is done, and how to undo it where it can be."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import held_json
from remit.cli.render.impacts import stops_in_words
from remit.cli.render.output import note, put, put_json
from remit.cli.session import Session, command

_REASON = typer.Option("--reason", "-r", metavar="TEXT", help="Why, for those who look at it later.")


def register(app: typer.Typer) -> None:
    command(app, "hold")(hold)
    command(app, "release")(release)
    command(app, "terminate")(terminate)


def hold(
    session: Session,
    on: Annotated[str, typer.Argument(metavar="OBJECT", help="`run:r-7`, `agent:payer`, `credential:…`, `estate:…`.")],
    reason: Annotated[str, _REASON] = "",
    id: Annotated[str, typer.Option("--id", metavar="ID", help="The hold's own id; else one is made.")] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Silence an object and everything below it. Prints the hold's id, which `remit release` takes.

    It is one write, whatever is below: the next question refuses. Two holds on one object do not cancel: it goes on to
    be silent until both are released.

    Examples:

        remit hold run:r-7 --reason 'pays the same invoice twice'
        remit hold agent:payer --id incident-42
        remit hold estate:acme --reason 'all of it'
    """
    with session.connect() as client:
        held = client.hold(on, reason=reason, id=id, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json(held_json(held))
        return 0
    if dry_run:
        note(f"`{held.hold.on}` could be held; nothing was changed")
        note(f"it would stop {stops_in_words(held.stops)}")
    elif held.hold.is_placed:
        note(f"`{held.hold.on}` is held, and everything below it")
    else:
        note(f"`{held.hold.on}` was held by this request, and the hold has been released since")
    if not dry_run:
        put(held.hold.id)
    return 0


def release(
    session: Session,
    id: Annotated[str, typer.Argument(metavar="ID", help="The hold's id, as `remit hold` printed it.")],
    reason: Annotated[str, _REASON] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Take a hold away. What else is held, above or below, stays so.

    Example:

        remit release incident-42 --reason 'mended'
    """
    with session.connect() as client:
        held = client.release(id, reason=reason, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json(held_json(held))
    elif dry_run:
        note(f"hold `{id}` of `{held.hold.on}` could be released; nothing was changed")
    else:
        note(f"hold `{id}` of `{held.hold.on}` is released")
    return 0


def terminate(
    session: Session,
    object: Annotated[
        str, typer.Argument(metavar="OBJECT", help="A run, a version of an agent, or an agent: `run:r-7`.")
    ],
    reason: Annotated[str, _REASON] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """End a run, a version of an agent, or an agent for good, and with it everything below. There is no way back.

    Example:

        remit terminate run:r-7 --reason 'its task is done'
    """
    with session.connect() as client:
        ended = client.terminate(object, reason=reason, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json({"object": object, "was_over": ended.was_over, "token": ended.token})
    elif dry_run:
        note(f"`{object}` could be terminated; nothing was changed")
    else:
        note(f"`{object}` was terminated before" if ended.was_over else f"`{object}` is terminated")
    return 0
