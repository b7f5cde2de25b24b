"""The report that CI systems read: JUnit's XML, a suite for each file and a case for each thing it says.

There is no one standard of it; these are the elements and attributes that Jenkins, GitLab, GitHub's reporters and
pytest have in common. A relationship is a case only where the schema does not allow it: thousands of them say nothing.
Law: the document is well-formed whatever a world has in it, and its counts are those of its cases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from xml.etree import ElementTree as ET  # only written with, never read: what it trusts is ours

from remit.cli.render.examined import Examined
from remit.errors import FileUnwritable
from remit.world.coverage import CoverageReport
from remit.world.finding import FindingKind, Outcome

# What XML 1.0 cannot carry, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, files: Iterable[Examined], coverage: Iterable[CoverageReport], percent_min: float) -> None:
    """Raises FileUnwritable."""
    root = ET.Element("testsuites", name="remit validate")
    for file in files:
        _suite_of(root, file)
    for report in coverage:
        _suite_of_coverage(root, report, percent_min)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    document = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    try:
        path.write_bytes(document + b"\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileUnwritable(f"cannot write `{path}`: {reason}", file=path) from error


def _suite_of(root: ET.Element, file: Examined) -> None:
    suite = _element(root, "testsuite", name=file.file, time=f"{file.seconds:.3f}")
    names: set[str] = set()
    if file.error is not None:
        case = _case(suite, names, file.file, 1, "the file is a world")
        problem = _element(case, "error", message=file.error.message, type=file.error.reason)
        problem.text = _carried(file.error.message)
    for outcome in file.outcomes:
        if outcome.kind is FindingKind.RELATIONSHIP and not outcome.findings:
            continue
        _failed(_case(suite, names, file.file, outcome.line, _name(outcome)), outcome)
    _count(suite)


def _suite_of_coverage(root: ET.Element, report: CoverageReport, percent_min: float) -> None:
    suite = _element(root, "testsuite", name=f"coverage of {report.schema}", time="0.000")
    case = _case(suite, set(), report.schema, 1, f"the assertions cover at least {percent_min:g}%")
    if report.percent < percent_min:
        message = f"{report.percent:g}% is covered, less than {percent_min:g}%"
        problem = _element(case, "failure", message=message, type="coverage")
        lines = [f"{lack.part.file}:{lack.part.line}: {lack}" for lack in report.lacks]
        problem.text = _carried("\n".join(lines))
    _count(suite)


def _name(outcome: Outcome) -> str:
    return f"{outcome.kind.value}: {outcome.about}" if outcome.about else outcome.kind.value


def _case(suite: ET.Element, names: set[str], file: str, line: int, name: str) -> ET.Element:
    """Readers tell cases apart by class and name, so a name that comes again says its line."""
    if name in names:
        name = f"{name} (line {line})"
    names.add(name)
    # They take a dot for the end of a package.
    dotted = ".".join(PurePath(file).with_suffix("").parts).replace("..", ".").strip("./\\")
    return _element(suite, "testcase", classname=dotted or file, name=name, file=file, line=str(line))


def _failed(case: ET.Element, outcome: Outcome) -> None:
    if outcome.findings:
        problem = _element(case, "failure", message=outcome.findings[0].message, type=outcome.kind.value)
        problem.text = _carried("\n".join(finding.render() for finding in outcome.findings))


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", "0")


def _element(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, {name: _carried(value) for name, value in attributes.items()})


def _carried(text: str) -> str:
    """The text with what XML cannot carry written out: `\\x1b`."""
    return _FORBIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
