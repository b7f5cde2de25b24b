"""`remit run spawn`, `renew`, `narrow`, `declare`, `show`, `tree` and `list`: runs of agents, and what is below them.

Law: what a spawn prints on standard output is the run's id alone, so that a script can go on with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer

from remit.cli.arguments.durations import parse_duration
from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import below_json, link_json, run_json
from remit.cli.render.output import columns, note, out, put, put_json, trees
from remit.cli.render.run_tree import life_words, print_chain, print_runs_below, run_line
from remit.cli.session import Session, command
from remit.client import Client, RunResult
from remit.client.requests.agents.runs import Scalar
from remit.engine.agents.lineage import RunBelow
from remit.engine.agents.run_states import RunState
from remit.errors import InvalidArgument
from remit.notation import shortened

PAGE_MAX = 1_000

_RUN = typer.Argument(metavar="RUN", help="The run's id: `r-7`, or `run:r-7`.")
_LIFETIME = typer.Option("--lifetime", metavar="DURATION", help="How long from now, as in `30m`; else an hour.")
_LIMIT = typer.Option("--limit", min=1, metavar="N", help="Stop after so many, and say so.")


def register(app: typer.Typer) -> None:
    run = typer.Typer(no_args_is_help=True)
    command(run, "spawn")(spawn)
    command(run, "renew")(renew)
    command(run, "narrow")(narrow)
    command(run, "declare")(declare)
    command(run, "show")(show)
    command(run, "tree")(tree)
    command(run, "list")(list_runs)
    app.add_typer(run, name="run", help="Start runs of agents, renew and narrow them, and see what they act for.")


def spawn(
    session: Session,
    delegator: Annotated[
        str, typer.Argument(metavar="DELEGATOR", help="Whom it acts for: `user:anne`, `system:clock`, `run:r-1`.")
    ],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The agent's version: `payer.2`.")],
    profiles: Annotated[
        list[str], typer.Option("--profile", "-p", metavar="PROFILE", help="What it holds; may be repeated.")
    ],
    intent: Annotated[
        str, typer.Option("--intent", metavar="PROFILE", help="What it declares; else what it holds.")
    ] = "",
    bind: Annotated[
        list[str] | None, typer.Option("--bind", metavar="NAME=TEXT", help="Bind it to a text; may be repeated.")
    ] = None,
    bind_json: Annotated[
        list[str] | None,
        typer.Option("--bind-json", metavar="NAME=JSON", help="Bind it to a number, `true`, `false` or `null`."),
    ] = None,
    lifetime: Annotated[str, _LIFETIME] = "",
    name: Annotated[
        str, typer.Option("--session", metavar="NAME", help="Find the run that lives under that name, or start it.")
    ] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Start a run below a person, a system or another run. Prints its id.

    A dry run lists all that the delegator has not itself, for which it would be refused, and its exit code is then 1.

    Examples:

        remit run spawn user:anne payer.2 --profile settle.2
        remit run spawn run:r-4 payer.2 -p settle.2 --intent settle-881 --bind invoice=881 --lifetime 15m
    """
    bindings: dict[str, Scalar] = dict(_bound(bind or (), "--bind", str))
    bindings |= dict(_bound(bind_json or (), "--bind-json", _scalar))
    with session.connect() as client:
        run = client.spawn(
            delegator,
            version,
            profiles,
            intent=intent,
            bindings=bindings,
            lifetime_s=_seconds(lifetime),
            session=name,
            request_id=request_id,
            dry_run=dry_run,
        )
    excess = [str(each) for each in run.excess]
    if session.json:
        put_json({**run_json(run.state), "was_there": run.was_there, "excess": excess, "token": run.token})
    elif excess:
        note(f"`{delegator}` has not itself what it would give; nothing was changed")
        for each in excess:
            put(each)
    elif dry_run:
        note("it could be started; nothing was changed")
    else:
        note(f"`run:{run.id}` {'lives already' if run.was_there else 'is started'}: {life_words(run.state)}")
        put(run.id)
    return 1 if excess else 0


