"""Whether a world is as it says: facts the schema allows, assertions answered as expected, sets as they are listed.

Everything goes through the same Check and Expand that serve requests.
Law: a world without findings is one in which every line is true; a question without an answer is a finding."""

from __future__ import annotations

from collections.abc import Iterator

from remit.admission import check_relationship
from remit.budget import Budget
from remit.errors import RemitError
from remit.graph import Graph
from remit.model import Verdict
from remit.notation import canonical_json, format_relationship
from remit.semantics import Evaluation
from remit.world.expected import ExpectedSet, Member, format_subject, format_through
from remit.world.file import Assertion, World
from remit.world.finding import Finding, FindingKind
from remit.world.members import find_members

WORDS = {Verdict.YES: "yes", Verdict.CONDITIONAL: "conditional", Verdict.NO: "no"}


def verify(world: World, now_us: int) -> list[Finding]:
    """Every finding, in the order of the file. Cost: that of its questions; those with one context share their work."""
    graph = Graph()
    findings = list(_load(world, graph))
    findings += _check_assertions(world, graph, now_us)
    for expected in world.expected_sets:
        findings += _check_set(world, graph, expected, now_us)
    return sorted(findings, key=lambda finding: finding.line)


def _load(world: World, graph: Graph) -> Iterator[Finding]:
    """Fill the graph with what a write would accept, one relationship by itself.

    What only several of them break together (a second subject of a `single` relation) a world may hold: what then
    follows is worth asking, too."""
    for fact in world.facts:
        try:
            check_relationship(world.schema, fact.relationship)
        except RemitError as error:
            text = format_relationship(fact.relationship)
            yield _finding(
                world, fact.line, FindingKind.RELATIONSHIP, text, f"`{text}` would not be written: {error.message}",
                expected="a relationship that the schema allows", found=error.reason,
            )  # fmt: skip
        else:
            graph.add(fact.relationship)


def _check_assertions(world: World, graph: Graph, now_us: int) -> Iterator[Finding]:
    evaluations: dict[str, Evaluation] = {}
    for assertion in world.assertions:
        key = canonical_json(assertion.context)
        if key not in evaluations:
            evaluations[key] = Evaluation(world.schema, graph, now_us=now_us, context=assertion.context)
        finding = _check_assertion(world, assertion, evaluations[key])
        if finding is not None:
            yield finding


def _check_assertion(world: World, assertion: Assertion, evaluation: Evaluation) -> Finding | None:
    expected = WORDS[assertion.expected]
    try:
        answer = evaluation.check(assertion.resource, assertion.permission, assertion.subject, budget=Budget())
    except RemitError as error:
        return _finding(
            world, assertion.line, FindingKind.ASSERTION, assertion.text,
            f"`{assertion.text}` should be {expected}, but has no answer: {error.message}",
            expected=expected, found=error.reason,
        )  # fmt: skip
    if answer.verdict is assertion.expected:
        return None
    found = WORDS[answer.verdict]
    missing = f" (missing: {', '.join(answer.missing)})" if answer.missing else ""
    return _finding(
        world, assertion.line, FindingKind.ASSERTION, assertion.text,
        f"`{assertion.text}` should be {expected}, but is {found}{missing}",
        expected=expected, found=found, missing=answer.missing,
    )  # fmt: skip


# --- expected sets ----------------------------------------------------------------------------------------------


def _check_set(world: World, graph: Graph, expected: ExpectedSet, now_us: int) -> Iterator[Finding]:
    try:
        members = find_members(world.schema, graph, expected.resource, expected.name, now_us=now_us)
    except RemitError as error:
        yield _finding(
            world, expected.line, FindingKind.VALIDATION, str(expected),
            f"`{expected}` cannot be listed: {error.message}", expected="a list of subjects", found=error.reason,
        )  # fmt: skip
        return
    found = {member.subject.subject: member for member in members}
    named = {member.subject.subject for _, member in expected.members}
    for line, member in expected.members:
        yield from _check_member(world, expected, line, member, found.get(member.subject.subject))
    for subject in sorted(found.keys() - named):
        text = format_subject(found[subject])
        yield _finding(
            world, expected.line, FindingKind.VALIDATION, str(expected),
            f"`{text}` has `{expected}` by {format_through(found[subject].through)}, but is not listed",
            expected="not listed", found=text,
        )  # fmt: skip


def _check_member(
    world: World, expected: ExpectedSet, line: int, member: Member, found: Member | None
) -> Iterator[Finding]:
    text = format_subject(member)
    if found is None:
        yield _finding(
            world, line, FindingKind.VALIDATION, str(expected), f"`{text}` is listed, but does not have `{expected}`",
            expected=text, found="not there",
        )  # fmt: skip
        return
    if (member.subject, member.excluded) != (found.subject, found.excluded):
        yield _finding(
            world, line, FindingKind.VALIDATION, str(expected),
            f"`{text}` is listed, but it is `{format_subject(found)}` that has `{expected}`",
            expected=text, found=format_subject(found),
        )  # fmt: skip
    if member.through != found.through:
        wanted, has = format_through(member.through), format_through(found.through)
        yield _finding(
            world, line, FindingKind.VALIDATION, str(expected),
            f"`{text}` should have `{expected}` by {wanted}, but has it by {has}", expected=wanted, found=has,
        )  # fmt: skip


def _finding(
    world: World,
    line: int,
    kind: FindingKind,
    about: str,
    message: str,
    *,
    expected: str,
    found: str,
    missing: tuple[str, ...] = (),
) -> Finding:
    return Finding(str(world.path), line, kind, about, message, expected, found, missing)
