"""`remit agent register`, `change`, `retire`, `list` and `show`: who answers for what acts here.

Law: what a person is told of an agent is what the server said of it at one revision."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli.arguments.durations import parse_duration
from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import agent_json, described_json
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.render.versions import version_columns
from remit.cli.session import Session, command
from remit.client import AgentResult, Ceilings
from remit.engine.agents.descriptions import AgentState

_ID = typer.Argument(metavar="AGENT", help="The agent's id, with or without `agent:` before it.")
_OWNER = typer.Option("--owner", metavar="SUBJECT", help="`user:anne`, `team:pay#member`, `system:cron`; repeatable.")
_DOMAIN = typer.Option("--domain", metavar="ID", help="The domain it stands in, which belongs to an estate.")
_DEPTH = typer.Option(
    "--depth-max", metavar="N", min=0, max=16, help="How many runs a chain to one of its own may have."
)
_FAN_OUT = typer.Option("--fan-out-max", metavar="N", min=0, help="How many runs may live below one of its runs.")
_LIFETIME = typer.Option(
    "--lifetime-max", metavar="DURATION", help="How long its runs may live, as in `1h` or `1d12h`."
)
_PROFILE = typer.Option("--profile", metavar="ID", help="A profile its runs may be given; repeatable. None: any.")
_REASON = typer.Option("--reason", "-r", metavar="TEXT", help="Why, for those who look at it later.")


def register(app: typer.Typer) -> None:
    agent = typer.Typer(no_args_is_help=True)
    command(agent, "register")(register_agent)
    command(agent, "change")(change)
    command(agent, "retire")(retire)
    command(agent, "list")(list_agents)
    command(agent, "show")(show)
    app.add_typer(agent, name="agent", help="Register, change, retire and list agents.")


def register_agent(
    session: Session,
    agent: Annotated[str, _ID],
    owner: Annotated[list[str], _OWNER],
    domain: Annotated[str, _DOMAIN],
    depth_max: Annotated[int, _DEPTH] = 0,
    fan_out_max: Annotated[int, _FAN_OUT] = 0,
    lifetime_max: Annotated[str, _LIFETIME] = "",
    profile: Annotated[list[str] | None, _PROFILE] = None,
    directory: Annotated[str, typer.Option("--directory", metavar="ID", help="Who vouches for it; else `remit`.")] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Register an agent: with owners of whom one is there now, in a domain that an estate can stop.

    Its runs start once it has a version that is certified: see `remit version add` and `certify`.

    Examples:

        remit agent register payer --owner team:pay#member --domain retail
        remit agent register payer --owner user:anne --domain retail --depth-max 3 --lifetime-max 1h --profile close@3
    """
    with session.connect() as client:
        done = client.register_agent(
            agent,
            owners=owner,
            domain=domain,
            ceilings=_ceilings(depth_max, fan_out_max, lifetime_max, profile),
            directory=directory,
            request_id=request_id,
            dry_run=dry_run,
        )
    return _told(session, done, "registered", dry_run)


