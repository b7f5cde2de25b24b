"""`remit export`: a whole store as text or JSON, one relationship a line.

It is a stream: of a million lines only a few thousand are in memory at once.
Law: `export | import` into an empty store with the same schema gives the same relationships."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent
from typing import IO, Annotated

import typer

from remit.cli.arguments.filters import parse_filter
from remit.cli.arguments.lines import STANDARD_INPUT
from remit.cli.arguments.tokens import AtLeast, Cursor
from remit.cli.files import complete_text
from remit.cli.render.as_json import relationship_json
from remit.cli.render.output import for_reader, json_line, note, put_json
from remit.cli.session import Session, command
from remit.cli.transfer.formats import ExportFormat
from remit.cli.transfer.progress import Bar, transfer_bar
from remit.client import Export
from remit.errors import InvalidArgument, RemitError
from remit.language.compiler import compile_source
from remit.language.parser import parse
from remit.language.source import Source
from remit.language.syntax import UseSyntax
from remit.model import DEFAULT_STORE, Relationship
from remit.notation import format_relationship
from remit.openfga.store_text import store_head, tuple_line

_INDENT = "  "
_BEYOND_SPICEDB = ("delegation", "not_before")


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
        ExportFormat,
        typer.Option(
            "--format",
            help="`text`: as everywhere; `jsonl`: an object a line; `spicedb`: a world, for `zed import`; `openfga`: a "
            "store file, for `fga store import`.",
        ),
    ] = ExportFormat.TEXT,
    at_least: AtLeast = "",
    cursor: Cursor = "",
) -> int:
    """Print all relationships as canonical text, one a line, in a stable order.

    A file appears only once it is complete; an export to standard output that ends early says how to go on. What has
    expired is left out, and so is the schema: see `remit schema read`. What is written during an export may or may not
    be in it: `remit watch --from` the token that is told beside a file brings all of it up to date.

    `spicedb` and `openfga` have the schema, too, in the words of the other. What it has no word for is refused by name.

    Examples:

        remit export > relationships.txt
        remit export backup.txt && remit schema read > backup.zed
        remit export --filter 'tool#may_use' --format jsonl
        remit export world.yaml --format spicedb && zed import file://world.yaml
        remit export store.fga.yaml --format openfga && fga model test --tests store.fga.yaml
    """
    wanted = parse_filter(filter) if filter is not None else None
    format = ExportFormat.JSONL if session.json and format is ExportFormat.TEXT else format
    is_whole = format in (ExportFormat.SPICEDB, ExportFormat.OPENFGA)
    if is_whole and cursor:
        raise typer.BadParameter(f"what `{format}` reads is exported whole: leave --cursor away")
    with session.connect() as client, client.export(wanted, at_least=at_least, cursor=cursor) as exporting:
        head = _head(format, client.store or DEFAULT_STORE, client.read_schema().expansion) if is_whole else ""
        if file == STANDARD_INPUT:
            try:
                _write(exporting, sys.stdout, format, head, None)
            except (RemitError, KeyboardInterrupt) as ending:
                sys.stdout.flush()
                # A cursor that was refused is nothing to go on with.
                goes_on = exporting.cursor and (exporting.cursor != cursor or isinstance(ending, KeyboardInterrupt))
                if goes_on and not is_whole:
                    note(f"the export is not complete; go on with `--cursor {exporting.cursor}`")
                raise
            return 0
        with complete_text(Path(file)) as stream, transfer_bar("exporting") as bar:
            count = _write(exporting, stream, format, head, bar)
    if session.json:
        put_json({"relationships": count, "file": file, "token": exporting.token})
    else:
        note(f"{count:,} relationships are in {file}; `remit watch --from {exporting.token}` tells what came after")
    return 0


def _write(exporting: Export, stream: IO[str], format: ExportFormat, head: str, bar: Bar | None) -> int:
    """Write page after page, each whole, so that the cursor is that of the last line."""
    count = 0
    stream.write(for_reader(stream, head))
    for page in exporting.pages():
        stream.writelines(for_reader(stream, _line(each, format)) for each in page.relationships)
        count += len(page.relationships)
        if bar is not None:
            bar.advance(len(page.relationships))
    return count


def _line(relationship: Relationship, format: ExportFormat) -> str:
    match format:
        case ExportFormat.TEXT:
            return f"{format_relationship(relationship)}\n"
        case ExportFormat.JSONL:
            return f"{json_line(relationship_json(relationship))}\n"
        case ExportFormat.SPICEDB:
            return f"{_INDENT}{format_relationship(relationship)}\n"
        case ExportFormat.OPENFGA:
            return tuple_line(relationship)


def _head(format: ExportFormat, store: str, schema: str) -> str:
    if format is ExportFormat.OPENFGA:
        return store_head(store, compile_source(Source("schema", schema)).schema)
    return _head_for_spicedb(schema)


def _head_for_spicedb(schema: str) -> str:
    """The world up to its first relationship. Raises InvalidArgument where SpiceDB has no word for what it says."""
    tree = parse(Source("schema", schema))
    for item in tree.items:
        if isinstance(item, UseSyntax) and item.flag in _BEYOND_SPICEDB:
            raise InvalidArgument(f"the schema has `use {item.flag}`, which SpiceDB does not read")
    return f"schema: |-\n{indent(schema, _INDENT)}\nrelationships: |-\n"
