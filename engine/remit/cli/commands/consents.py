"""`remit consent give`, `withdraw` and `list`: for whom agents may act.

Law: what is printed first is the consent's id, by which it is withdrawn."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli.arguments.verb_options import DryRun, RequestId
from remit.cli.render.as_json import consent_json
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.session import Session, command

_GIVER = typer.Argument(metavar="GIVER", help="A person, or a directory for all its people: `user:anne`.")
_REASON = typer.Option("--reason", "-r", metavar="TEXT", help="Why, for those who look at it later.")


def register(app: typer.Typer) -> None:
    consent = typer.Typer(no_args_is_help=True)
    command(consent, "give")(give)
    command(consent, "withdraw")(withdraw)
    command(consent, "list")(list_consents)
    app.add_typer(consent, name="consent", help="Let agents act for people, and no longer.")


def give(
    session: Session,
    giver: Annotated[str, _GIVER],
    agents: Annotated[list[str], typer.Argument(metavar="AGENT…", help="The ids of the agents: `payer`.")],
    reason: Annotated[str, _REASON] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """Let agents act for a person, or for everybody whom a directory knows. Prints the consent's id.

    Examples:

        remit consent give user:anne payer ledger
        remit consent give directory:people helper --reason 'works agreement of May'
    """
    with session.connect() as client:
        given = client.give_consent(giver, agents, reason=reason, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json(consent_json(given.consent, given.token))
    elif dry_run:
        note(f"`{giver}` could consent; nothing was changed")
    else:
        note(f"`{giver}` lets {', '.join(f'`{each}`' for each in given.consent.agents)} act for them")
        put(given.consent.id)
    return 0


def withdraw(
    session: Session,
    id: Annotated[str, typer.Argument(metavar="ID", help="The consent's id, as `remit consent give` printed it.")],
    reason: Annotated[str, _REASON] = "",
    request_id: RequestId = "",
    dry_run: DryRun = False,
) -> int:
    """End a consent for good, and with it every run that was started under it.

    Example:

        remit consent withdraw c-51f0 --reason 'has changed her mind'
    """
    with session.connect() as client:
        ended = client.withdraw_consent(id, reason=reason, request_id=request_id, dry_run=dry_run)
    if session.json:
        put_json(consent_json(ended.consent, ended.token))
    elif dry_run:
        note(f"consent `{id}` of `{ended.consent.giver}` could be withdrawn; nothing was changed")
    else:
        note(f"consent `{id}` of `{ended.consent.giver}` is withdrawn")
    return 0


def list_consents(session: Session, giver: Annotated[str, _GIVER]) -> int:
    """List the consents of a person or a directory, withdrawn ones among them.

    Example:

        remit consent list user:anne
    """
    with session.connect() as client:
        found = client.list_consents(giver)
    if session.json:
        for each in found:
            put_json(consent_json(each))
        return 0
    rows = [(each.id, "withdrawn" if each.is_withdrawn else "given", ", ".join(each.agents)) for each in found]
    for line in columns([("ID", "STATE", "AGENTS"), *rows]):
        put(line)
    return 0
