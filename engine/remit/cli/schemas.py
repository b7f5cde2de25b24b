"""`remit schema write`, `read` and `check`.

Law: what `check` accepts, `write` writes, unless facts stand in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remit.cli.as_json import issue_json
from remit.cli.lines import STANDARD_INPUT, read_standard_input
from remit.cli.output import put, put_json, put_raw, tell
from remit.cli.session import Session, command
from remit.errors import SchemaInvalid
from remit.language.compiler import Compiled, compile_schema
from remit.language.source import Issue
from remit.world import read_schema

_FILE = typer.Argument(metavar="FILE", help="A `.zed` file, with what it imports; `-` is standard input.")


def register(app: typer.Typer) -> None:
    schema = typer.Typer(no_args_is_help=True)
    command(schema, "write")(write)
    command(schema, "read")(read)
    command(schema, "check", offline=True)(check)
    app.add_typer(schema, name="schema", help="Write, read and check schemas.")


def write(
    session: Session,
    file: Annotated[str, _FILE],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge it as a write would, and change nothing.")] = False,
) -> int:
    """Make this the store's schema.

    Refused, and nothing changed, where it does not compile or has no place for relationships that exist. Imports are
    brought in: the store holds one text. Prints the write's token; warnings go to standard error.

    Example:

        remit schema write schema/agents.zed
    """
    compiled = _compiled(file)
    with session.connect() as client:
        written = client.write_schema(compiled.schema.text, dry_run=dry_run)
    if session.json:
        put_json({"token": written.token, "warnings": [issue_json(each) for each in compiled.warnings]})
        return 0
    _tell_warnings(compiled.warnings)
    if dry_run:
        tell("it would be accepted; nothing is written")
    else:
        put(written.token)
    return 0


def read(
    session: Session,
    at_least: Annotated[
        str, typer.Option("--at-least", metavar="TOKEN", help="Read no older than the write that gave this token.")
    ] = "",
    at_exactly: Annotated[
        str, typer.Option("--at-exactly", metavar="TOKEN", help="Read as of exactly this token's revision.")
    ] = "",
) -> int:
    """Print the store's schema, as it was written.

    Example:

        remit schema read > backup.zed
    """
    with session.connect() as client:
        schema = client.read_schema(at_least=at_least, at_exactly=at_exactly)
    if session.json:
        put_json({"schema": schema.text, "token": schema.token})
    else:
        put_raw(schema.text)
    return 0


def check(session: Session, files: Annotated[list[str], _FILE]) -> int:
    """Compile schemas, without a server.

    Every finding is told, with its line and a caret. Exit code: 0 where all compile, 1 where one does not, 2 where one
    cannot be read. Warnings do not change it.

    Example:

        remit schema check schema/agents.zed
    """
    return max([_check(session, file) for file in files], default=0)


def _check(session: Session, file: str) -> int:
    try:
        compiled = _compiled(file)
    except SchemaInvalid as error:
        errors = [issue for issue in error.issues if isinstance(issue, Issue)]
        return _print_findings(session, file, errors, ok=False)
    return _print_findings(session, file, compiled.warnings, ok=True)


def _print_findings(session: Session, file: str, issues: list[Issue] | tuple[Issue, ...], *, ok: bool) -> int:
    if session.json:
        put_json({"file": file, "ok": ok, "findings": [issue_json(issue) for issue in issues]})
        return 0 if ok else 1
    file = "<stdin>" if file == STANDARD_INPUT else file
    for issue in issues:
        put(issue.render())
    count = f"{len(issues)} {'warning' if ok else 'error'}{'' if len(issues) == 1 else 's'}"
    put(f"{file}: {'compiles' if ok else 'does not compile'}{f', {count}' if issues else ''}")
    return 0 if ok else 1


def _compiled(file: str) -> Compiled:
    if file == STANDARD_INPUT:
        return compile_schema(read_standard_input(), name="<stdin>")
    return read_schema(Path(file))


def _tell_warnings(warnings: tuple[Issue, ...]) -> None:
    for warning in warnings:
        tell(warning.render())
