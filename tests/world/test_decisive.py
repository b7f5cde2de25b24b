"""Laws of what is decisive: what an answer rests on is what it would change with, tried by changing it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.eval.budget import Budget
from remit.eval.equations import NO, YES, Bounds, Equations, Fact, Goal, Operand
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import plan
from remit.language.compiler import Compiled, compile_schema
from remit.language.plan import SubjectType
from remit.language.reach import Reach
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef, Verdict
from remit.notation import parse_question, parse_relationship
from remit.world.decisive import Bits, Deciding
from remit.world.parts import Part, PartKind, parts_of

COMPILED = compile_schema(
    """
use delegation
use self
caveat maybe(so bool) { so }
caveat perhaps(so bool) { so }
caveat barring(so bool) { so }
definition lock {}
definition user {
  relation delegated_by: user
  relation badge: lock
  permission live = self & badge.exists()
}
definition group { relation member: user | group#member | user with maybe }
definition doc {
  relation viewer: user | user:* | group#member | user with maybe | user with perhaps
  relation writer: user | group#member with perhaps
  relation parent: doc | doc with maybe
  relation seal: lock
  relation banned: user | user:* | user with barring
  relation ward: doc
  permission barred = banned + ward->barred
  permission safe = (view - barred) + (viewer & writer)
  permission view = viewer + (writer & seal.exists()) + parent->view
  permission both = (viewer + writer) & view
  permission above = parent.all(view) + nil
  permission chained = both.along(delegated_by)
  permission living = view & subject->live & (chained + writer)
}
"""
)
SCHEMA = COMPILED.schema
PARTS = parts_of(COMPILED.tree)
BITS = Bits(PARTS)
REACH = Reach(SCHEMA)
DOCS, USERS, GROUPS = ("a", "b", "c"), ("u", "v"), ("g", "h")
ASKED = [
    Goal(ObjectRef("doc", "a"), permission, SubjectRef("user", "u"))
    for permission in SCHEMA.definitions["doc"].permissions
]


class Forced(Equations):
    """The equations with one part of the schema always the same."""

    part: Part
    fact: Fact

    def of(self, goal: Goal) -> Operand:
        is_meant = self.part.key[1:] == (goal.object.type, goal.name)
        if is_meant and self.part.kind in (PartKind.RELATION, PartKind.PERMISSION):
            return self.fact
        return super().of(goal)

    def _expression(self, expression: plan.Expression, object: ObjectRef, subject: SubjectRef) -> Operand:
        if self.part.kind is PartKind.OPERAND and expression is operand_of(self.part):
            return self.fact
        return super()._expression(expression, object, subject)

    def _caveat(self, use: CaveatUse) -> Fact:
        is_meant = self.part.kind is PartKind.CAVEAT and self.part.name == use.name
        return self.fact if is_meant else super()._caveat(use)


def operand_of(part: Part) -> plan.Expression:
    """The compiled operand that a part is of."""
    _, definition, permission, path = part.key
    expression = SCHEMA.definitions[str(definition)].permissions[str(permission)].expression
    assert isinstance(path, tuple)
    for index in path:
        match expression:
            case plan.Union(children) | plan.Intersection(children):
                expression = children[index]
            case plan.Exclusion(base, subtracted):
                expression = (base, subtracted)[index]
            case _:
                raise AssertionError(f"{path} leads out of the expression")
    return expression


def subject_type_of(fact: Relationship) -> SubjectType:
    subject, caveat = fact.subject, fact.qualifiers.caveat
    return SubjectType(subject.type, subject.relation, subject.is_wildcard, caveat.name if caveat else None)


def is_of(fact: Relationship, part: Part) -> bool:
    """Whether a fact is one of a relation, or of one of its subject types."""
    about = (fact.resource.type, fact.relation)
    if part.kind is PartKind.RELATION:
        return part.key[1:] == about
    return part.kind is PartKind.SUBJECT_TYPE and part.key[1:] == (*about, subject_type_of(fact))


def bounds_with(facts: list[Relationship], goal: Goal, part: Part | None, value: Bounds) -> Bounds:
    """What the goal comes to with the part always at the value."""
    kept = facts
    if part is not None and part.kind in (PartKind.RELATION, PartKind.SUBJECT_TYPE) and value == NO:
        kept, part = [fact for fact in facts if not is_of(fact, part)], None
    evaluation = Evaluation(SCHEMA, Graph(kept), now_us=0)
    if part is not None:
        forced = Forced(SCHEMA, Graph(kept), 0, {}, Budget())
        forced.part, forced.fact = part, Fact(value)
        evaluation.equations = forced
    return evaluation.solve(goal)


def decided_by(facts: list[Relationship], goal: Goal, compiled: Compiled = COMPILED) -> dict[Part, Verdict]:
    parts = parts_of(compiled.tree)
    bits = Bits(parts)
    found = Deciding(Evaluation(compiled.schema, Graph(facts), now_us=0), bits, Reach(compiled.schema)).of(goal)
    assert found.decided & ~found.asked == 0
    values: Mapping[Verdict, Bounds] = {Verdict.NO: NO, Verdict.YES: YES}
    return {part: value for part in parts for value in values if found.decided & bits.of(values[value], *part.key)}


def _facts() -> st.SearchStrategy[Relationship]:
    doc = st.builds(ObjectRef, st.just("doc"), st.sampled_from(DOCS))
    user = st.builds(SubjectRef, st.just("user"), st.sampled_from(USERS), st.just(""))
    group = st.builds(SubjectRef, st.just("group"), st.sampled_from(GROUPS), st.just("member"))
    everyone, lock = st.just(SubjectRef("user", "*")), st.just(SubjectRef("lock", "l"))

    def caveats(*names: str) -> st.SearchStrategy[Qualifiers]:
        so = st.sampled_from(['{"so":true}', '{"so":false}'])
        return st.builds(CaveatUse, st.sampled_from(names), so).map(Qualifiers)

    def facts(
        resource: st.SearchStrategy[ObjectRef],
        relation: str,
        subject: st.SearchStrategy[SubjectRef],
        qualifiers: st.SearchStrategy[Qualifiers] = st.just(Qualifiers()),  # noqa: B008
    ) -> st.SearchStrategy[Relationship]:
        return st.builds(Relationship, resource, st.just(relation), subject, qualifiers)

    member = group.map(lambda each: each.object)
    return st.one_of(
        facts(doc, "viewer", st.one_of(user, everyone, group)),
        facts(doc, "viewer", user, caveats("maybe", "perhaps")),
        facts(doc, "writer", user),
        facts(doc, "writer", group, caveats("perhaps")),
        facts(doc, "parent", doc.map(lambda each: SubjectRef(*each))),
        facts(doc, "parent", doc.map(lambda each: SubjectRef(*each)), caveats("maybe")),
        facts(doc, "seal", lock),
        facts(doc, "banned", st.one_of(user, everyone)),
        facts(doc, "banned", user, caveats("barring")),
        facts(doc, "ward", doc.map(lambda each: SubjectRef(*each))),
        facts(member, "member", st.one_of(user, group)),
        facts(member, "member", user, caveats("maybe")),
        facts(user.map(lambda each: each.object), "delegated_by", user),
        facts(user.map(lambda each: each.object), "badge", lock),
    )


# Whether a relation that is walked lacks an edge cannot be tried by letting everybody in: there is nobody to ask.
WALKED = ("parent", "ward", "seal", "delegated_by", "badge")


@settings(max_examples=60, deadline=None)
@given(st.lists(_facts(), max_size=14, unique_by=lambda fact: fact.key), st.sampled_from(ASKED))
def test_what_an_answer_rests_on_is_what_changes_it(facts: list[Relationship], goal: Goal) -> None:
    """No part of this schema stands on both sides of a `-`: what is barred is made of what nothing else reads."""
    answer = bounds_with(facts, goal, None, NO)
    decided = decided_by(facts, goal)
    assert decided, "every answer rests on something"
    for part in PARTS:
        is_decisive_by_yes = decided.get(part) is Verdict.YES
        assert is_decisive_by_yes == (bounds_with(facts, goal, part, NO) != answer), f"{part}, {goal}, never"
        if part.kind is not PartKind.SUBJECT_TYPE and part.name not in WALKED:
            is_decisive_by_no = decided.get(part) is Verdict.NO
            assert is_decisive_by_no == (bounds_with(facts, goal, part, YES) != answer), f"{part}, {goal}, always"


@settings(max_examples=60, deadline=None)
@given(st.lists(_facts(), max_size=14, unique_by=lambda fact: fact.key), st.permutations(ASKED))
def test_answers_asked_together_rest_on_what_they_rest_on_apart(facts: list[Relationship], goals: list[Goal]) -> None:
    bits, evaluation = Bits(PARTS), Evaluation(SCHEMA, Graph(facts), now_us=0)
    together = Deciding(evaluation, bits, REACH)
    for goal in goals[:6]:
        assert together.of(goal) == Deciding(evaluation, bits, REACH).of(goal)


def test_what_answers_share_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [parse_relationship(f"group:g{at}#member@group:g{at + 1}#member") for at in range(300)]
    documents = [parse_relationship(f"doc:d{at}#viewer@group:g{at}#member") for at in range(30)]
    evaluation = Evaluation(SCHEMA, Graph([*groups, *documents]), now_us=0)
    worked_out = []
    reason = Deciding._reason
    monkeypatch.setattr(Deciding, "_reason", lambda self, claim: worked_out.append(claim) or reason(self, claim))
    deciding = Deciding(evaluation, Bits(PARTS), REACH)
    for at in range(30):
        deciding.of(Goal(ObjectRef("doc", f"d{at}"), "viewer", SubjectRef("user", "u")))
    assert len(worked_out) == len(set(worked_out)) < 500


def decided_in(schema: str, question: str, *facts: str) -> set[str]:
    compiled = compile_schema(schema)
    goal = Goal(*parse_question(question))
    found = decided_by([parse_relationship(fact) for fact in facts], goal, compiled)
    return {f"{value.name.lower()} {part.text}" for part, value in found.items() if part.kind is PartKind.OPERAND}


EXCLUSION = "definition user {}\ndefinition doc {\n relation a: user\n relation b: user\n permission p = a - b\n}"


@pytest.mark.parametrize(
    ("facts", "operands"),
    [
        ([], {"no a"}),
        (["doc:d#a@user:u"], {"yes a", "no b"}),
        (["doc:d#b@user:u"], set()),
        (["doc:d#a@user:u", "doc:d#b@user:u"], {"yes b"}),
    ],
)
def test_what_is_subtracted_decides_only_from_those_it_takes_away(facts: list[str], operands: set[str]) -> None:
    assert decided_in(EXCLUSION, "doc:d#p@user:u", *facts) == operands


SHARED = """
definition user {}
definition doc {
  relation a: user
  relation b: user
  permission left = a + b
  permission right = a & b
  permission p = (left & right) + right
}
"""


def test_what_all_reasons_share_is_decisive_though_none_of_them_is() -> None:
    both = ("doc:d#a@user:u", "doc:d#b@user:u")
    # Each side of `p` would do. Both ask `right`, which asks `a` and `b`; `left` is asked by one side only.
    assert decided_in(SHARED, "doc:d#p@user:u", *both) == {"yes a", "yes b"}
