"""`remit import`: relationships from a file, a world, or all that a SpiceDB or an OpenFGA holds.

All are streams: of a million relationships only a few thousand are in memory at once. `file` may be left out.
Law: each import touches what it writes, so that it can be repeated, and where it ends early it says how to go on."""

from __future__ import annotations

import os
import sys
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from remit.cli.arguments.lines import STANDARD_INPUT, Line, read_lines
from remit.cli.arguments.relationship_json import parse_relationship_json
from remit.cli.render.output import note, put, put_json
from remit.cli.session import Session, command
from remit.cli.transfer.formats import Format
from remit.cli.transfer.pages import Pages
from remit.cli.transfer.progress import Bar, transfer_bar
from remit.cli.transfer.spicedb import Changes, SpiceDb
from remit.cli.transfer.worlds import import_world
from remit.client import Client, Imported
from remit.client.channel import TIMEOUT_S, Tls, is_loopback
from remit.engine.admission import check_relationship
from remit.errors import InvalidArgument, RelationshipRefused, RemitError, RemoteError, Status
from remit.model import Relationship
from remit.notation import parse_relationship, shortened
from remit.openfga.host import OpenFgaHost
from remit.openfga.store_file import read_moved
from remit.openfga.translation import Translated, translate
from remit.openfga.tuples import NoPlace, read_tuple
from remit.world import World, verify

WORLD_SUFFIXES = (".yaml", ".yml")
FILE = "file"  # the command that may be left out
UPDATES_MAX = 1_000  # written at once
WAIT_MAX_S = 30.0
UNFIT_SHOWN_MAX = 10
EXPIRED_SHOWN_MAX = 10

_PARSERS: dict[Format, Callable[[str], Relationship]] = {
    Format.TEXT: parse_relationship,
    Format.JSONL: parse_relationship_json,
}

FromToken = Annotated[
    str | None,
    typer.Option("--from-token", metavar="KEY", help="The key to show there; or REMIT_FROM_TOKEN."),
]
FromCursor = Annotated[
    str, typer.Option("--cursor", metavar="CURSOR", help="Go on where an import ended early, as it told.")
]


