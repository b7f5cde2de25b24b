"""`remit export`: a whole store as text or JSON, one relationship a line.

It is a stream: of a million lines only a few thousand are in memory at once.
Law: `export | import` into an empty store with the same schema gives the same relationships."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Annotated

import typer

from remit.cli.arguments.filters import parse_filter
from remit.cli.arguments.lines import STANDARD_INPUT
from remit.cli.arguments.tokens import AtLeast, Cursor
from remit.cli.files import complete_text
from remit.cli.render.as_json import relationship_json
from remit.cli.render.output import for_reader, json_line, note, put_json
from remit.cli.session import Session, command
from remit.cli.transfer.formats import Format
from remit.cli.transfer.progress import Bar, transfer_bar
from remit.client import Export
from remit.errors import RemitError
from remit.model import Relationship
from remit.notation import format_relationship


def register(app: typer.Typer) -> None:
    command(app, "export")(export)


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
        with complete_text(Path(file)) as stream, transfer_bar("exporting") as bar:
            count = _write(exporting, stream, format, bar)
    if session.json:
        put_json({"relationships": count, "file": file, "token": exporting.token})
    else:
        note(f"{count:,} relationships are in {file}; `remit watch --from {exporting.token}` tells what came after")
    return 0


def _write(exporting: Export, stream: IO[str], format: Format, bar: Bar | None) -> int:
    """Write page after page, each whole, so that the cursor is that of the last line."""
    count = 0
    for page in exporting.pages():
        stream.writelines(for_reader(stream, _line(each, format)) for each in page.relationships)
        count += len(page.relationships)
        if bar is not None:
            bar.advance(len(page.relationships))
    return count


def _line(relationship: Relationship, format: Format) -> str:
    if format is Format.TEXT:
        return f"{format_relationship(relationship)}\n"
    return f"{json_line(relationship_json(relationship))}\n"
