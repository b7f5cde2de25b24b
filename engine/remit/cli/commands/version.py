"""`remit version`: of the program; and `remit version add`, `certify`, `decertify` and `list`, of an agent."""

from __future__ import annotations

import platform
import time
from typing import Annotated

import typer

import remit
from remit.cli.arguments.durations import parse_duration
from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import version_json
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.render.versions import version_columns
from remit.cli.session import JsonOption, Session, command, session_of
from remit.native_core import absence, core
from remit.notation import format_time, parse_time

_ID = typer.Argument(metavar="VERSION", help="The version's id, such as `payer/7`.")
_AGENT = typer.Argument(metavar="AGENT", help="The agent's id.")
_REASON = typer.Option("--reason", "-r", metavar="TEXT", help="Why, for those who look at it later.")


def register(app: typer.Typer) -> None:
    group = typer.Typer()
    group.callback(invoke_without_command=True)(version)
    command(group, "add")(add)
    command(group, "certify")(certify)
    command(group, "decertify")(decertify)
    command(group, "list")(list_versions)
    app.add_typer(group, name="version")


def version(ctx: typer.Context, json_output: JsonOption = False) -> int:
    """Print the version, and whether there is a native core. With a command: versions of agents."""
    session = session_of(ctx).overridden(Session(json=json_output))
    if ctx.invoked_subcommand is not None:
        ctx.find_root().obj = session
    elif session.json:
        put_json({"version": remit.__version__, "python": platform.python_version(), "core": _core_version()})
    else:
        put(f"remit {remit.__version__}")
        absent = absence()
        put(f"no native core ({absent}): Python answers all" if absent else f"native core {_core_version()}")
    return 0


def _core_version() -> str:
    """Of the native core; "" where it is not there, or switched off."""
    return "" if absence() else core.version


# --- of agents --------------------------------------------------------------------------------------------------


def add(
    session: Session,
    agent: Annotated[str, _AGENT],
    id: Annotated[str, _ID],
    model: Annotated[str, typer.Option("--model", metavar="DIGEST", help="Of the model, or its name.")] = "",
    prompt: Annotated[str, typer.Option("--prompt", metavar="DIGEST", help="Of the prompt.")] = "",
    tools: Annotated[str, typer.Option("--tools", metavar="DIGEST", help="Of the tools that it is offered.")] = "",
    like: Annotated[
        str, typer.Option("--like", metavar="VERSION", help="An earlier one, for the digests that are not given.")
    ] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Add a version to an agent, known by digests of its model, its prompt and its tools. It is not certified yet.

    Examples:

        remit version add payer payer/7 --model sha256:1f… --prompt sha256:77… --tools sha256:e0…
        remit version add payer payer/8 --like payer/7 --prompt sha256:78…
    """
    with session.connect() as client:
        done = client.add_version(
            agent, id, model=model, prompt=prompt, tools=tools, like=like, request_id=request_id, dry_run=dry_run
        )
    added = done.version
    if session.json:
        put_json(version_json(added) | {"token": done.token})
    elif dry_run:
        note(f"version `{added.id}` could be added to `agent:{added.agent}`; nothing was changed")
    else:
        than = f"; it differs from `{added.like}` in its {' and '.join(added.differs)}" if added.differs else ""
        note(f"version `{added.id}` of `agent:{added.agent}` is added{than}")
    return 0


def certify(
    session: Session,
    id: Annotated[str, _ID],
    valid_for: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long, as in `90d`: at most 400 days.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Until when, as in RFC 3339.")] = "",
    reason: Annotated[str, _REASON] = "",
    directory: Annotated[str, typer.Option("--directory", metavar="ID", help="Who certifies; else `remit`.")] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Certify a version until a time: its runs may start. Who owns the agent may not. Tells what it can do today.

    Examples:

        remit version certify payer/7 --for 90d --reason 'evaluated: report 311'
        remit version certify payer/7 --until 2027-06-01T00:00:00Z
    """
    if bool(valid_for) == bool(until):
        raise typer.BadParameter("a version is certified until a time: give --for or --until, one of them")
    until_us = parse_time(until) if until else time.time_ns() // 1_000 + parse_duration(valid_for)
    with session.connect() as client:
        done = client.certify(
            id, until_us=until_us, reason=reason, directory=directory, request_id=request_id, dry_run=dry_run
        )
    certified, snapshot = done.version, done.snapshot
    if session.json:
        could = None
        if snapshot is not None:
            could = {
                "tools": list(snapshot.tools),
                "datasets": list(snapshot.datasets),
                "if_called": [str(each) for each in snapshot.if_called],
                "complete": snapshot.complete,
                "revision": snapshot.revision,
            }
        put_json(version_json(certified) | {"could": could, "token": done.token})
        return 0
    if dry_run:
        note(f"version `{certified.id}` could be certified; nothing was changed")
    elif certified.state == "certified":
        end = "" if certified.certified_until_us is None else f" until {format_time(certified.certified_until_us)}"
        note(f"version `{certified.id}` is certified{end}")
    else:
        note(f"version `{certified.id}` was certified by this request, and is {certified.state} since")
    if snapshot is not None:
        more = "" if snapshot.complete else ", and perhaps more"
        put(f"it can use {len(snapshot.tools)} tools and read {len(snapshot.datasets)} datasets{more}")
    return 0


def decertify(
    session: Session,
    id: Annotated[str, _ID],
    reason: Annotated[str, _REASON] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Take away every certification of a version: its runs stop.

    Example:

        remit version decertify payer/7 --reason 'it leaks what it reads'
    """
    with session.connect() as client:
        done = client.decertify(id, reason=reason, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json(version_json(done.version) | {"token": done.token})
    elif dry_run:
        note(f"version `{done.version.id}` could be decertified; nothing was changed")
    else:
        note(f"version `{done.version.id}` is {done.version.state}, and not certified")
    return 0


def list_versions(session: Session, agent: Annotated[str, _AGENT]) -> int:
    """List the versions of an agent, with the ends of their certificates.

    Example:

        remit version list payer --json
    """
    with session.connect() as client:
        page = client.describe_agent(agent)
        versions = [*page.versions]
        while page.next_cursor:
            page = client.describe_agent(agent, cursor=page.next_cursor)
            versions += page.versions
    if session.json:
        for each in versions:
            put_json(version_json(each))
        return 0
    for line in columns(version_columns(versions)):
        put(line)
    return 0
