"""What the assertions cover of a schema, for people and for programs: each definition, and all that is not covered.

Law: whatever names a part says where it stands."""

from __future__ import annotations

from rich.text import Text

from remit.cli.render.as_json import Json
from remit.cli.render.output import WORDS, out, put
from remit.world.coverage import CoverageReport, Lack, Row


def put_coverage(report: CoverageReport, percent_min: float) -> None:
    console = out()
    assertions = f"{report.assertions:,} assertion{'' if report.assertions == 1 else 's'}"
    worlds = f"{report.worlds:,} world{'' if report.worlds == 1 else 's'}"
    console.print(
        Text(f"coverage of {report.schema} by {assertions} of {worlds}: ")
        + _percent(report.percent)
        + Text(f" ({report.covered:,} of {report.total:,})")
    )
    width = max((len(_title(row)) for row in report.rows), default=0)
    for row in report.rows:
        percent = _percent(row.percent)
        percent.pad_left(len("99.9%") - len(percent.plain))
        console.print(Text(f"  {_title(row).ljust(width)}  ") + percent + Text(f"  {row.covered:,} of {row.total:,}"))
    for lack in report.lacks:
        put(f"{lack.part.file}:{lack.part.line}: {lack}")
    if report.percent < percent_min:
        console.print(f"{report.schema}: {report.percent:g}% is covered, less than {percent_min:g}%", style="red")


def _title(row: Row) -> str:
    return f"caveat {row.name}" if row.kind == "caveat" else row.name


def _percent(percent: float) -> Text:
    return Text(f"{percent:g}%", style="green" if percent == 100 else "yellow")


def coverage_json(report: CoverageReport, percent_min: float) -> Json:
    return {
        "schema": report.schema,
        "ok": report.percent >= percent_min,
        "percent": report.percent,
        "covered": report.covered,
        "total": report.total,
        "worlds": report.worlds,
        "assertions": report.assertions,
        "definitions": [
            {"kind": row.kind, "name": row.name, "percent": row.percent, "covered": row.covered, "total": row.total}
            for row in report.rows
        ],
        "uncovered": [_lack_json(lack) for lack in report.lacks],
    }


def _lack_json(lack: Lack) -> Json:
    part = lack.part
    shape: Json = {"file": part.file, "line": part.line, "column": part.column, "kind": part.kind.value}
    if part.definition:
        shape["definition"] = part.definition
    return {**shape, "name": part.name, "text": part.text, "value": WORDS[lack.value], "message": str(lack)}
