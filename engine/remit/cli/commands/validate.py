"""`remit validate`: worlds run offline.

Law: exit code 0 says that every line of every file is true."""

from __future__ import annotations

import glob
import time
from pathlib import Path
from typing import Annotated

import typer

from remit.cli.render.as_json import error_json, finding_json, issue_json, world_json
from remit.cli.render.coverage import coverage_json, put_coverage
from remit.cli.render.examined import Examined, outcomes_of_mistakes, schema_outcome
from remit.cli.render.failures import print_error
from remit.cli.render.junit import write_junit
from remit.cli.render.output import note, out, put, put_json
from remit.cli.session import Session, command
from remit.errors import FileUnreadable, InvalidRelationship, WorldInvalid, WorldUnreadable
from remit.notation import parse_time, shortened
from remit.world import Finding, World
from remit.world.coverage import Coverage, schema_key
from remit.world.finding import FindingKind
from remit.world.schema_file import SchemaFiles
from remit.world.verification import Observe, outcomes_of


def register(app: typer.Typer) -> None:
    command(app, "validate", offline=True)(validate)


def validate(
    session: Session,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…", help="Worlds, in SpiceDB's validation-file format; folders of them; or patterns."
        ),
    ],
    now: Annotated[
        str | None,
        typer.Option(
            "--now", metavar="TIME", help="Ask at this time instead of the clock's; a world's own `now` wins."
        ),
    ] = None,
    fail_on_warn: Annotated[
        bool, typer.Option("--fail-on-warn", help="What the schema is warned of fails too.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write a report in JUnit's XML, for CI.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Tell which parts of each schema the assertions decide about.")
    ] = False,
    coverage_min: Annotated[
        float | None,
        typer.Option("--coverage-min", metavar="PERCENT", min=0, max=100, help="Fail where they cover less of one."),
    ] = None,
) -> int:
    """Check worlds: schema, relationships, assertions, expected relations. No server is asked.

    A world is a YAML file with `schema` or `schemaFile`, `relationships`, `assertions` (assertTrue, assertCaveated,
    assertFalse) and `validation`; with `now:` it also says what time it is in it. Everything that does not hold is
    told with its line. Of a folder, every `*.yaml` in it is a world.

    With `--coverage`: a part of the schema (a relation, a subject type, a permission, an operand, a caveat) is covered
    with yes where an assertion would be answered otherwise were nobody in it, and with no were everybody. Worlds that
    share a schema are counted together.

    Exit code: 0 where all of it holds, 1 where something does not, 2 where a file cannot be read.

    Examples:

        remit validate schema/worlds
        remit validate world.yaml --now 2027-01-31T12:00:00Z --json
        remit validate schema/worlds --fail-on-warn --coverage-min 80 --junit report.xml
    """
    now_us = _time(now) if now is not None else time.time_ns() // 1_000
    run = _Run(session, now_us, fail_on_warn, coverage or coverage_min is not None)
    examined = [run.examine(path) for argument in files for path in worlds_of(argument)]
    if len(examined) > 1 and not session.json:
        held = sum(each.code == 0 for each in examined)
        put(f"{held} of {len(examined)} worlds hold")
    reports = [each.report() for each in run.coverages.values()]
    percent_min = coverage_min or 0.0
    for report in reports:
        if session.json:
            put_json(coverage_json(report, percent_min))
        else:
            put_coverage(report, percent_min)
    if junit is not None:
        write_junit(junit, examined, reports, percent_min)
    is_too_little = any(report.percent < percent_min for report in reports)
    return max((int(is_too_little), *(each.code for each in examined)))


def worlds_of(argument: str) -> list[Path]:
    """The files that an argument means: itself, the `*.yaml` of a folder, what a pattern finds. Raises FileUnreadable
    where that is none."""
    path = Path(argument)
    if path.is_dir():
        found = sorted(path.glob("*.yaml"))
        problem = "there is no `*.yaml` in it"
    elif not path.exists() and glob.has_magic(argument):
        found = sorted(Path(each) for each in glob.glob(argument, recursive=True))  # noqa: PTH207  # absolute, too
        problem = "no file is of that pattern"
    else:
        return [path]
    if not found:
        raise FileUnreadable(f"`{shortened(argument)}` means no world: {problem}", file=argument)
    return found


