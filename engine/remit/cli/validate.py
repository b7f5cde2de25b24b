"""`remit validate`: worlds run offline.

Law: exit code 0 says that every line of every file is true."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from remit.cli.as_json import error_json, finding_json, issue_json, world_json
from remit.cli.failures import FAILED, say
from remit.cli.output import out, put, put_json, tell
from remit.cli.session import Session, command
from remit.errors import FileUnreadable, WorldInvalid, WorldUnreadable
from remit.language.source import Issue
from remit.notation import parse_time
from remit.world import Finding, World


def register(app: typer.Typer) -> None:
    command(app, "validate", offline=True)(validate)


def validate(
    session: Session,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Worlds, in SpiceDB's validation-file format.")],
    now: Annotated[
        str | None,
        typer.Option(
            "--now", metavar="TIME", help="Ask at this time instead of the clock's; a world's own `now` wins."
        ),
    ] = None,
) -> int:
    """Check worlds: schema, relationships, assertions, expected relations. No server is asked.

    A world is a YAML file with `schema` or `schemaFile`, `relationships`, `assertions` (assertTrue, assertCaveated,
    assertFalse) and `validation`; with `now:` it also says what time it is in it. Everything that does not hold is
    told with its line.

    Exit code: 0 where all of it holds, 1 where something does not, 2 where a file cannot be read.

    Examples:

        remit validate schema/worlds/*.yaml
        remit validate world.yaml --now 2027-01-31T12:00:00Z --json
    """
    now_us = parse_time(now) if now is not None else time.time_ns() // 1_000
    told: set[str] = set()
    codes = [_validate(session, file, now_us, told) for file in files]
    if len(files) > 1 and not session.json:
        held = codes.count(0)
        put(f"{held} of {len(files)} worlds hold")
    return max(codes, default=0)


def _validate(session: Session, file: Path, now_us: int, told: set[str]) -> int:
    try:
        world = World.read(file)
    except (FileUnreadable, WorldUnreadable) as error:
        if session.json:
            put_json({"file": str(file), "ok": False, "error": error_json(error)})
        else:
            say(error.message, error.reason)
        return FAILED
    except WorldInvalid as error:
        findings = [each for each in error.findings if isinstance(each, Finding)]
        if session.json:
            put_json({"file": str(file), "ok": False, "findings": [finding_json(each) for each in findings]})
        else:
            _print(file, findings, "")
        return 1
    findings = world.verify(now_us)
    if session.json:
        put_json({**world_json(world, findings), "warnings": [issue_json(each) for each in world.warnings]})
    else:
        _tell_warnings(world.warnings, told)
        _print(file, findings, _contents(world))
    return 1 if findings else 0


def _print(file: Path, findings: list[Finding], contents: str) -> None:
    console = out()
    for finding in findings:
        put(finding.render())
    if findings:
        count = f"{len(findings)} {'thing does' if len(findings) == 1 else 'things do'} not hold"
        console.print(f"{file}: {count}", style="red")
    else:
        console.print(f"{file}: holds ({contents})", style="green")


def _contents(world: World) -> str:
    counts = {
        "relationship": len(world.facts),
        "assertion": len(world.assertions),
        "expected set": len(world.expected_sets),
    }
    return (
        ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count) or "empty"
    )


def _tell_warnings(warnings: tuple[Issue, ...], told: set[str]) -> None:
    """Each once: many worlds may share one schema file."""
    for warning in warnings:
        text = warning.render()
        if text not in told:
            told.add(text)
            tell(text)
