"""`remit write`, `touch`, `delete` and `read`: facts, a request at a time.

Law: one command is one request; all of it becomes one revision, or none of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from remit.cli.arguments.filters import merged_filter, parse_filter
from remit.cli.arguments.lines import Line, given_lines
from remit.cli.arguments.tokens import AtLeast
from remit.cli.render.as_json import stored_json
from remit.cli.render.output import counting, note, put, put_json
from remit.cli.session import Session, command
from remit.errors import InvalidRelationship, RemitError
from remit.model import Operation, Precondition, RelationshipFilter, Update
from remit.notation import format_relationship, parse_context, parse_relationship, shortened

PAGE_MAX = 1_000
DELETE_TIMEOUT_S = 60.0  # ten thousand in one revision

_RELATIONSHIPS = typer.Argument(
    metavar="RELATIONSHIP…", help="`resource#relation@subject`; `-`, or nothing, reads them from standard input."
)
MustMatch = Annotated[
    list[str] | None,
    typer.Option("--must-match", metavar="FILTER", help="Write only if a relationship matches. May be repeated."),
]
MustNotMatch = Annotated[
    list[str] | None,
    typer.Option("--must-not-match", metavar="FILTER", help="Write only if none matches. May be repeated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Judge everything and change nothing.")]
Metadata = Annotated[
    str | None,
    typer.Option("--metadata", metavar="JSON", help="Words about this write, kept beside it in the changelog."),
]


def register(app: typer.Typer) -> None:
    command(app, "write")(write)
    command(app, "touch")(touch)
    command(app, "delete")(delete)
    command(app, "read")(read)


# --- writing ----------------------------------------------------------------------------------------------------


def write(
    session: Session,
    updates: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="UPDATE…",
            help="`create`, `touch` or `delete` and a relationship; a relationship alone is created. "
            "`-`, or nothing, reads them from standard input, one a line.",
        ),
    ] = None,
    replace: Annotated[
        str | None,
        typer.Option("--replace", metavar="FILTER", help="First remove what matches, in the same revision."),
    ] = None,
    must_match: MustMatch = None,
    must_not_match: MustNotMatch = None,
    metadata: Metadata = None,
    dry_run: DryRun = False,
) -> int:
    """Write several updates as one: all of them, or none.

    Each update begins with what it does: `create` (the default) refuses the whole write where the relationship is
    already there, `touch` writes it whatever was there, `delete` removes it if it is there. Prints the write's token,
    which `--at-least` takes.

    A filter is a relationship with parts left away (`remit read --help`).

    Examples:

        remit write 'tool:erp.pay#may_use@run:r-7' 'delete tool:erp.pay#may_use@run:r-6'
        remit write 'touch doc:plan#owner@user:ben' --must-match 'doc:plan#owner@user:anne'
        remit write - < changes.txt
        remit write --replace 'doc:plan#viewer' 'touch doc:plan#viewer@user:anne'
    """
    lines = given_lines(updates or (), "updates")
    conditions = _preconditions(must_match, must_not_match)
    return _write(session, lines, _parse_update, conditions, metadata, dry_run, replace)


def touch(
    session: Session,
    relationships: Annotated[list[str] | None, _RELATIONSHIPS] = None,
    must_match: MustMatch = None,
    must_not_match: MustNotMatch = None,
    metadata: Metadata = None,
    dry_run: DryRun = False,
) -> int:
    """Write relationships, whatever was there.

    All become one revision, or none does. Prints the write's token. For more than a thousand see `remit import`.

    Examples:

        remit touch 'tool:erp.pay#may_use@run:r-7[expiration:2027-01-31T12:00:00Z]'
        remit touch 'doc:plan#viewer@user:anne[on_ip:{"cidr": "10.0.0.0/8"}]' 'doc:plan#viewer@team:x#member'
        remit touch < relationships.txt
    """
    lines = given_lines(relationships or (), "relationships")
    conditions = _preconditions(must_match, must_not_match)
    return _write(session, lines, _parse_as(Operation.TOUCH), conditions, metadata, dry_run)


def delete(
    session: Session,
    relationships: Annotated[list[str] | None, _RELATIONSHIPS] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", metavar="FILTER", help="Remove all that match, instead; see `remit read --help`."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="With --filter: at most so many; 0 is all.")
    ] = 0,
    must_match: MustMatch = None,
    must_not_match: MustNotMatch = None,
    metadata: Metadata = None,
    dry_run: DryRun = False,
) -> int:
    """Remove relationships; those that are not there do not matter.

    All go in one revision, or none does. Caveats and times after a relationship are ignored. Prints the write's token.
    With `--filter`, all that match go, a revision for each ten thousand; a dry run counts up to that many.

    Examples:

        remit delete 'tool:erp.pay#hold@hold:incident-7'
        remit delete --filter 'tool#may_use@run:r-7' --dry-run
        remit delete --filter '@user:anne'
    """
    conditions = _preconditions(must_match, must_not_match)
    if filter is None:
        lines = given_lines(relationships or (), "relationships")
        return _write(session, lines, _parse_as(Operation.DELETE), conditions, metadata, dry_run)
    if relationships:
        raise typer.BadParameter("give relationships or --filter, not both")
    wanted, words = parse_filter(filter), _words(metadata)
    with session.connect(DELETE_TIMEOUT_S) as client, counting("deleting") as progress:
        deleted = client.delete_by_filter(
            wanted, limit=limit, preconditions=conditions, metadata=words, dry_run=dry_run, progress=progress
        )
    if session.json:
        put_json({"token": deleted.token, "deleted": deleted.deleted, "complete": deleted.complete})
        return 0
    if deleted.token:
        put(deleted.token)
    more = "" if deleted.complete else "; more match"
    note(f"{deleted.deleted:,} relationships {'would be' if dry_run else 'are'} deleted{more}")
    return 0


def _write(
    session: Session,
    lines: Sequence[Line],
    parse: Callable[[str], Update],
    preconditions: Sequence[Precondition],
    metadata: str | None,
    dry_run: bool,
    replace: str | None = None,
) -> int:
    updates = [_parsed(line, parse) for line in lines]
    words = _words(metadata)
    wanted = parse_filter(replace) if replace is not None else None
    with session.connect() as client:
        if wanted is None:
            written = client.write_result(updates, preconditions=preconditions, metadata=words, dry_run=dry_run)
        else:
            written = client.replace(wanted, updates, preconditions=preconditions, metadata=words, dry_run=dry_run)
    if session.json:
        answer: dict[str, object] = {"token": written.token, "updates": len(updates)}
        if wanted is not None:
            answer["replaced"] = written.replaced
        if written.expired:
            answer["expired"] = list(written.expired)
        put_json(answer)
        return 0
    if written.token:
        put(written.token)
    if wanted is not None:
        note(f"{written.replaced:,} relationships {'would be' if dry_run else 'are'} removed")
    for index in written.expired:
        note(f"warning: `{updates[index].relationship.key}` has expired already: it counts for nothing")
    if dry_run:
        note("it would be accepted; nothing is written")
    return 0


def _preconditions(must_match: list[str] | None, must_not_match: list[str] | None) -> list[Precondition]:
    conditions = [Precondition(parse_filter(text), must_match=True) for text in must_match or ()]
    return conditions + [Precondition(parse_filter(text), must_match=False) for text in must_not_match or ()]


def _words(metadata: str | None) -> dict[str, object] | None:
    if metadata is None:
        return None
    try:
        return parse_context(metadata)
    except RemitError as error:
        error.message = f"--metadata takes a JSON object, and `{shortened(metadata)}` is none"
        raise


def _parsed(line: Line, parse: Callable[[str], Update]) -> Update:
    try:
        return parse(line.text)
    except RemitError as error:
        raise line.at_fault(error) from error


def _parse_as(operation: Operation) -> Callable[[str], Update]:
    return lambda text: Update(operation, parse_relationship(text))


def _parse_update(text: str) -> Update:
    """`create|touch|delete relationship`, or a relationship alone."""
    word, space, rest = text.partition(" ")
    if not space or "#" in word:
        return Update(Operation.CREATE, parse_relationship(text))
    try:
        operation = Operation(word)
    except ValueError:
        raise InvalidRelationship(f"`{word}` is no update: write `create`, `touch` or `delete`") from None
    return Update(operation, parse_relationship(rest))


# --- reading ----------------------------------------------------------------------------------------------------


def read(
    session: Session,
    filter: Annotated[
        str | None, typer.Argument(metavar="FILTER", help="A relationship with parts left away; nothing reads all.")
    ] = None,
    resource_type: Annotated[str | None, typer.Option("--resource-type", metavar="TYPE")] = None,
    resource_id: Annotated[str | None, typer.Option("--resource-id", metavar="ID")] = None,
    resource_prefix: Annotated[
        str | None, typer.Option("--resource-prefix", metavar="TEXT", help="The beginning of the resource's id.")
    ] = None,
    relation: Annotated[str | None, typer.Option("--relation", metavar="NAME")] = None,
    subject_type: Annotated[str | None, typer.Option("--subject-type", metavar="TYPE")] = None,
    subject_id: Annotated[
        str | None, typer.Option("--subject-id", metavar="ID", help="`*` means wildcards themselves.")
    ] = None,
    subject_relation: Annotated[
        str | None, typer.Option("--subject-relation", metavar="NAME", help="Empty means plain subjects only.")
    ] = None,
    at_least: AtLeast = "",
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="Stop after so many, and say so; 0 reads all.")
    ] = 0,
) -> int:
    """List relationships, one a line, in a stable order.

    A filter is a relationship with parts left away:

        tool                  about any tool
        tool:erp.pay          about this one
        tool:erp.*            about those whose ids begin with erp.
        tool#may_use@run      runs that may use a tool
        tool#@run             runs in any relation to a tool
        @run:r-7              wherever this run stands as a subject
        @group:eng#member     this userset
        @user:anne#...        anne herself, no userset of hers
        @user:*               wildcards; every user is @user

    What has expired is not shown. Pages are read one after another: what is written meanwhile may or may not show.

    Examples:

        remit read 'tool#may_use'
        remit read --resource-type tool --resource-prefix erp. --json
    """
    options = RelationshipFilter(
        resource_type, resource_id, resource_prefix, relation, subject_type, subject_id, subject_relation
    )
    wanted = merged_filter(filter, options)
    shown = 0
    with session.connect() as client:
        for stored in client.read(wanted, at_least=at_least, page_size=min(limit + 1, PAGE_MAX) if limit else 0):
            if limit and shown == limit:
                note(f"stopped after {limit:,}: there are more")
                break
            put_json(stored_json(stored)) if session.json else put(format_relationship(stored.relationship))
            shown += 1
    return 0
