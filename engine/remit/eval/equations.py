"""How each question follows from facts and other questions: what the schema says, filled in with relationships.

A *goal* asks whether a subject has a relation or permission of an object. Its *equation* is built from operands: facts,
other goals, `+` (the greatest), `&` (the least) and `-` (the first, unless the second). A relationship whose document
constrains calls (`use arguments`) is such an operand too: what the document comes to for the call that is asked about,
questions about the asked subject among it. Nothing is solved here; see `semantics.py` for what the equations mean
together.
Law: an equation depends on the schema, the graph, the time and what the request brings alone; asked twice it reads the
same, operand by operand."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple, assert_never, final

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.side import Side
from remit.errors import CallUnjudgeable, CaveatFailed
from remit.eval.budget import EDGE_BYTES, Budget
from remit.eval.calls import Declared, JudgedCall
from remit.graph.view import GraphView
from remit.language import plan
from remit.model import PLAIN, CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef

Bounds = tuple[int, int]
"""(low, high) in the numbers of Verdict. Equal: the value is known."""

NO: Bounds = (0, 0)
CONDITIONAL: Bounds = (1, 1)
YES: Bounds = (2, 2)
UNKNOWN: Bounds = (0, 2)
_HIGHEST = 2

CALL = "arguments"
"""What an answer lacks that waits for a call."""


# --- goals and equations ----------------------------------------------------------------------------------------


@final
class Goal(NamedTuple):
    """Does `subject` have `name` of `object`? `name` is a relation, a permission, or one `along` of a permission."""

    object: ObjectRef
    name: str | plan.Along
    subject: SubjectRef

    def __str__(self) -> str:
        return f"{self.object}#{self.name}@{self.subject}"


@final
class Fact(NamedTuple):
    """An operand known by itself: a relationship and its caveat's value, or a constant; `note` is a sentence for who
    wants to know why. Where it is unknown, `failure` is what the answer fails with if it hangs on it."""

    bounds: Bounds
    relationship: Relationship | None = None
    note: str = ""
    missing: frozenset[str] = frozenset()
    failure: CaveatFailed | CallUnjudgeable | None = None


@final
class AnyOf(NamedTuple):
    """The greatest of its operands; NO of none."""

    operands: Iterable[Operand]


@final
class AllOf(NamedTuple):
    """The least of its operands, of which there is at least one."""

    operands: Iterable[Operand]


@final
class ButNot(NamedTuple):
    """`base`, unless `subtracted`: min(base, not subtracted)."""

    base: Operand
    subtracted: Operand


@final
class Constrained(NamedTuple):
    """A relationship under a constraint document, what the document comes to for the call, and by what the call's tool
    is described: the least of these, of which every one is told where any is."""

    operands: tuple[Operand, ...]


@final
class Not(NamedTuple):
    """What a `-` makes of what it subtracts: bounds (low, high) become (2 - high, 2 - low)."""

    operand: Operand


Combination = AnyOf | AllOf | ButNot | Constrained
Operand = Goal | Fact | Combination
Part = Operand | Not


def parts_of(combination: Combination) -> tuple[bool, Iterable[Part]]:
    """How a combination follows from its parts: the least of them where it is made of every one, else the greatest.

    The one reading of the operators: whatever walks over operands asks here what they come to together."""
    if type(combination) is AllOf or type(combination) is Constrained:
        return True, combination.operands
    if type(combination) is AnyOf:
        return False, combination.operands
    if type(combination) is ButNot:
        return True, (combination.base, Not(combination.subtracted))
    assert_never(combination)


def negated(bounds: Bounds) -> Bounds:
    """What `Not` makes of the bounds of its operand."""
    return _HIGHEST - bounds[1], _HIGHEST - bounds[0]


def bytes_of(subject: SubjectRef, qualifiers: Qualifiers) -> int:
    """What an edge takes that is remembered, as reckoned."""
    size = EDGE_BYTES + len(subject.id)
    return size if qualifiers.caveat is None else size + len(qualifiers.caveat.context_json)


class Equations:
    """Says, for one schema, graph, time, request context and call, how each goal follows from facts and other goals."""

    def __init__(
        self,
        schema: plan.Schema,
        graph: GraphView,
        now_us: int,
        context: Mapping[str, object],
        budget: Budget,
        call: JudgedCall | None = None,
    ) -> None:
        self.schema = schema
        self.graph = graph
        self.now_us = now_us
        self.context = context
        self.call = call
        self.budget = budget
        self._caveats: dict[CaveatUse, Fact] = {}
        self._description: Relationship | Unjudged | None = None  # of the call's tool, once it is looked for

    def of(self, goal: Goal) -> Operand:
        """The equation of a goal. Operands are made one by one as they are asked for, in a fixed order."""
        self.budget.spend()
        object, name, subject = goal
        if isinstance(name, plan.Along):
            return AllOf(self._along(object, name, subject))
        if subject == (object.type, object.id, name):
            return Fact(YES, note="a userset contains itself")
        definition = self.schema.definitions[object.type]
        permission = definition.permissions.get(name)
        if permission is not None:
            return self._expression(permission.expression, object, subject)
        if name in definition.relations:
            return AnyOf(self._relation(object, name, subject))
        return Fact(NO, note=f"`{object.type}` has no `{name}`")

    def _relation(self, object: ObjectRef, relation: str, subject: SubjectRef) -> Generator[Operand, None, None]:
        """A subject is in a relation by its own edge, by a wildcard (plain subjects only), or through a userset."""
        direct = self.graph.find(object, relation, subject)
        if direct is not None and direct.counts_at(self.now_us):
            yield self.edge(object, relation, subject, direct, subject)
        if not subject.relation:
            everyone = SubjectRef(subject.type, "*")
            wildcard = self.graph.find(object, relation, everyone)
            if wildcard is not None and wildcard.counts_at(self.now_us):
                yield self.edge(object, relation, everyone, wildcard, subject)
        for userset, qualifiers in self.graph.usersets(object, relation):
            self.budget.bytes += bytes_of(userset, qualifiers)
            self.budget.spend()
            if userset != subject and qualifiers.counts_at(self.now_us):
                through = Goal(userset.object, userset.relation, subject)
                yield AllOf((self.edge(object, relation, userset, qualifiers, subject), through))

    def _expression(self, expression: plan.Expression, object: ObjectRef, subject: SubjectRef) -> Operand:
        match expression:
            case plan.Name(name):
                return Goal(object, name, subject)
            case plan.Union(children):
                return AnyOf(self._expression(child, object, subject) for child in children)
            case plan.Intersection(children):
                return AllOf(self._expression(child, object, subject) for child in children)
            case plan.Exclusion(base, subtracted):
                return ButNot(self._expression(base, object, subject), self._expression(subtracted, object, subject))
            case plan.Arrow(relation, name, every):
                if every:
                    return AllOf(self._every_target(object, relation, name, subject))
                edges = self._edges(object, relation, subject)
                return AnyOf(AllOf((edge, Goal(target.object, name, subject))) for target, edge in edges)
            case plan.SubjectArrow(name):
                if subject.relation:
                    return Fact(NO, note="a userset has no permission of its own")
                return Goal(subject.object, name, subject)
            case plan.Exists(relation):
                return AnyOf(edge for _, edge in self._edges(object, relation, subject))
            case plan.Along():
                return Goal(object, expression, subject)
            case plan.Self():
                itself = subject == (object.type, object.id, "")
                return Fact(YES if itself else NO, note="the resource itself" if itself else "not the resource itself")
            case plan.Nil():
                return Fact(NO, note="nobody")
            case _:
                assert_never(expression)

    def _every_target(
        self, object: ObjectRef, relation: str, name: str, subject: SubjectRef
    ) -> Generator[Operand, None, None]:
        """`relation.all(name)`: every target, and at least one."""
        alone = True
        for target, edge in self._edges(object, relation, subject):
            alone = False
            yield AllOf((edge, Goal(target.object, name, subject)))
        if alone:
            yield Fact(NO, note=f"{object} has no {relation}")

    def _along(self, object: ObjectRef, along: plan.Along, subject: SubjectRef) -> Generator[Operand, None, None]:
        """Every link of the subject's chain is in the child: the subject itself, and all that is above it, until types
        that declare none of the relations. A link that should have a delegator and has none breaks the chain."""
        if subject.relation:
            yield Fact(NO, note="a userset has no chain")
            return
        yield Goal(object, along.child, subject)
        declared = self.schema.definitions[subject.type].relations
        for relation in along.relations:
            if relation not in declared:
                continue
            rootless = True
            for link, edge in self._edges(subject.object, relation, subject):
                rootless = False
                if link.relation or link.is_wildcard:
                    # The compiler allows no such chain; should one ever stand here, nobody is at its end.
                    broken = f"a chain leads through single objects only, and `{link}` is none"
                    yield Fact(NO, note=broken)
                else:
                    yield AllOf((edge, Goal(object, along, link)))
            if rootless:
                yield Fact(NO, note=f"{subject} has no {relation}")

    def _edges(
        self, object: ObjectRef, relation: str, asked: SubjectRef
    ) -> Generator[tuple[SubjectRef, Operand], None, None]:
        for subject, qualifiers in self.graph.edges(object, relation):
            self.budget.bytes += bytes_of(subject, qualifiers)
            self.budget.spend()
            if qualifiers.counts_at(self.now_us):
                yield subject, self.edge(object, relation, subject, qualifiers, asked)

    def edge(
        self, object: ObjectRef, relation: str, subject: SubjectRef, qualifiers: Qualifiers, asked: SubjectRef
    ) -> Operand:
        """What a relationship that counts now is worth, where it is read for the subject that is `asked` about."""
        relationship = Relationship(object, relation, subject, qualifiers)
        if qualifiers is PLAIN or qualifiers.caveat is None:
            return Fact(YES, relationship)
        side = self.schema.side_of(qualifiers.caveat.name)
        if side is not None:
            return self._constrained(relationship, qualifiers.caveat, side, asked)
        return self._caveat(qualifiers.caveat)._replace(relationship=relationship)

    def _caveat(self, use: CaveatUse) -> Fact:
        """The value of a caveat. One that fails is known to be nothing at all: the answer fails if it hangs on it."""
        fact = self._caveats.get(use)
        if fact is None:
            try:
                verdict, missing = self.schema.caveats[use.name].evaluate_written(use.context_json, self.context)
                fact = Fact((verdict.value, verdict.value), missing=missing)
            except CaveatFailed as failure:
                # Its traceback leads back here, in a circle that only the collector of garbage would find.
                fact = Fact(UNKNOWN, failure=failure.with_traceback(None))
            self._caveats[use] = fact
            self.budget.bytes += EDGE_BYTES + len(use.context_json)
            self.budget.interrupt()  # it may have taken as long as some hundred steps
        return fact

    # --- calls --------------------------------------------------------------------------------------------------

    def _constrained(self, relationship: Relationship, use: CaveatUse, side: Side, asked: SubjectRef) -> Operand:
        """What a document comes to for the call. What cannot be judged is known to be nothing at all, as with caveats:
        the answer fails if it hangs on it."""
        call = self.call
        if call is None:
            return Fact(CONDITIONAL, relationship, missing=frozenset((CALL,)))
        resource = relationship.resource
        if resource.type == plan.TOOL and resource.id != call.tool:
            return _unknown(relationship, Unjudged("", f"the call is of `{plan.TOOL}:{call.tool}`"))
        description = self._described(call)
        if isinstance(description, Unjudged):
            return _unknown(relationship, description)
        described = () if description is None else (Fact(YES, description),)
        digest = None if description is None else description.subject.id
        judged = call.judged(use, side, self._declared_by(relationship), digest, self.budget)
        if isinstance(judged, Unjudged):
            return _unknown(relationship, judged)
        if isinstance(judged, Known):
            fact = Fact(YES if judged.truth else NO, relationship, judged.note)
            return Constrained((fact, *described)) if described else fact
        return Constrained((Fact(YES, relationship), *described, _operand_of(judged, relationship, asked)))

    def _described(self, call: JudgedCall) -> Relationship | Unjudged | None:
        """The relationship that accepts the descriptor by which the call is judged; None under a schema in which tools
        have none. Cost: O(1), once."""
        describing = self.schema.describing
        if describing is not None and self._description is None:
            self._description = self._accepted(call, ObjectRef(plan.TOOL, call.tool), describing[1])
        return self._description

    def _accepted(self, call: JudgedCall, tool: ObjectRef, relation: str) -> Relationship | Unjudged:
        """That the descriptor which the call names is accepted now. No other is looked at: a call that is not judged
        must not become one that is because a fact is gone."""
        if not call.descriptor:
            wanted = "name the one that you saw (`descriptor`, or `--descriptor`)"
            shown = f"the relationships of `{tool}#{relation}` say which are accepted"
            return Unjudged("", f"the call names no descriptor of `{tool}`: {wanted}; {shown}")
        subject = SubjectRef(plan.DESCRIPTOR, call.descriptor)
        self.budget.spend()
        qualifiers = self.graph.find(tool, relation, subject)
        if qualifiers is None or not qualifiers.counts_at(self.now_us):
            return Unjudged("", f"`{subject}`, which the call names, is no accepted descriptor of `{tool}`")
        accepting = Relationship(tool, relation, subject, qualifiers)
        if qualifiers.caveat is not None:
            return Unjudged("", f"`{accepting.key}` does not say outright that the descriptor is accepted")
        return accepting

    def _declared_by(self, relationship: Relationship) -> Declared:
        """The permissions that the document of a relationship may ask for: of others nobody has counted on which side
        of a `-` they stand."""
        relation = self.schema.definitions[relationship.resource.type].relations[relationship.relation]
        alternative = relation.alternative(relationship.subject, relationship.qualifiers)
        return frozenset(() if alternative is None else alternative.declared)


def _operand_of(judged: Judged, relationship: Relationship, asked: SubjectRef) -> Operand:
    """What is left to the graph of a document, for the subject that is asked about."""
    match judged:
        case Known(truth, note):
            return Fact(YES if truth else NO, note=note)
        case Unjudged():
            return _unknown(relationship, judged)
        case Related(object, permission, _):
            return Goal(object, permission, asked)
        case Every(parts):
            return AllOf(tuple(_operand_of(part, relationship, asked) for part in parts))
        case Any(parts):
            return AnyOf(tuple(_operand_of(part, relationship, asked) for part in parts))
        case Unless(part):
            return ButNot(Fact(YES, note="what the document does not want"), _operand_of(part, relationship, asked))
        case _:
            assert_never(judged)


def _unknown(relationship: Relationship, unjudged: Unjudged) -> Fact:
    pointer, reason = unjudged
    place = f" at `{pointer}`" if pointer else ""
    message = f"`{relationship.key}` cannot be judged for this call{place}: {reason}"
    failure = CallUnjudgeable(message, relationship=relationship.key, pointer=pointer, problem=reason)
    return Fact(UNKNOWN, relationship, note=reason, failure=failure)