class _FileByDefault(TyperGroup):
    """`remit import FILE` is `remit import file FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [FILE, *args]
        return list(super().parse_args(ctx, args))


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, cls=_FileByDefault)
    command(group, FILE)(import_file)
    command(group, "spicedb")(import_spicedb)
    command(group, "openfga")(import_openfga)
    app.add_typer(
        group,
        name="import",
        help="Write what a file, a SpiceDB or an OpenFGA holds. `remit import FILE` is `remit import file FILE`.",
    )


# --- files ------------------------------------------------------------------------------------------------------


def import_file(
    session: Session,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Relationships, one a line, or a world, `*.yaml`; `-` is standard input."),
    ],
    skip: Annotated[
        int, typer.Option("--skip", min=0, metavar="N", help="Begin after the first N lines of the file.")
    ] = 0,
    format: Annotated[
        Format, typer.Option("--format", help="`text`: as everywhere; `jsonl`: an object a line, as `export` writes.")
    ] = Format.TEXT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Of a world: judge everything in it, and write nothing.")
    ] = False,
) -> int:
    """Write many relationships, in one stream, a revision for each thousand; or a world, with its schema.

    Each is touched: written whatever was there, so that an import may be repeated. Blank lines and lines that begin
    with `//` are skipped. On a line that cannot be read or is refused the import stops and says how far it got, and
    how to go on from there.

    Of a world file (`remit validate --help`) the schema is written, then its relationships, and then its assertions
    are asked of the server: those that do not hold there, perhaps because of what else is in the store, are told, and
    make the exit code 1. A world of which a line cannot be read, or a relationship does not fit the schema, is refused
    before anything is written.

    Examples:

        remit import relationships.txt
        remit export | REMIT_ENDPOINT=other:50051 remit import -
        remit import relationships.txt --skip 12000
        remit import world.yaml --dry-run
        remit import world.yaml
    """
    suffix = Path(file).suffix
    if suffix in WORLD_SUFFIXES:
        if skip or format is not Format.TEXT:
            raise typer.BadParameter("a world is imported whole: --skip and --format are for lines of relationships")
        return import_world(session, World.read(Path(file)), dry_run=dry_run)
    if suffix == ".zed":
        raise typer.BadParameter(f"`{file}` is a schema: `remit schema write {file}` writes it")
    if dry_run:
        raise typer.BadParameter(
            f"--dry-run is for a world, `*.yaml`: `remit touch --dry-run - < {file}` judges a thousand relationships"
        )
    with session.connect() as client, transfer_bar("importing", _size(file)) as bar:
        sent = _Sent(skip, bar)
        try:
            relationships = sent.relationships(file, format)
            done = client.import_(relationships, progress=sent.acknowledged, expired=sent.noted_expired)
        except (RemitError, KeyboardInterrupt) as error:
            went_on = f"{sent.written:,} relationships are written; go on with `--skip {sent.last_line}`"
            note(went_on if sent.written else "nothing is written")
            if isinstance(error, RemoteError):
                raise sent.at_fault(error) from error
            raise
    for line in sent.expired:
        note(f"warning: {line.source}:{line.number}: this has expired already: it counts for nothing")
    _tell_imported(session, done)
    return 0


class _Sent:
    """The lines that are on their way, and how far the server has acknowledged them. gRPC's thread reads, ours hears of
    what is durable; the deque between them takes both."""

    def __init__(self, skip: int, bar: Bar) -> None:
        self.written = 0
        self.last_line = skip  # every line up to this one is written
        self.expired: list[Line] = []  # the first of them
        self._bar = bar
        self._lines: deque[Line] = deque()

    def relationships(self, file: str, format: Format) -> Iterator[Relationship]:
        for line, relationship in _read(file, self.last_line, format):
            self._lines.append(line)
            yield relationship

    def acknowledged(self, count: int) -> None:
        lines = [self._lines.popleft() for _ in range(count - self.written)]
        self.written, self.last_line = count, lines[-1].number
        self._bar.advance(len(lines), sum(len(line.text) + 1 for line in lines))

    def noted_expired(self, place: int) -> None:
        if len(self.expired) < EXPIRED_SHOWN_MAX:
            self.expired.append(self._lines[place - self.written])

    def at_fault(self, error: RemoteError) -> RemitError:
        """The error, naming the line that the server refused."""
        index = error.metadata.get("index", "")
        place = int(index) - self.written if index.isdigit() else -1
        return self._lines[place].at_fault(error) if 0 <= place < len(self._lines) else error


def _read(file: str, skip: int, format: Format) -> Iterator[tuple[Line, Relationship]]:
    parse = _PARSERS[format]
    for line in read_lines(file, skip=skip):
        try:
            yield line, parse(line.text)
        except RemitError as error:
            raise line.at_fault(error) from error


def _tell_imported(session: Session, done: Imported) -> None:
    if session.json:
        expired = {"expired": done.expired} if done.expired else {}
        put_json({"relationships": done.imported, "token": done.token, **expired})
        return
    note(f"{done.imported:,} relationships are written")
    if done.expired:
        note(f"warning: {done.expired:,} of them had expired already: they count for nothing")


def _size(file: str) -> int | None:
    """Bytes of a file, where it is one: what a bar can be measured by. None for a pipe."""
    try:
        found = Path(file).stat() if file != STANDARD_INPUT else os.fstat(sys.stdin.fileno())
    except (OSError, ValueError):
        return None
    return found.st_size or None


# --- SpiceDB ----------------------------------------------------------------------------------------------------


def import_spicedb(
    session: Session,
    host: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where SpiceDB serves gRPC.")],
    from_token: FromToken = None,
    from_tls: Annotated[bool, typer.Option("--from-tls", help="Encrypt, trusting the usual authorities.")] = False,
    from_ca: Annotated[str | None, typer.Option("--from-ca", metavar="PEM", help="Encrypt, trusting these.")] = None,
    cursor: FromCursor = "",
    follow: Annotated[bool, typer.Option("--follow", help="Then write each change as it happens there.")] = False,
    from_: Annotated[
        str, typer.Option("--from", metavar="TOKEN", help="With --follow: only what changed after it, as it told.")
    ] = "",
) -> int:
    """Write a SpiceDB's schema and all its relationships, read over its own API, at one revision.

    With `--follow` what changes there is then written here, a revision for a revision (in pieces of a thousand), the
    schema too, until it is interrupted: so a service can be moved while it is in use. Each line tells how many updates
    came, and `lag_s`: for how many seconds it had not been heard that everything was here. An import or a watch that
    ends early says how to go on.

    Examples:

        remit import spicedb 127.0.0.1:50052 --from-token somerandomkey
        remit import spicedb spicedb.internal:50051 --from-tls --follow
    """
    if from_ and not follow:
        raise typer.BadParameter("--from says where to follow from: give --follow too")
    if from_ and cursor:
        raise typer.BadParameter("--cursor goes on with an import, --from begins behind it: give one of them")
    tls = Tls(ca=from_ca) if from_tls or from_ca is not None else None
    timeout_s = session.timeout_s if session.timeout_s is not None else TIMEOUT_S
    with SpiceDb(host, _token(from_token), tls, timeout_s) as source, session.connect() as client:
        token = from_
        if not from_:
            text, token = source.schema()
            if not cursor:
                client.write_schema(text)
            _write_pages(session, client, lambda bar: Pages(source.pages(cursor), bar, cursor))
        if follow:
            _follow(session, client, source, token)
        elif not session.json:
            note(f"`--follow --from {token}` writes what changes there from here on")
    return 0


def _write_pages(session: Session, client: Client, pages_of: Callable[[Bar], Pages]) -> None:
    with transfer_bar("importing") as bar:
        pages = pages_of(bar)
        try:
            done = client.import_(pages.relationships(), progress=pages.acknowledged)
        except (RemitError, KeyboardInterrupt):
            told = f"; go on with `--cursor {pages.cursor}`" if pages.cursor else ""
            note(f"{pages.written:,} relationships are written{told}")
            raise
    _tell_imported(session, done)


def _follow(session: Session, client: Client, source: SpiceDb, token: str) -> None:
    """Until it is interrupted. A connection that is lost is sought again, from the last token on."""
    note("following; interrupt to end")
    heard_s, wait_s = time.monotonic(), 0.5
    while True:
        try:
            for changes in source.changes(token):
                _apply(client, source, changes)
                token, lag_s, heard_s, wait_s = changes.token, time.monotonic() - heard_s, time.monotonic(), 0.5
                if changes.updates or changes.is_schema_changed:
                    _tell(session, changes, lag_s)
            raise RemoteError("UNAVAILABLE", Status.UNAVAILABLE, f"SpiceDB at `{source.endpoint}` ended the watch")
        except (RemitError, KeyboardInterrupt) as ending:
            if not isinstance(ending, RemoteError) or ending.status is not Status.UNAVAILABLE:
                note(f"go on with `--follow --from {token}`")
                raise
            note(f"{ending.message}; trying again in {wait_s:g} s")
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, WAIT_MAX_S)


def _apply(client: Client, source: SpiceDb, changes: Changes) -> None:
    if changes.is_schema_changed:
        client.write_schema(source.schema()[0])
    for start in range(0, len(changes.updates), UPDATES_MAX):
        client.write(changes.updates[start : start + UPDATES_MAX])


def _tell(session: Session, changes: Changes, lag_s: float) -> None:
    if session.json:
        told = {"updates": len(changes.updates), "schema": changes.is_schema_changed}
        put_json({**told, "changes_through": changes.token, "lag_s": round(lag_s, 3)})
        return
    what = "the schema" if changes.is_schema_changed else f"{len(changes.updates):,} updates"
    put(f"{what}, {lag_s:.1f} s after it was last heard that all was here")
    sys.stdout.flush()


# --- OpenFGA ----------------------------------------------------------------------------------------------------


def import_openfga(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A model, `*.fga`, `fga.mod`, `*.json`; a store file, `*.yaml`; or http(s)://HOST."
        ),
    ],
    from_token: FromToken = None,
    from_store: Annotated[
        str, typer.Option("--from-store", metavar="ID", help="The store at HOST; where it has one, that.")
    ] = "",
    cursor: FromCursor = "",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the schema, judge all of it here, write nothing; asks no server of ours."
        ),
    ] = False,
) -> int:
    """Write an OpenFGA's model as a schema, and its tuples as relationships.

    What cannot mean the same here is refused, by name and line. A relation that is both written and computed in OpenFGA
    is two here: its tuples are written to `…_direct`, and it is asked by its own name; each such name is told. Of a
    store file the tests are asked: checks of the server, lists and tests with tuples of their own here. At a host,
    tuples that the newest model has no place for, which OpenFGA passes over too, are left out and told.

    Examples:

        remit import openfga model.fga --dry-run
        remit import openfga store.fga.yaml
        remit import openfga http://127.0.0.1:8080 --from-store 01JAAAAAAAAAAAAAAAAAAAAAAA
    """
    is_host = source.startswith(("http://", "https://"))
    if not is_host and (from_store or cursor or from_token is not None):
        raise typer.BadParameter("--from-store, --from-token and --cursor are for a host, `http://…`")
    if is_host:
        timeout_s = session.timeout_s if session.timeout_s is not None else TIMEOUT_S
        token = _token(from_token)
        where = urllib.parse.urlsplit(source)
        if token and where.scheme != "https" and not is_loopback(where.netloc):
            raise InvalidArgument(f"the token would travel to `{shortened(where.netloc)}` unencrypted: use https://…")
        host = OpenFgaHost(source, from_store, token, timeout_s).with_store()
        return _import_openfga_host(session, host, cursor, dry_run)
    moved = read_moved(Path(source))
    _tell_translated(session, moved.translated, dry_run)
    for text in moved.not_asked:
        note(f"not asked: {text}")
    lists = replace(moved.world, assertions=())
    asked_here = [moved.world if dry_run else lists, *moved.tests]
    code = 0 if dry_run else import_world(session, moved.world, dry_run=False)
    now_us = time.time_ns() // 1_000
    findings = [finding for world in asked_here for finding in verify(world, now_us)]
    for finding in findings:
        note(finding.render())
    if dry_run:
        note(f"a schema and {len(moved.world.facts):,} relationships would be written; nothing is written")
    return 1 if findings else code


def _import_openfga_host(session: Session, host: OpenFgaHost, cursor: str, dry_run: bool) -> int:
    translated = translate(host.model(), name=host.url)
    _tell_translated(session, translated, dry_run)
    unfit: list[str] = []
    if dry_run:
        count = sum(len(page) for page, _ in _fitting(host, cursor, translated, unfit))
        note(f"a schema and {count:,} relationships would be written; nothing is written")
    else:
        with session.connect() as client:
            if not cursor:
                client.write_schema(translated.text)
            _write_pages(session, client, lambda bar: Pages(_fitting(host, cursor, translated, unfit), bar, cursor))
    for text in unfit[:UNFIT_SHOWN_MAX]:
        note(f"left out: {text}")
    if unfit:
        note(f"{len(unfit):,} tuples that the model has no place for are left out, as OpenFGA passes over them")
    return 0


def _fitting(
    host: OpenFgaHost, cursor: str, translated: Translated, unfit: list[str]
) -> Iterator[tuple[list[Relationship], str]]:
    """Pages of what the model has a place for. An id that Remit cannot hold is no such case, and is refused."""
    schema, names = translated.compiled.schema, translated.names
    for tuples, behind in host.pages(cursor):
        page: list[Relationship] = []
        for written in tuples:
            try:
                relationship = read_tuple(written, names)
                check_relationship(schema, relationship)
            except (NoPlace, RelationshipRefused) as error:
                unfit.append(error.message)
            else:
                page.append(relationship)
        yield page, behind


def _tell_translated(session: Session, translated: Translated, dry_run: bool) -> None:
    notes = translated.names.notes()
    if session.json:
        put_json({"schema": translated.text, "notes": notes})
        return
    if dry_run:
        put(translated.text.rstrip())
    for text in notes:
        note(text)


def _token(given: str | None) -> str:
    return given if given is not None else os.environ.get("REMIT_FROM_TOKEN", "")