def renew(
    session: Session,
    run: Annotated[str, _RUN],
    lifetime: Annotated[str, _LIFETIME] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Let a run live for so long from now. Where it lives longer already, it stays so.

    Example:

        remit run renew r-7 --lifetime 2h
    """
    with session.connect() as client:
        done = client.renew(_id(run), lifetime_s=_seconds(lifetime), request_id=request_id, dry_run=dry_run)
    return _told(session, done, dry_run)


def narrow(
    session: Session,
    run: Annotated[str, _RUN],
    intent: Annotated[str, typer.Argument(metavar="PROFILE", help="What it declares from now on.")],
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Declare a profile that covers nothing that what the run has declared does not.

    Example:

        remit run narrow r-7 settle-881
    """
    with session.connect() as client:
        done = client.narrow(_id(run), intent, request_id=request_id, dry_run=dry_run)
    return _told(session, done, dry_run)


def declare(
    session: Session,
    run: Annotated[str, _RUN],
    intent: Annotated[str, typer.Argument(metavar="PROFILE", help="What it declares from now on.")],
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Replace what a run has declared. What its delegator has not itself it cannot declare.

    Example:

        remit run declare r-7 settle.3
    """
    with session.connect() as client:
        done = client.declare_intent(_id(run), intent, request_id=request_id, dry_run=dry_run)
    return _told(session, done, dry_run)


def show(session: Session, run: Annotated[str, _RUN]) -> int:
    """Show a run, and what it acts for: every link of its chain, whether it is live by itself, and its holds.

    Example:

        remit run show r-7
    """
    with session.connect() as client:
        state = client.describe_run(_id(run))
        chain = client.show_chain(_id(run))
    if session.json:
        put_json({**run_json(state), "chain": [link_json(each) for each in chain]})
    else:
        out().print(run_line(state))
        print_chain(chain, out())
    return 0


def tree(
    session: Session,
    top: Annotated[str, typer.Argument(metavar="RUN", help="A run, a person or a system: `r-1`, `user:anne`.")],
    limit: Annotated[int, _LIMIT] = PAGE_MAX,
) -> int:
    """Draw the runs below a run, a person or a system, with who holds what.

    Examples:

        remit run tree r-1
        remit run tree user:anne
    """
    object = top if ":" in top else f"run:{top}"
    with session.connect() as client:
        found, is_whole = _below(client, object, limit)
    if session.json:
        for each in found:
            put_json(below_json(each))
    else:
        print_runs_below(object, found, trees())
    if not is_whole:
        note(f"there are more than {limit}: name another --limit, or a run below")
    return 0


def _below(client: Client, object: str, limit: int) -> tuple[list[RunBelow], bool]:
    """As many of the runs below as are wanted, and whether that is all."""
    found: list[RunBelow] = []
    cursor = ""
    while len(found) < limit:
        page = client.show_subtree(object, limit=min(limit - len(found), PAGE_MAX), cursor=cursor)
        found += page.runs
        cursor = page.next_cursor
        if not cursor:
            return found, True
    return found, not client.show_subtree(object, limit=1, cursor=cursor).runs


def list_runs(
    session: Session,
    below: Annotated[
        str, typer.Option("--below", metavar="DELEGATOR", help="Those directly below: `user:anne`, `run:r-1`.")
    ] = "",
    version: Annotated[str, typer.Option("--version", metavar="VERSION", help="Instances of `payer.2`.")] = "",
    living: Annotated[bool, typer.Option("--living", help="Without those that are over or terminated.")] = False,
    limit: Annotated[int, _LIMIT] = PAGE_MAX,
) -> int:
    """List the runs there are.

    Examples:

        remit run list --living
        remit run list --below user:anne --version payer.2 --json
    """
    found: list[RunState] = []
    cursor = ""
    with session.connect() as client:
        while len(found) < limit:
            page = client.list_runs(
                delegator=below or None,
                version=version,
                living=living,
                limit=min(limit - len(found), PAGE_MAX),
                cursor=cursor,
            )
            found += page.runs
            cursor = page.next_cursor
            if not cursor:
                break
    if session.json:
        for each in found:
            put_json(run_json(each))
    else:
        rows = [(each.id, str(each.delegator), each.version, life_words(each), each.intent) for each in found]
        for line in columns([("RUN", "BELOW", "VERSION", "LIFE", "INTENT"), *rows]):
            put(line)
    if cursor:
        note(f"there may be more than {limit}: name another --limit")
    return 0


def _told(session: Session, done: RunResult, dry_run: bool) -> int:
    if session.json:
        put_json({**run_json(done.run), "token": done.token})
    elif dry_run:
        note("it could be so; nothing was changed:")
    if not session.json:
        out().print(run_line(done.run))
    return 0


def _id(run: str) -> str:
    return run.removeprefix("run:")


def _seconds(lifetime: str) -> int:
    return parse_duration(lifetime) // 1_000_000 if lifetime else 0


def _bound(given: Sequence[str], option: str, read: Callable[[str], Scalar]) -> Iterator[tuple[str, Scalar]]:
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise InvalidArgument(f"`{shortened(each)}` binds nothing: write `{option} NAME=VALUE`", field=option)
        yield name, read(text)


def _scalar(text: str) -> Scalar:
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidArgument(
            f"`{shortened(text)}` is not JSON; text is bound by --bind", field="--bind-json"
        ) from error
    if not isinstance(value, str | int | float | bool | None):
        raise InvalidArgument(f"`{shortened(text)}` is no single value", field="--bind-json")
    return value