def change(
    session: Session,
    agent: Annotated[str, _ID],
    owner: Annotated[list[str] | None, _OWNER] = None,
    domain: Annotated[str, _DOMAIN] = "",
    depth_max: Annotated[int, _DEPTH] = 0,
    fan_out_max: Annotated[int, _FAN_OUT] = 0,
    lifetime_max: Annotated[str, _LIFETIME] = "",
    profile: Annotated[list[str] | None, _PROFILE] = None,
    no_ceilings: Annotated[bool, typer.Option("--no-ceilings", help="Take all its ceilings away.")] = False,
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Replace what is named: all owners, the domain, or all ceilings. The rest stays.

    Who names one ceiling names all of them. An agent always has an owner who is there.

    Examples:

        remit agent change payer --owner user:ben --owner team:pay#member
        remit agent change payer --depth-max 2 --profile close@4
    """
    ceilings = _ceilings(depth_max, fan_out_max, lifetime_max, profile)
    if no_ceilings and ceilings is not None:
        raise typer.BadParameter("--no-ceilings and a ceiling exclude each other: name those that it is to have")
    with session.connect() as client:
        done = client.change_agent(
            agent,
            owners=owner or (),
            domain=domain,
            ceilings=Ceilings() if no_ceilings else ceilings,
            request_id=request_id,
            dry_run=dry_run,
        )
    return _told(session, done, "changed", dry_run)


def retire(
    session: Session,
    agent: Annotated[str, _ID],
    reason: Annotated[str, _REASON] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """End an agent's registration and terminate it, with every run of it. Its id never returns.

    Example:

        remit agent retire payer --reason 'its work is done by another'
    """
    with session.connect() as client:
        done = client.retire_agent(agent, reason=reason, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json(agent_json(done.agent) | {"was_over": done.was_over, "token": done.token})
    elif dry_run:
        note(f"`agent:{done.agent.id}` could be retired; nothing was changed")
    else:
        note(f"`agent:{done.agent.id}` {'had ended before' if done.was_over else 'is retired'}")
    return 0


def list_agents(session: Session) -> int:
    """List all agents that anything is known of: those nobody registered, and those retired, too.

    Example:

        remit agent list --json
    """
    with session.connect() as client:
        if session.json:
            for agent in client.list_agents():
                put_json(agent_json(agent))
            return 0
        rows = [_row(agent) for agent in client.list_agents()]
    for line in columns([("ID", "STATE", "OWNED", "DOMAIN", "OWNERS"), *rows]):
        put(line)
    return 0


def show(session: Session, agent: Annotated[str, _ID]) -> int:
    """Show an agent: its owners, its ceilings, and its versions with the ends of their certificates.

    Example:

        remit agent show payer
    """
    with session.connect() as client:
        found = client.describe_agent(agent)
        versions, cursor = [*found.versions], found.next_cursor
        while cursor:
            page = client.describe_agent(agent, cursor=cursor)
            versions += page.versions
            cursor = page.next_cursor
    if session.json:
        put_json(described_json(found.agent, versions, found.token))
        return 0
    shown, ceilings = found.agent, found.agent.ceilings
    lines = [
        ("state", shown.state),
        ("owners", ", ".join(map(str, shown.owners)) or "nobody"),
        ("owned", "yes" if shown.is_owned else "no: none of them is there"),
        ("domain", shown.domain.id if shown.domain is not None else "none"),
        ("depth", f"{ceilings.depth_max or 16} at most"),
        ("fan-out", f"{ceilings.fan_out_max} at most" if ceilings.fan_out_max else "any number"),
        ("lifetime", f"{ceilings.lifetime_max_s} s at most" if ceilings.lifetime_max_s else "as the store has it"),
        ("profiles", ", ".join(ceilings.profiles) or "any"),
    ]
    for line in columns(lines):
        put(line)
    for line in columns(version_columns(versions)):
        put(line)
    return 0


def _ceilings(depth_max: int, fan_out_max: int, lifetime_max: str, profiles: list[str] | None) -> Ceilings | None:
    """None where none is named."""
    lifetime_max_s = parse_duration(lifetime_max) // 1_000_000 if lifetime_max else 0
    ceilings = Ceilings(depth_max, fan_out_max, lifetime_max_s, tuple(profiles or ()))
    return ceilings if ceilings != Ceilings() else None


def _told(session: Session, done: AgentResult, what: str, dry_run: bool) -> int:
    if session.json:
        put_json(agent_json(done.agent) | {"token": done.token})
    elif dry_run:
        note(f"`agent:{done.agent.id}` could be {what}; nothing was changed")
    else:
        note(f"`agent:{done.agent.id}` is {what}; it answers to {', '.join(f'`{each}`' for each in done.agent.owners)}")
    return 0


def _row(agent: AgentState) -> tuple[str, str, str, str, str]:
    domain = agent.domain.id if agent.domain is not None else ""
    return agent.id, agent.state, "yes" if agent.is_owned else "no", domain, ", ".join(map(str, agent.owners))