class _Run:
    """One run over many files: what they share, and what was reported already."""

    def __init__(self, session: Session, now_us: int, fail_on_warn: bool, with_coverage: bool) -> None:
        self.coverages: dict[object, Coverage] = {}
        self._session = session
        self._now_us = now_us
        self._fail_on_warn = fail_on_warn
        self._with_coverage = with_coverage
        self._schemas = SchemaFiles()
        self._reported: set[str] = set()

    def examine(self, file: Path) -> Examined:
        """Run a file and print what it came to."""
        started = time.perf_counter()
        try:
            world = World.read(file, self._schemas)
        except (FileUnreadable, WorldUnreadable) as error:
            if file.suffix == ".zed" and isinstance(error, WorldUnreadable):
                hint = f"{error.message}; for a schema alone there is `remit schema check {file}`"
                error = WorldUnreadable(hint, **error.metadata)
            examined = Examined(str(file), time.perf_counter() - started, error=error)
        except WorldInvalid as error:
            mistakes = outcomes_of_mistakes([each for each in error.findings if isinstance(each, Finding)])
            examined = Examined(str(file), time.perf_counter() - started, outcomes=mistakes)
        else:
            warned = world.warning_findings if self._fail_on_warn else ()
            outcomes = (schema_outcome(warned), *outcomes_of(world, self._now_us, self._observer(world)))
            examined = Examined(str(file), time.perf_counter() - started, world, outcomes)
        if self._session.json:
            _put_json(examined)
        else:
            self._put(examined)
        return examined

    def _observer(self, world: World) -> Observe | None:
        if not self._with_coverage:
            return None
        key = schema_key(world.tree)
        if key not in self.coverages:
            self.coverages[key] = Coverage.of(world)
        self.coverages[key].begin()
        return self.coverages[key].observe

    def _put(self, examined: Examined) -> None:
        if examined.error is not None:
            print_error(examined.error.message, examined.error.reason)
            return
        world = examined.world
        if world is not None and not self._fail_on_warn:
            self._tell_warnings(world)
        findings = examined.findings
        for finding in findings:
            text = finding.render()
            # Many worlds may share one schema file; what is wrong with it is reported once.
            if finding.kind is not FindingKind.SCHEMA or text not in self._reported:
                self._reported.add(text)
                put(text)
        if findings:
            count = f"{len(findings)} {'thing does' if len(findings) == 1 else 'things do'} not hold"
            out().print(f"{examined.file}: {count}", style="red")
        else:
            assert world is not None, "what holds has been read"
            out().print(f"{examined.file}: holds ({_contents(world)})", style="green")

    def _tell_warnings(self, world: World) -> None:
        texts = [each.render() for each in world.unknown_keys] + [each.render() for each in world.warnings]
        for text in texts:
            if text not in self._reported:
                self._reported.add(text)
                note(text)


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except InvalidRelationship as error:  # it is no relationship here
        raise typer.BadParameter(error.message, param_hint="'--now'") from error


def _put_json(examined: Examined) -> None:
    if examined.error is not None:
        put_json({"file": examined.file, "ok": False, "error": error_json(examined.error)})
    elif examined.world is None:
        put_json({"file": examined.file, "ok": False, "findings": [finding_json(each) for each in examined.findings]})
    else:
        warnings = [
            *(finding_json(each) for each in examined.world.unknown_keys),
            *(issue_json(each) for each in examined.world.warnings),
        ]
        put_json({**world_json(examined.world, examined.findings), "warnings": warnings})


def _contents(world: World) -> str:
    counts = {
        "relationship": len(world.facts),
        "record": len(world.records),
        "assertion": len(world.assertions),
        "expected set": len(world.expected_sets),
        "expected list": len(world.expected_lists),
    }
    return (
        ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count) or "empty"
    )
