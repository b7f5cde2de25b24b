"""`remit import` and `remit export`: a whole store as text, one relationship a line.

Law: `export | import` into an empty store with the same schema gives the same relationships."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from remit.cli.as_json import stored_json
from remit.cli.lines import STANDARD_INPUT, Line, read_lines
from remit.cli.output import err, put_json, tell
from remit.cli.session import Session, command
from remit.client import Client
from remit.errors import FileUnwritable, RemitError
from remit.model import Operation, Relationship, RelationshipFilter, RelationshipKey, Update
from remit.notation import format_relationship, parse_relationship

BATCH_MAX = 1_000  # what one write may hold
TIMEOUT_S = 60.0


def register(app: typer.Typer) -> None:
    command(app, "import")(import_)
    command(app, "export")(export)


# --- import -----------------------------------------------------------------------------------------------------


def import_(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Relationships, one a line; `-` is standard input.")],
    skip: Annotated[
        int, typer.Option("--skip", min=0, metavar="N", help="Begin after the first N lines of the file.")
    ] = 0,
) -> int:
    """Write many relationships, a thousand at a time.

    Each is touched: written whatever was there, so that an import may be repeated. Blank lines and lines that begin
    with `//` are skipped. On a line that cannot be read or is refused the import stops and says how far it got, and
    how to go on from there.

    Examples:

        remit import relationships.txt
        remit export | REMIT_ENDPOINT=other:50051 remit import -
        remit import relationships.txt --skip 12000
    """
    with session.connect(TIMEOUT_S) as client, _bar("importing", _size(file)) as bar:
        importing = _Importing(client, bar)
        try:
            importing.run(_batches(_updates(file, skip)))
        except (RemitError, KeyboardInterrupt):
            if importing.last_line > skip:
                skip = importing.last_line
            tell(f"{importing.written:,} relationships are written; go on with `--skip {skip}`")
            raise
    if session.json:
        put_json({"relationships": importing.written, "token": importing.token})
    else:
        tell(f"{importing.written:,} relationships are written")
    return 0


class _Importing:
    """Sends batches, one ahead of what the server has acknowledged: while it writes one, the next is read."""

    def __init__(self, client: Client, bar: _Bar) -> None:
        self.written = 0
        self.last_line = 0  # every line up to this one is written
        self.token = ""
        self._client = client
        self._bar = bar

    def run(self, batches: Iterable[list[tuple[Line, Relationship]]]) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="import") as sender:
            under_way: tuple[list[tuple[Line, Relationship]], Future[str]] | None = None
            try:
                for batch in batches:
                    if under_way is not None:
                        self._acknowledge(*under_way)
                    under_way = batch, sender.submit(self._send, batch)
            finally:
                # Also where a later line is bad: what was sent counts, and must be counted.
                if under_way is not None:
                    self._acknowledge(*under_way)

    def _send(self, batch: list[tuple[Line, Relationship]]) -> str:
        return self._client.write(Update(Operation.TOUCH, relationship) for _, relationship in batch)

    def _acknowledge(self, batch: list[tuple[Line, Relationship]], sent: Future[str]) -> None:
        first, last = batch[0][0], batch[-1][0]
        try:
            self.token = sent.result()
        except RemitError as error:
            error.message = f"{first.source}, lines {first.number} to {last.number}: {error.message}"
            raise
        self.written += len(batch)
        self.last_line = last.number
        self._bar.advance(len(batch), sum(len(line.text) + 1 for line, _ in batch))


def _updates(file: str, skip: int) -> Iterator[tuple[Line, Relationship]]:
    for line in read_lines(file, skip=skip):
        try:
            yield line, parse_relationship(line.text)
        except RemitError as error:
            raise line.at_fault(error) from error


def _batches(updates: Iterator[tuple[Line, Relationship]]) -> Iterator[list[tuple[Line, Relationship]]]:
    """As many as one write takes, and none twice in one: of two lines about the same triple the later one counts, so it
    goes into the next write. What was read before a bad line is still sent."""
    batch: list[tuple[Line, Relationship]] = []
    keys: set[RelationshipKey] = set()
    failure: RemitError | None = None
    while True:
        try:
            line, relationship = next(updates)
        except StopIteration:
            break
        except RemitError as error:
            failure = error
            break
        if len(batch) == BATCH_MAX or relationship.key in keys:
            yield batch
            batch, keys = [], set()
        batch.append((line, relationship))
        keys.add(relationship.key)
    if batch:
        yield batch
    if failure is not None:
        raise failure


# --- export -----------------------------------------------------------------------------------------------------


def export(
    session: Session,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to; nothing, or `-`, is standard output.")
    ] = STANDARD_INPUT,
    at_least: Annotated[
        str, typer.Option("--at-least", metavar="TOKEN", help="Read no older than the write that gave this token.")
    ] = "",
) -> int:
    """Print all relationships as canonical text, one a line, in a stable order.

    A file appears only once it is complete. What has expired is left out, and so is the schema: see
    `remit schema read`. What is written during an export may or may not be in it.

    Examples:

        remit export > relationships.txt
        remit export backup.txt && remit schema read > backup.zed
    """
    with session.connect(TIMEOUT_S) as client:
        if file == STANDARD_INPUT:
            _export(client, session, sys.stdout, at_least, None)
            return 0
        with _complete_file(Path(file)) as stream, _bar("exporting", None) as bar:
            count = _export(client, session, stream, at_least, bar)
    if session.json:
        put_json({"relationships": count, "file": file})
    else:
        tell(f"{count:,} relationships are in {file}")
    return 0


def _export(client: Client, session: Session, stream: IO[str], at_least: str, bar: _Bar | None) -> int:
    count = 0
    for stored in client.read(RelationshipFilter(), at_least=at_least):
        text = format_relationship(stored.relationship)
        stream.write(json.dumps(stored_json(stored), ensure_ascii=False) if session.json else text)
        stream.write("\n")
        count += 1
        if bar is not None:
            bar.advance(1, 0)
    return count


@contextmanager
def _complete_file(path: Path) -> Iterator[IO[str]]:
    """A file that gets its name only when all of it is written. Raises FileUnwritable."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        raise FileUnwritable(f"cannot write `{path}`: {(error.strerror or str(error)).lower()}") from error
    finally:
        partial.unlink(missing_ok=True)


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
