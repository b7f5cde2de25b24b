"""`remit import` and `remit export`: a whole store as text or JSON, one relationship a line; and a world, into one.

Both are streams: of a million lines only a few thousand are in memory at once.
Law: `export | import` into an empty store with the same schema gives the same relationships."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from remit.cli.arguments.filters import parse_filter
from remit.cli.arguments.lines import STANDARD_INPUT, Line, read_lines
from remit.cli.arguments.relationship_json import parse_relationship_json
from remit.cli.arguments.tokens import AtLeast, Cursor
from remit.cli.files import complete_text
from remit.cli.render.as_json import relationship_json
from remit.cli.render.output import err, for_reader, json_line, note, put, put_json
from remit.cli.session import Session, command
from remit.client import Client, Export, Question, RemoteError, Unanswered
from remit.errors import RemitError, WorldInvalid
from remit.model import Relationship
from remit.notation import format_relationship, parse_relationship
from remit.world import World, verify
from remit.world.finding import FindingKind
from remit.world.verification import WORDS, misfits_of

WORLD_SUFFIXES = (".yaml", ".yml")
QUESTIONS_MAX = 100  # asked at once


class Format(StrEnum):
    """How a line says a relationship."""

    TEXT = "text"
    JSONL = "jsonl"


_PARSERS: dict[Format, Callable[[str], Relationship]] = {
    Format.TEXT: parse_relationship,
    Format.JSONL: parse_relationship_json,
}


def register(app: typer.Typer) -> None:
    command(app, "import")(import_)
    command(app, "export")(export)


# --- import -----------------------------------------------------------------------------------------------------


def import_(
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
        return _import_world(session, Path(file), dry_run)
    if suffix == ".zed":
        raise typer.BadParameter(f"`{file}` is a schema: `remit schema write {file}` writes it")
    if dry_run:
        raise typer.BadParameter(
            f"--dry-run is for a world, `*.yaml`: `remit touch --dry-run - < {file}` judges a thousand relationships"
        )
    with session.connect() as client, _bar("importing", _size(file)) as bar:
        sent = _Sent(skip, bar)
        try:
            done = client.import_(sent.relationships(file, format), progress=sent.acknowledged)
        except (RemitError, KeyboardInterrupt) as error:
            went_on = f"{sent.written:,} relationships are written; go on with `--skip {sent.last_line}`"
            note(went_on if sent.written else "nothing is written")
            if isinstance(error, RemoteError):
                raise sent.at_fault(error) from error
            raise
    if session.json:
        put_json({"relationships": done.imported, "token": done.token})
    else:
        note(f"{done.imported:,} relationships are written")
    return 0


def _import_world(session: Session, path: Path, dry_run: bool) -> int:
    now_us = time.time_ns() // 1_000
    world = World.read(path)
    for finding in world.unknown_keys:
        note(finding.render())
    # What follows from them the server is asked; but not by a dry run, for which it has not the schema yet.
    told = verify(world, now_us) if dry_run else misfits_of(world)
    if told and not dry_run:
        note("nothing is written")
        raise WorldInvalid(told[0].render().splitlines()[0], findings=told, file=path)
    for finding in told:
        note(finding.render())
    for relationship in world.relationships:
        if relationship.qualifiers.is_over(now_us):
            note(f"warning: `{relationship.key}` has expired already: it counts for nothing")
    with session.connect() as client:
        client.write_schema(world.schema.text, dry_run=dry_run)
        if dry_run:
            if session.json:
                put_json(_world_json(world, [(each.line, each.message) for each in told]))
            is_refused = any(each.kind is FindingKind.RELATIONSHIP for each in told)
            verdict = "refused" if is_refused else "accepted"
            note(f"it would be {verdict}: a schema and {_count(world)}; nothing is written")
            return 1 if told else 0
        try:
            done = client.import_(world.relationships)
        except RemitError as error:
            written = int(error.metadata.get("imported", 0))
            note(f"the schema and {written:,} relationships are written; once mended, import the file again")
            raise
        failed = _failed(client, world, done.token)
    if session.json:
        put_json({"token": done.token, **_world_json(world, failed)})
    else:
        for line, text in failed:
            put(f"{path.as_posix()}:{line}: {text}")
        note(f"a schema and {_count(world)} are written")
        if world.assertions:
            note(f"{len(world.assertions) - len(failed):,} of {len(world.assertions):,} assertions hold on the server")
    return 1 if failed else 0


def _failed(client: Client, world: World, token: str) -> list[tuple[int, str]]:
    """The assertions that the server answers otherwise: their lines, and what it says."""
    if world.assertions and world.now_us is not None:
        note("the assertions are asked at the server's time, not at the world's `now`")
    failed: list[tuple[int, str]] = []
    for start in range(0, len(world.assertions), QUESTIONS_MAX):
        assertions = world.assertions[start : start + QUESTIONS_MAX]
        asked = [Question(each.resource, each.permission, each.subject, each.context) for each in assertions]
        for assertion, answer in zip(assertions, client.check_many(asked, at_least=token), strict=True):
            if isinstance(answer, Unanswered):
                failed.append((assertion.line, f"`{assertion.text}` was not answered: {answer.error.message}"))
            elif answer.verdict is not assertion.expected:
                found, expected = WORDS[answer.verdict], WORDS[assertion.expected]
                failed.append((assertion.line, f"`{assertion.text}` is {found} on the server, expected {expected}"))
    return failed


def _world_json(world: World, failed: list[tuple[int, str]]) -> dict[str, object]:
    told = [{"line": line, "message": message} for line, message in failed]
    return {"relationships": len(world.facts), "assertions": len(world.assertions), "failed": told}


def _count(world: World) -> str:
    return f"{len(world.facts):,} {'relationship' if len(world.facts) == 1 else 'relationships'}"


class _Sent:
    """The lines that are on their way, and how far the server has acknowledged them. gRPC's thread reads, ours hears of
    what is durable; the deque between them takes both."""

    def __init__(self, skip: int, bar: _Bar) -> None:
        self.written = 0
        self.last_line = skip  # every line up to this one is written
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


# --- export -----------------------------------------------------------------------------------------------------


def export(
    session: Session,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to; nothing, or `-`, is standard output.")
    ] = STANDARD_INPUT,
    filter: Annotated[
        str | None, typer.Option("--filter", metavar="FILTER", help="Only these; see `remit read --help`.")
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", help="`text`: as everywhere; `jsonl`: an object a line.")
    ] = Format.TEXT,
    at_least: AtLeast = "",
    cursor: Cursor = "",
) -> int:
    """Print all relationships as canonical text, one a line, in a stable order.

    A file appears only once it is complete; an export to standard output that ends early says how to go on. What has
    expired is left out, and so is the schema: see `remit schema read`. What is written during an export may or may not
    be in it: `remit watch --from` the token that is told beside a file brings all of it up to date.

    Examples:

        remit export > relationships.txt
        remit export backup.txt && remit schema read > backup.zed
        remit export --filter 'tool#may_use' --format jsonl
    """
    wanted = parse_filter(filter) if filter is not None else None
    format = Format.JSONL if session.json else format
    with session.connect() as client, client.export(wanted, at_least=at_least, cursor=cursor) as exporting:
        if file == STANDARD_INPUT:
            try:
                _write(exporting, sys.stdout, format, None)
            except (RemitError, KeyboardInterrupt) as ending:
                sys.stdout.flush()
                # A cursor that was refused is nothing to go on with.
                if exporting.cursor and (exporting.cursor != cursor or isinstance(ending, KeyboardInterrupt)):
                    note(f"the export is not complete; go on with `--cursor {exporting.cursor}`")
                raise
            return 0
        with complete_text(Path(file)) as stream, _bar("exporting", None) as bar:
            count = _write(exporting, stream, format, bar)
    if session.json:
        put_json({"relationships": count, "file": file, "token": exporting.token})
    else:
        note(f"{count:,} relationships are in {file}; `remit watch --from {exporting.token}` tells what came after")
    return 0


def _write(exporting: Export, stream: IO[str], format: Format, bar: _Bar | None) -> int:
    """Write page after page, each whole, so that the cursor is that of the last line."""
    count = 0
    for page in exporting.pages():
        stream.writelines(for_reader(stream, _line(each, format)) for each in page.relationships)
        count += len(page.relationships)
        if bar is not None:
            bar.advance(len(page.relationships), 0)
    return count


def _line(relationship: Relationship, format: Format) -> str:
    if format is Format.TEXT:
        return f"{format_relationship(relationship)}\n"
    return f"{json_line(relationship_json(relationship))}\n"


# --- progress ---------------------------------------------------------------------------------------------------


class _Bar:
    """Progress on standard error, for a person; nothing where no one watches."""

    def __init__(self, progress: Progress, task: TaskID, in_bytes: bool) -> None:
        self._progress = progress
        self._task = task
        self._in_bytes = in_bytes
        self._count = 0

    def advance(self, count: int, size_bytes: int) -> None:
        self._count += count
        amount = size_bytes if self._in_bytes else count
        self._progress.update(self._task, advance=amount, written=f"{self._count:,} relationships")


@contextmanager
def _bar(what: str, total_bytes: int | None) -> Iterator[_Bar]:
    console = err()
    columns = [TextColumn(what), BarColumn(), TextColumn("{task.fields[written]}"), TimeElapsedColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total_bytes, written="")
        yield _Bar(progress, task, in_bytes=total_bytes is not None)


def _size(file: str) -> int | None:
    """Bytes of a file, where it is one: what a bar can be measured by. None for a pipe."""
    try:
        found = Path(file).stat() if file != STANDARD_INPUT else os.fstat(sys.stdin.fileno())
    except (OSError, ValueError):
        return None
    return found.st_size or None
