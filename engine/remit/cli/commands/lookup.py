"""`remit lookup resources`, `subjects` and `permissions`: a check with a part left away, answered with all that fit.

Law: exit code 0 means that the list is all there is; where an answer is missing, the list ends in its error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

import typer

from remit.cli.arguments.question_options import Context, Contextual
from remit.cli.arguments.tokens import AtExactly, AtLeast
from remit.cli.render.as_json import found_json
from remit.cli.render.output import note, put, put_json, verdict_words
from remit.cli.session import Session, command
from remit.client import Found, Verdict
from remit.notation import parse_context

T = TypeVar("T")

PAGE_MAX = 1_000

Limit = Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Stop after so many, and say so; 0 lists all.")]


def register(app: typer.Typer) -> None:
    lookup = typer.Typer(no_args_is_help=True)
    command(lookup, "resources")(resources)
    command(lookup, "subjects")(subjects)
    command(lookup, "permissions")(permissions)
    app.add_typer(lookup, name="lookup", help="List what a subject may, or who may: a check with a part left away.")


def resources(
    session: Session,
    lookup: Annotated[
        str, typer.Argument(metavar="LOOKUP", help="`type#permission@subject`, as in `tool#use@run:r-7`.")
    ],
    context: Context = None,
    at_least: AtLeast = "",
    at_exactly: AtExactly = "",
    contextual: Contextual = None,
    limit: Limit = 0,
) -> int:
    """List the resources of a type that a subject has a permission of, by id, one a line.

    Behind a resource of which a caveat has still to decide stands `conditional (missing: …)`.

    Examples:

        remit lookup resources 'tool#use@run:r-7'
        remit lookup resources 'doc#view@user:anne' --limit 20 --json
    """
    shared = parse_context(context) if context is not None else {}
    with session.connect() as client:
        found = client.lookup_resources(
            lookup,
            context=shared,
            at_least=at_least,
            at_exactly=at_exactly,
            contextual=contextual or (),
            page_size=_page_size(limit),
        )
        _print(found, "resource", limit, session)
    return 0


def subjects(
    session: Session,
    lookup: Annotated[
        str,
        typer.Argument(
            metavar="LOOKUP", help="`resource#permission@type`, as in `tool:erp.pay#use@run`, or `…@type#relation`."
        ),
    ],
    context: Context = None,
    at_least: AtLeast = "",
    at_exactly: AtExactly = "",
    contextual: Contextual = None,
    limit: Limit = 0,
) -> int:
    """List the subjects of a type that have a permission of a resource, by id, one a line.

    Where others have it as well, the last line says so: `user:*`, or `user:* - {user:eve}` for all but some. Behind a
    subject of which a caveat has still to decide stands `conditional (missing: …)`.

    Examples:

        remit lookup subjects 'tool:erp.pay#use@run'
        remit lookup subjects 'doc:plan#view@group#member' --json
    """
    shared = parse_context(context) if context is not None else {}
    with session.connect() as client:
        found = client.lookup_subjects(
            lookup,
            context=shared,
            at_least=at_least,
            at_exactly=at_exactly,
            contextual=contextual or (),
            page_size=_page_size(limit),
        )
        _print(found, "subject", limit, session)
    return 0


def permissions(
    session: Session,
    lookup: Annotated[str, typer.Argument(metavar="LOOKUP", help="`resource@subject`, as in `tool:erp.pay@run:r-7`.")],
    relations: Annotated[
        bool, typer.Option("--relations", help="List the relations as well that the subject is in.")
    ] = False,
    context: Context = None,
    at_least: AtLeast = "",
    at_exactly: AtExactly = "",
    contextual: Contextual = None,
) -> int:
    """List the permissions of an object that a subject has, by name, one a line.

    Examples:

        remit lookup permissions 'tool:erp.pay@run:r-7'
        remit lookup permissions 'doc:plan@user:anne' --relations --json
    """
    shared = parse_context(context) if context is not None else {}
    with session.connect() as client:
        found = client.lookup_permissions(
            lookup,
            relations=relations,
            context=shared,
            at_least=at_least,
            at_exactly=at_exactly,
            contextual=contextual or (),
        )
        _print(found, "permission", 0, session)
    return 0


def _page_size(limit: int) -> int:
    """One more than is shown tells whether there are more."""
    return min(limit + 1, PAGE_MAX) if limit else 0


def _print(found: Iterable[Found[T]], what: str, limit: int, session: Session) -> None:
    for shown, each in enumerate(found):
        if limit and shown == limit:
            note(f"stopped after {limit:,}: there are more")
            return
        if session.json:
            put_json(found_json(what, each))
        else:
            excluded = f" - {{{', '.join(map(str, each.excluded))}}}" if each.excluded else ""
            words = "" if each.verdict is Verdict.YES else f"\t{verdict_words(each.verdict, each.missing)}"
            put(f"{each.what}{excluded}{words}")
