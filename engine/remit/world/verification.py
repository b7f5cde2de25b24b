"""Whether a world is as it says: facts the schema allows, assertions answered as expected, sets as they are listed.

Everything goes through the same Check and Expand that serve requests.
Law: a world without findings is one in which every line is true; a question without an answer is a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from remit.engine.admission import check_relationship
from remit.engine.record_kinds import check_record
from remit.engine.tool_constraints import unfit_constraints
from remit.errors import CallUnjudgeable, ConstraintsUnfit, InvalidCall, RemitError
from remit.eval.budget import Budget
from remit.eval.calls import JudgedCall
from remit.eval.equations import Goal
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language.names import require_type
from remit.model import Call, ObjectRef, Relationship, Verdict
from remit.notation import canonical_json, format_relationship
from remit.world.expected import ExpectedSet, Member, format_member, format_subject, format_through
from remit.world.expected_lists import ExpectedList
from remit.world.file import EXPECTED, Assertion, World
from remit.world.finding import Finding, FindingKind, Outcome
from remit.world.lists import find_list
from remit.world.members import find_members

WORDS = {Verdict.YES: "yes", Verdict.CONDITIONAL: "conditional", Verdict.NO: "no"}
UNJUDGED = "unjudged"
_KEYS = {verdict: key for key, verdict in EXPECTED.items()}


Observe = Callable[[Evaluation, Goal], None]
"""Looks at what an assertion came to: the evaluation that answered it, and the goal it asked."""


def verify(world: World, now_us: int) -> list[Finding]:
    """Everything in the world that does not hold, in the order of the file; empty where all of it does.

    Asked at the world's own time where it has one, else at `now_us`."""
    findings = [finding for outcome in outcomes_of(world, now_us) for finding in outcome.findings]
    return sorted(findings, key=lambda finding: finding.line)


def misfits_of(world: World) -> list[Finding]:
    """The relationships that a write would refuse. Cost: O(relationships); nothing is asked."""
    return [finding for outcome in _load(world, Graph()) for finding in outcome.findings]


def outcomes_of(world: World, now_us: int, observe: Observe | None = None) -> list[Outcome]:
    """An outcome for each relationship, record, assertion, expected set and member, expected list and entry, in that
    order, each with what of it does not hold. `observe` sees each assertion answered.

    Cost: that of its questions; those with one context and one call share their work."""
    now_us = world.now_us if world.now_us is not None else now_us
    graph = Graph()
    outcomes = [*_load(world, graph), *_check_records(world), *_check_constraints(world)]
    outcomes += _check_assertions(world, graph, now_us, observe)
    for expected in world.expected_sets:
        outcomes += _check_set(world, graph, expected, now_us)
    for expected_list in world.expected_lists:
        outcomes += _check_list(world, graph, expected_list, now_us)
    return outcomes


def _load(world: World, graph: Graph) -> Iterator[Outcome]:
    """Fill the graph with what a write would accept, one relationship by itself.

    What only several of them break together (a second subject of a `single` relation) a world may hold: what then
    follows is worth asking, too."""
    for fact in world.facts:
        text = format_relationship(fact.relationship)
        findings: tuple[Finding, ...] = ()
        try:
            check_relationship(world.schema, fact.relationship)
        except RemitError as error:
            message = f"`{text}` would not be written: {error.message}"
            expected = "a relationship that the schema allows"
            findings = (_finding(world, fact.line, FindingKind.RELATIONSHIP, text, message, expected, error.reason),)
        else:
            graph.add(fact.relationship)
        yield Outcome(FindingKind.RELATIONSHIP, fact.line, text, findings)


def _check_records(world: World) -> Iterator[Outcome]:
    for written in world.records:
        record = written.record
        findings: tuple[Finding, ...] = ()
        try:
            require_type(world.schema, record.object.type, field="records")
            check_record(record)
        except RemitError as error:
            about = str(record.key)
            message = f"`{about}` would not be written: {error.message.removeprefix(f'record `{about}`: ')}"
            expected = "a record that its kind allows"
            findings = (_finding(world, written.line, FindingKind.RECORD, about, message, expected, error.reason),)
        yield Outcome(FindingKind.RECORD, written.line, str(record.key), findings)


def _check_constraints(world: World) -> Iterator[Outcome]:
    """An outcome for each constraint that does not fit what its tool says of its arguments."""
    if not world.schema.uses_arguments or world.schema.describing is None:
        return
    tool, accepts = world.schema.describing
    lines = {fact.relationship.key: fact.line for fact in world.facts if fact.relationship.resource.type == tool}
    of_tools: dict[ObjectRef, list[Relationship]] = {}
    for fact in world.facts:
        if fact.relationship.resource.type == tool:
            of_tools.setdefault(fact.relationship.resource, []).append(fact.relationship)
    for relationships in of_tools.values():
        for accepted in relationships:
            descriptor = world.descriptor(accepted.subject.id) if accepted.relation == accepts else None
            if descriptor is None:
                continue
            for unfit in unfit_constraints(world.schema, relationships, descriptor):
                about, line = str(unfit.relationship), lines[unfit.relationship]
                message = f"`{about}` would not be written: the argument `{unfit.pointer}` {unfit.reason}"
                expected = f"a constraint that fits `{accepted.subject.object}`"
                found = ConstraintsUnfit.reason
                finding = _finding(world, line, FindingKind.RELATIONSHIP, about, message, expected, found)
                yield Outcome(FindingKind.RELATIONSHIP, line, about, (finding,))


