"""The brute: what Check means, computed for a whole small world at once, without looking at how the engine does it.

Every goal over the world's objects, names and the asked subject's chain gets a value by the alternating fixed point,
by plain repetition until nothing changes. It knows the schema's expressions only by their definition."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.errors import CaveatFailed
from remit.language import plan
from remit.model import ObjectRef, Relationship, SubjectRef

Cell = tuple[ObjectRef, object, SubjectRef]
Values = dict[Cell, int]


JudgedBy = Callable[[Relationship], Judged]
"""What the document of a relationship comes to for the call."""


class Judge:
    """Judges all questions about one subject in one world. A verdict is 0, 1, 2, or None for undefined. `judged`: where
    the question brings a call."""

    def __init__(
        self,
        schema: plan.Schema,
        relationships: list[Relationship],
        subject: SubjectRef,
        now_us: int,
        context: Mapping[str, object],
        judged: JudgedBy | None = None,
    ) -> None:
        self.schema = schema
        self.judged = judged
        self.subject = subject
        self.facts = [r for r in relationships if self._counts(r, now_us)]
        self.context = context
        subjects = {subject}
        while True:
            links = {
                r.subject
                for r in self.facts
                if not r.subject.relation
                and any((r.resource.type, r.resource.id, "") == s for s in subjects)
                and r.relation in schema.chain_relations
            }
            if links <= subjects:
                break
            subjects |= links
        objects = {r.resource for r in self.facts} | {r.subject.object for r in self.facts}
        objects |= {s.object for s in subjects}
        for r in self.facts if judged is not None else ():
            if self.is_constrained(r):
                objects |= {goal.object for goal in _goals(judged(r))}
        self.objects = objects
        self.subjects = subjects

    @staticmethod
    def _counts(r: Relationship, now_us: int) -> bool:
        starts, ends = r.qualifiers.not_before_us, r.qualifiers.expiration_us
        return not (ends is not None and ends <= now_us) and not (starts is not None and starts > now_us)

    def cells(self) -> list[Cell]:
        found: list[Cell] = []
        for o in self.objects:
            definition = self.schema.definitions[o.type]
            alongs = [e for p in definition.permissions.values() for e in _alongs(p.expression)]
            for s in self.subjects:
                found += [(o, name, s) for name in (*definition.relations, *definition.permissions, *alongs)]
        return found

    def is_constrained(self, r: Relationship) -> bool:
        """Whether a document stands beside it."""
        use = r.qualifiers.caveat
        return use is not None and self.schema.uses_arguments and use.name in ("arguments", "matching")

    def edge(self, r: Relationship, s: SubjectRef, positive: Values, negative: Values, side: int) -> int:
        """What a fact is worth where it is read for a subject."""
        if self.judged is None or not self.is_constrained(r):
            return self.caveat(r)[side]
        return self.document(self.judged(r), s, positive, negative, side)

    def document(self, judged: Judged, s: SubjectRef, positive: Values, negative: Values, side: int) -> int:
        if isinstance(judged, Known):
            return 2 if judged.truth else 0
        if isinstance(judged, Unjudged):
            return 2 * side
        if isinstance(judged, Related):
            return self.read(positive, judged.object, judged.permission, s)
        if isinstance(judged, Unless):
            return 2 - self.document(judged.part, s, negative, positive, 1 - side)
        parts = [self.document(part, s, positive, negative, side) for part in judged.parts]
        return min(parts, default=2) if isinstance(judged, Every) else max(parts, default=0)

    def caveat(self, r: Relationship) -> tuple[int, int]:
        """(low, high) of a fact's caveat; a failing one may be anything. A document waits for a call."""
        use = r.qualifiers.caveat
        if use is None:
            return 2, 2
        if self.is_constrained(r):
            return 1, 1
        try:
            verdict, _ = self.schema.caveats[use.name].evaluate(_json(use.context_json), self.context)
        except CaveatFailed:
            return 0, 2
        return int(verdict), int(verdict)

    def table(self) -> dict[Cell, int | None]:
        """Every goal's value, None where it is undefined."""
        cells = self.cells()
        low: Values = dict.fromkeys(cells, 0)
        while True:
            high = self.least(cells, low, 1)
            better = self.least(cells, high, 0)
            if better == low:
                break
            low = better
        self.low, self.high = low, high
        return {cell: low[cell] if low[cell] == high[cell] else None for cell in cells}

    def missing(self, resource: ObjectRef, name: str) -> tuple[str, ...]:
        """What a conditional answer lacks: the names of every caveat that leaves it conditional, all the way down."""
        (subject,) = [s for s in self.subjects if s == self.subject]
        names: set[str] = set()
        seen: set[Cell] = set()
        todo: list[Cell] = [(resource, name, subject)]
        while todo:
            cell = todo.pop()
            if cell not in seen and self.low[cell] == self.high[cell] == 1:
                seen.add(cell)
                self.conditional_operands(cell, names, todo)
        return tuple(sorted(names))

    def conditional_operands(self, cell: Cell, names: set[str], todo: list[Cell]) -> None:
        o, name, s = cell

        def bounds_of(e: plan.Expression) -> tuple[int, int]:
            return (
                self.expression(e, o, s, self.low, self.high, 0),
                self.expression(e, o, s, self.high, self.low, 1),
            )

        def facts(relation: str) -> list[Relationship]:
            return [r for r in self.facts if (r.resource, r.relation) == (o, relation)]

        def both(r: Relationship, target: Cell | None) -> None:
            """A fact and what it leads to, where the two together are conditional."""
            low, high = self.edge(r, s, self.low, self.high, 0), self.edge(r, s, self.high, self.low, 1)
            if target is not None:
                low, high = min(low, self.low.get(target, 0)), min(high, self.high.get(target, 0))
            if (low, high) == (1, 1):
                if self.judged is not None and self.is_constrained(r):
                    open_parts(self.judged(r))
                elif self.caveat(r) == (1, 1):
                    names.update(self.lacking(r))
                if target is not None:
                    todo.append(target)

        def open_parts(judged: Judged) -> None:
            """The questions of a document that leave it conditional."""
            low = self.document(judged, s, self.low, self.high, 0)
            if (low, self.document(judged, s, self.high, self.low, 1)) != (1, 1):
                return
            if isinstance(judged, Related):
                todo.append((judged.object, judged.permission, s))
            for part in _parts(judged):
                open_parts(part)

        def walk(e: plan.Expression) -> None:
            if bounds_of(e) != (1, 1):
                return
            match e:
                case plan.Name(child):
                    todo.append((o, child, s))
                case plan.Union(children) | plan.Intersection(children):
                    for child in children:
                        walk(child)
                case plan.Exclusion(base, subtracted):
                    walk(base)
                    walk(subtracted)
                case plan.SubjectArrow(child):
                    todo.append((s.object, child, s))
                case plan.Along():
                    todo.append((o, e, s))
                case plan.Exists(relation):
                    for r in facts(relation):
                        both(r, None)
                case plan.Arrow(relation, child):
                    for r in facts(relation):
                        both(r, (r.subject.object, child, s))

        if isinstance(name, plan.Along):
            todo.append((o, name.child, s))
            for relation in name.relations:
                todo.extend(
                    (o, name, r.subject) for r in self.facts if r.resource == s.object and r.relation == relation
                )
            return
        definition = self.schema.definitions[o.type]
        if name in definition.permissions:
            walk(definition.permissions[name].expression)
            return
        for r in facts(str(name)):
            if r.subject == s or (r.subject.id == "*" and r.subject.type == s.type and not s.relation):
                both(r, None)
            elif r.subject.relation:
                both(r, (r.subject.object, r.subject.relation, s))

    def lacking(self, r: Relationship) -> frozenset[str]:
        """What a conditional fact waits for."""
        use = r.qualifiers.caveat
        assert use is not None
        if self.is_constrained(r):
            return frozenset(("arguments",))
        return self.schema.caveats[use.name].evaluate(_json(use.context_json), self.context)[1]

    def least(self, cells: list[Cell], negative: Values, side: int) -> Values:
        """The least values, with everything right of a `-` read from `negative`."""
        value: Values = dict.fromkeys(cells, 0)
        changed = True
        while changed:
            changed = False
            for cell in cells:
                new = self.cell(cell, value, negative, side)
                if new != value[cell]:
                    value[cell] = new
                    changed = True
        return value

    def cell(self, cell: Cell, positive: Values, negative: Values, side: int) -> int:
        o, name, s = cell
        if isinstance(name, plan.Along):
            return self.along(o, name, s, positive, negative, side)
        if s.relation and (s.type, s.id, s.relation) == (o.type, o.id, name):
            return 2
        definition = self.schema.definitions[o.type]
        if name in definition.permissions:
            return self.expression(definition.permissions[name].expression, o, s, positive, negative, side)
        best = 0
        for r in self.facts:
            if (r.resource, r.relation) != (o, name):
                continue
            t = r.subject
            if t == s or (t.id == "*" and t.type == s.type and not s.relation):
                best = max(best, self.edge(r, s, positive, negative, side))
            elif t.relation:
                through = self.read(positive, t.object, t.relation, s)
                best = max(best, min(self.edge(r, s, positive, negative, side), through))
        return best

    def read(self, values: Values, o: ObjectRef, name: object, s: SubjectRef) -> int:
        """A value; 0 where the object's type has no such name."""
        return values.get((o, name, s), 0)

    def along(
        self, o: ObjectRef, along: plan.Along, s: SubjectRef, positive: Values, negative: Values, side: int
    ) -> int:
        if s.relation:
            return 0
        result = self.read(positive, o, along.child, s)
        for relation in along.relations:
            if relation in self.schema.definitions[s.type].relations:
                above = [r for r in self.facts if r.resource == s.object and r.relation == relation]
                links = [
                    min(self.edge(r, s, positive, negative, side), self.read(positive, o, along, r.subject))
                    for r in above
                ]
                result = min([result, *links] if above else [0])
        return result

    def expression(
        self, e: plan.Expression, o: ObjectRef, s: SubjectRef, positive: Values, negative: Values, side: int
    ) -> int:
        def sub(child: plan.Expression) -> int:
            return self.expression(child, o, s, positive, negative, side)

        if isinstance(e, plan.Nil):
            return 0
        if isinstance(e, plan.Self):
            return 2 if not s.relation and s.object == o else 0
        if isinstance(e, plan.Name):
            return self.read(positive, o, e.name, s)
        if isinstance(e, plan.Union):
            return max(map(sub, e.children))
        if isinstance(e, plan.Intersection):
            return min(map(sub, e.children))
        if isinstance(e, plan.Exclusion):
            # Both sides swap: what is subtracted is read from the other table, on its other side.
            minus = self.expression(e.subtracted, o, s, negative, positive, 1 - side)
            return min(sub(e.base), 2 - minus)
        if isinstance(e, plan.SubjectArrow):
            return 0 if s.relation else self.read(positive, s.object, e.name, s)
        if isinstance(e, plan.Along):
            return self.read(positive, o, e, s)
        facts = [r for r in self.facts if (r.resource, r.relation) == (o, e.relation)]
        if isinstance(e, plan.Exists):
            return max([0, *(self.edge(r, s, positive, negative, side) for r in facts)])
        reached = [
            min(self.edge(r, s, positive, negative, side), self.read(positive, r.subject.object, e.name, s))
            for r in facts
        ]
        return (min if e.all else max)(reached, default=0)


def _alongs(e: plan.Expression) -> list[plan.Along]:
    if isinstance(e, plan.Along):
        return [e]
    if isinstance(e, (plan.Union, plan.Intersection)):
        return [a for child in e.children for a in _alongs(child)]
    if isinstance(e, plan.Exclusion):
        return _alongs(e.base) + _alongs(e.subtracted)
    return []


def _parts(judged: Judged) -> tuple[Judged, ...]:
    if isinstance(judged, Every | Any):
        return judged.parts
    return (judged.part,) if isinstance(judged, Unless) else ()


def _goals(judged: Judged) -> Iterator[Related]:
    if isinstance(judged, Related):
        yield judged
    for part in _parts(judged):
        yield from _goals(part)


def _json(text: str) -> dict[str, object]:
    return json.loads(text)
