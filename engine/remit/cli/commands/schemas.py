"""`remit schema write`, `read`, `diff`, `check`, `format` and `upgrade-agents`.

Law: what `check` accepts, `write` writes, unless facts stand in the way, and those `diff` counts; what `format` changes
means the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from remit.cli.arguments.lines import STANDARD_INPUT, read_standard_input
from remit.cli.arguments.tokens import AtExactly, AtLeast
from remit.cli.files import complete_text
from remit.cli.render.as_json import issue_json
from remit.cli.render.failures import report
from remit.cli.render.output import note, put, put_json, put_raw
from remit.cli.session import Session, command
from remit.cli.transfer.agents_upgrade import Step, steps_left, take
from remit.client import SchemaDiff
from remit.errors import SchemaInvalid
from remit.language.compiler import Compiled, compile_schema, format_schema
from remit.language.diff import Effect
from remit.language.libraries import AGENTS
from remit.language.source import Issue
from remit.model import Relationship
from remit.notation import format_relationship
from remit.world import read_schema
from remit.world.schema_file import read_text

_FILE = typer.Argument(metavar="FILE", help="A `.zed` file, with what it imports; `-` is standard input.")


def register(app: typer.Typer) -> None:
    schema = typer.Typer(no_args_is_help=True)
    command(schema, "write")(write)
    command(schema, "read")(read)
    command(schema, "diff")(diff)
    command(schema, "upgrade-agents")(upgrade_agents)
    command(schema, "check", offline=True)(check)
    command(schema, "format", offline=True)(format_)
    app.add_typer(schema, name="schema", help="Write, read, compare, check and format schemas.")


def write(
    session: Session,
    file: Annotated[str, _FILE],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge it as a write would, and change nothing.")] = False,
) -> int:
    """Make this the store's schema.

    Refused, and nothing changed, where it does not compile or has no place for relationships that exist. Files that it
    imports are brought in: the store holds one text. A library, such as `import "remit:agents@1"`, stays an import, and
    its text of now is kept beside. Prints the write's token; warnings go to standard error.

    Example:

        remit schema write agents.zed
    """
    compiled = _compiled(file)
    with session.connect() as client:
        written = client.write_schema(compiled.schema.text, dry_run=dry_run)
    if session.json:
        put_json({"token": written.token, "warnings": [issue_json(each) for each in compiled.warnings]})
        return 0
    _tell_warnings(compiled.warnings)
    if dry_run:
        note("it would be accepted; nothing is written")
    else:
        put(written.token)
    return 0


def read(
    session: Session,
    expanded: Annotated[
        bool, typer.Option("--expanded", help="With the libraries brought in that it imports, as they were then.")
    ] = False,
    at_least: AtLeast = "",
    at_exactly: AtExactly = "",
) -> int:
    """Print the store's schema, as it was written.

    Examples:

        remit schema read > backup.zed
        remit schema read --expanded | less
    """
    with session.connect() as client:
        schema = client.read_schema(at_least=at_least, at_exactly=at_exactly)
    text = schema.expansion if expanded else schema.text
    if session.json:
        put_json({"schema": text, "token": schema.token})
    else:
        put_raw(text)
    return 0


def diff(session: Session, file: Annotated[str, _FILE]) -> int:
    """Say what a schema would change in the store, and write nothing.

    Each difference is told with what it may do to answers: `widens`, somebody may have more; `narrows`, somebody may
    have less; `either`; or `same`. Then the relationships that it has no place for: delete them first, or a write is
    refused. Exit code: 0 where it means the same as the store's schema, 1 where it differs, 2 on an error.

    Examples:

        remit schema diff agents.zed
        remit schema read | remit --store staging schema diff -
    """
    compiled = _compiled(file)
    with session.connect() as client:
        found = client.diff_schema(compiled.schema.text)
    if session.json:
        put_json(_diff_json(found, compiled.warnings))
    else:
        _tell_warnings(compiled.warnings)
        for change in found.changes:
            put(f"{_EFFECTS[change.effect]:8} {change.message}")
        for orphans in found.orphans:
            count = f"{orphans.count:,} relationship{'' if orphans.count == 1 else 's'}"
            put(f"orphans  {count} of `{orphans.definition}#{orphans.relation}` would have no place, such as")
            for example in orphans.examples:
                put(f"           {format_relationship(example)}")
        if not found.changes:
            put("same     it means what the store's schema means")
    return 1 if found.changes else 0


_EFFECTS = {Effect.NONE: "same", Effect.WIDENS: "widens", Effect.NARROWS: "narrows", Effect.BOTH: "either"}


def _diff_json(found: SchemaDiff, warnings: tuple[Issue, ...]) -> dict[str, object]:
    return {
        "changes": [
            {
                "code": change.code,
                "message": change.message,
                "definition": change.definition,
                **({"name": change.name} if change.name else {}),
                "effect": _EFFECTS[change.effect],
            }
            for change in found.changes
        ],
        "orphans": [
            {
                "definition": orphans.definition,
                "relation": orphans.relation,
                "count": orphans.count,
                "examples": [format_relationship(each) for each in orphans.examples],
            }
            for orphans in found.orphans
        ],
        "warnings": [issue_json(each) for each in warnings],
        "token": found.token,
    }


def upgrade_agents(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
) -> int:
    """Bring a store from the agent schema before profiles, schema/agents.zed, to the library `remit:agents@1`.

    Schema and facts, in six steps, after each of which every answer of `use` and `read` is what it was. Nothing should
    start runs meanwhile, or change what their intents cover: it writes the old facts, and the new schema asks for the
    new ones. A hold counts throughout, and so does an intent that is withdrawn before the fourth step. A step that is
    cut short can be done again; a store that is on the way goes on where it stopped. It takes a key with the rights
    `read`, `write`, `write-managed` and `schema`.

    Examples:

        remit schema upgrade-agents --dry-run
        remit store backup default before.remit-backup && remit schema upgrade-agents
    """
    with session.connect() as client:
        text = client.read_schema().text
        steps = steps_left(text, client.export(), _now_us())
        if not steps and not session.json:
            note(f"the store's schema is `{AGENTS}` already")
        for number, step in enumerate(steps, 1):
            token = "" if dry_run else take(client, step, _now_us())
            if session.json:
                put_json(_step_json(step, token))
                continue
            put(f"{number}. {step.title}")
            for sign, facts in (("+", step.written), ("-", tuple(Relationship(*key) for key in step.deleted))):
                for fact in facts[:_SHOWN_MAX]:
                    put(f"   {sign} {format_relationship(fact)}")
                if len(facts) > _SHOWN_MAX:
                    put(f"   {sign} … {len(facts) - _SHOWN_MAX:,} more")
    if dry_run and steps:
        note("nothing is written")
    return 0


def _now_us() -> int:
    return time.time_ns() // 1_000


_SHOWN_MAX = 8  # facts of a step; `--json` has them all


def _step_json(step: Step, token: str) -> dict[str, object]:
    return {
        "step": step.title,
        **({"schema": step.schema} if step.schema else {}),
        "written": [format_relationship(fact) for fact in step.written],
        "deleted": [str(key) for key in step.deleted],
        **({"token": token} if token else {}),
    }


def format_(
    session: Session,
    files: Annotated[list[str], _FILE],
    check: Annotated[bool, typer.Option("--check", help="Only say which files are not in canonical form.")] = False,
    write: Annotated[bool, typer.Option("--write", "-w", help="Put each file into canonical form.")] = False,
) -> int:
    """Print schemas in canonical form: one way to write each, comments kept.

    With `--check` nothing is printed but the names of files that differ, and the exit code is 1 if there are any; with
    `--write` those files are written. A file that cannot be read as a schema is told and left as it is: exit code 2.

    Examples:

        remit schema format --check schema/*.zed
        remit schema format --write agents.zed
    """
    if check and write:
        raise typer.BadParameter("--check only says what --write would do: choose one")
    if write and STANDARD_INPUT in files:
        raise typer.BadParameter("standard input cannot be written to: leave --write out")
    return max([_format(session, file, check=check, write=write) for file in files], default=0)


def _format(session: Session, file: str, *, check: bool, write: bool) -> int:
    text = read_standard_input() if file == STANDARD_INPUT else read_text(Path(file))
    try:
        formatted = format_schema(text, name="<stdin>" if file == STANDARD_INPUT else file)
    except SchemaInvalid as error:
        return report(error, as_json=session.json)
    differs = formatted != text
    if write and differs:
        with complete_text(Path(file)) as stream:
            stream.write(formatted)
    if session.json:
        put_json({"file": file, "differs": differs} | ({} if check or write else {"schema": formatted}))
    elif not check and not write:
        put_raw(formatted)
    elif differs:
        put(file)
    return 1 if check and differs else 0


def check(session: Session, files: Annotated[list[str], _FILE]) -> int:
    """Compile schemas, without a server.

    Every finding is told, with its line and a caret. Exit code: 0 where all compile, 1 where one does not, 2 where one
    cannot be read. Warnings do not change it.

    Example:

        remit schema check agents.zed
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
        note(warning.render())