def _check_assertions(world: World, graph: Graph, now_us: int, observe: Observe | None) -> Iterator[Outcome]:
    evaluations: dict[tuple[str, Call | None], Evaluation] = {}

    def evaluation_of(assertion: Assertion) -> Evaluation:
        key = (canonical_json(assertion.context), assertion.call)
        if key not in evaluations:
            call = JudgedCall(assertion.call, world.descriptor) if assertion.call is not None else None
            evaluations[key] = Evaluation(world.schema, graph, now_us=now_us, context=assertion.context, call=call)
        return evaluations[key]

    for assertion in world.assertions:
        finding = _check_assertion(world, assertion, evaluation_of, observe)
        about = f"{_KEYS[assertion.expected]} {assertion.text}"
        if assertion.context:
            about += f" with {canonical_json(assertion.context)}"
        yield Outcome(FindingKind.ASSERTION, assertion.line, about, () if finding is None else (finding,))


def _check_assertion(
    world: World, assertion: Assertion, evaluation_of: Callable[[Assertion], Evaluation], observe: Observe | None
) -> Finding | None:
    question = (assertion.resource, assertion.permission, assertion.subject)
    expected, about = expected_word(assertion), assertion.text
    try:
        evaluation = evaluation_of(assertion)
        answer = evaluation.check(*question, budget=Budget())
    except RemitError as error:
        if assertion.expected is None and isinstance(error, CallUnjudgeable | InvalidCall):
            return None
        message = f"`{about}` should be {expected}, but has no answer: {error.message}"
        return _finding(world, assertion.line, FindingKind.ASSERTION, about, message, expected, error.reason)
    if observe is not None:
        observe(evaluation, evaluation.goal(*question))
    if answer.verdict is assertion.expected:
        return None
    found = WORDS[answer.verdict]
    missing = f" (missing: {', '.join(answer.missing)})" if answer.missing else ""
    message = f"`{about}` should be {expected}, but is {found}{missing}"
    return _finding(
        world, assertion.line, FindingKind.ASSERTION, about, message, expected, found, missing=answer.missing
    )


def expected_word(assertion: Assertion) -> str:
    return UNJUDGED if assertion.expected is None else WORDS[assertion.expected]


# --- expected sets ----------------------------------------------------------------------------------------------


def _check_set(world: World, graph: Graph, expected: ExpectedSet, now_us: int) -> Iterator[Outcome]:
    """The set itself, that nobody else has it, and each of its members."""

    def finding(line: int, message: str, wanted: str, found: str) -> Finding:
        return _finding(world, line, FindingKind.VALIDATION, str(expected), message, wanted, found)

    try:
        members = find_members(world.schema, graph, expected.resource, expected.name, now_us=now_us)
    except RemitError as error:
        message = f"`{expected}` cannot be listed: {error.message}"
        unlisted = (finding(expected.line, message, "a list of subjects", error.reason),)
        yield Outcome(FindingKind.VALIDATION, expected.line, str(expected), unlisted)
        return
    found = {member.subject.subject: member for member in members}
    named = {member.subject.subject for _, member in expected.members}
    others = []
    for subject in sorted(found.keys() - named):
        text = format_subject(found[subject])
        message = f"`{text}` has `{expected}` by {format_through(found[subject].through)}, but is not listed"
        others.append(finding(expected.line, message, "not listed", text))
    yield Outcome(FindingKind.VALIDATION, expected.line, str(expected), tuple(others))
    for line, member in expected.members:
        wrong = tuple(
            finding(line, *difference)
            for difference in _differences(expected, member, found.get(member.subject.subject))
        )
        yield Outcome(FindingKind.VALIDATION, line, f"{expected}: {format_member(member)}", wrong)


def _differences(expected: ExpectedSet, member: Member, found: Member | None) -> Iterator[tuple[str, str, str]]:
    """How a member differs from what is there: a message, what was expected, what was found."""
    text = format_subject(member)
    if found is None:
        yield f"`{text}` is listed, but does not have `{expected}`", text, "not there"
        return
    if (member.subject, member.excluded) != (found.subject, found.excluded):
        has = format_subject(found)
        yield f"`{text}` is listed, but it is `{has}` that has `{expected}`", text, has
    if member.through != found.through:
        wanted, has = format_through(member.through), format_through(found.through)
        yield f"`{text}` should have `{expected}` by {wanted}, but has it by {has}", wanted, has


# --- expected lists ---------------------------------------------------------------------------------------------


def _check_list(world: World, graph: Graph, expected: ExpectedList, now_us: int) -> Iterator[Outcome]:
    """The list itself, that nothing else is found, and each of its entries."""
    about = expected.text

    def finding(line: int, message: str, wanted: str, found: str) -> Finding:
        return _finding(world, line, FindingKind.LOOKUP, about, message, wanted, found)

    try:
        found = find_list(world.schema, graph, expected.lookup, now_us=now_us)
    except RemitError as error:
        unlisted = (finding(expected.line, f"`{about}` cannot be listed: {error.message}", "a list", error.reason),)
        yield Outcome(FindingKind.LOOKUP, expected.line, about, unlisted)
        return
    listed = {entry for _, entry in expected.entries}
    others = [entry for entry in found if entry not in listed]
    wrong = (
        finding(expected.line, f"`{about}` finds `{each}`, which is not listed", "not listed", each) for each in others
    )
    yield Outcome(FindingKind.LOOKUP, expected.line, about, tuple(wrong))
    for line, entry in expected.entries:
        message = f"`{entry}` is listed, but `{about}` does not find it"
        missing = () if entry in found else (finding(line, message, entry, "not there"),)
        yield Outcome(FindingKind.LOOKUP, line, f"{about}: {entry}", missing)


def _finding(
    world: World,
    line: int,
    kind: FindingKind,
    about: str,
    message: str,
    expected: str,
    found: str,
    *,
    missing: tuple[str, ...] = (),
) -> Finding:
    return Finding(str(world.path), line, kind, about, message, expected, found, missing)
