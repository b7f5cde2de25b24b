"""What of each expression has to hold for the whole to hold: the leaves that a walk of a lookup goes through.

Of an `&` one operand is enough, for who is not in that one is not in the `&`: where there is one, an operand that does
not hold for everybody. Of a `-` it is what is subtracted from.
Law: where an expression is not a no, one of its drivers is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from remit.eval.budget import Budget
from remit.language import plan

Slot = tuple[str, str]
"""A type, and a relation or permission of it."""

_KEY = "drivers"
_NOTHING = -1


def drivers_of(schema: plan.Schema, budget: Budget) -> Drivers:
    """Worked out once for a schema, and kept with it. Cost then: O(1)."""
    found = schema.worked_out.get(_KEY)
    if not isinstance(found, Drivers):
        found = schema.worked_out[_KEY] = Drivers(schema, budget)  # two threads may both do it, to the same end
    return found


class Drivers:
    """The drivers of every permission of a schema."""

    def __init__(self, schema: plan.Schema, budget: Budget) -> None:
        """Cost: O(schema), but for arrows: each asks the types that its relation leads to, or those that have its
        name, whichever are fewer. Takes no steps of the budget, and raises what its interrupt does."""
        self._definitions = schema.definitions
        self._targets: dict[Slot, frozenset[str]] = {}  # the types that a relation leads to
        self._leaves: dict[Slot, tuple[plan.Expression, ...]] = {}
        self._types_with: dict[str, set[str]] = {}
        for type, definition in schema.definitions.items():
            for name in (*definition.relations, *definition.permissions):
                budget.look()
                self._types_with.setdefault(name, set()).add(type)
        self._wide = _Widening(self, schema, budget).wide  # slots that may hold whatever relationships an object has

    def leaves(self, type: str, permission: str) -> tuple[plan.Expression, ...]:
        """The drivers of a permission. Cost: O(expression) the first time."""
        slot = (type, permission)
        if slot not in self._leaves:
            self._leaves[slot] = tuple(self._drivers(type, self._definitions[type].permissions[permission].expression))
        return self._leaves[slot]

    def targets(self, type: str, relation: str, name: str) -> frozenset[str]:
        """The types that a relation leads to and that have the name."""
        slot = (type, relation)
        if slot not in self._targets:
            declared = self._definitions[type].relations[relation].subject_types
            self._targets[slot] = frozenset(each.type for each in declared)
        return self._targets[slot] & self._types_with.get(name, set())

    def _drivers(self, type: str, expression: plan.Expression) -> Iterator[plan.Expression]:
        match expression:
            case plan.Union(children):
                for child in children:
                    yield from self._drivers(type, child)
            case plan.Intersection(children):
                yield from self._drivers(type, min(children, key=lambda child: self._is_wide(type, child)))
            case plan.Exclusion(base):
                yield from self._drivers(type, base)
            case _:
                yield expression

    def _is_wide(self, type: str, expression: plan.Expression) -> bool:
        match expression:
            case plan.Union(children):
                return any(self._is_wide(type, child) for child in children)
            case plan.Intersection(children):
                return all(self._is_wide(type, child) for child in children)
            case plan.Exclusion(base):
                return self._is_wide(type, base)
            case plan.Name(name) | plan.Along(name):
                return (type, name) in self._wide
            case plan.Arrow(relation, name):
                return any((target, name) in self._wide for target in self.targets(type, relation, name))
            case plan.SubjectArrow() | plan.Exists():
                return True
            case plan.Self() | plan.Nil():
                return False
            case _:
                assert_never(expression)


class _Widening:
    """Which slots are wide: each part of an expression tells the part above it once, and each slot those who ask it, so
    that a long chain of names costs its length and not its square."""

    def __init__(self, drivers: Drivers, schema: plan.Schema, budget: Budget) -> None:
        self._budget = budget
        self._above: list[int] = []  # by part: the part that it is an operand of
        self._left: list[int] = []  # by part: how many operands have yet to be wide for it to be
        self._slots: dict[int, Slot] = {}  # whose whole expression a part is
        self._askers: dict[Slot, list[int]] = {}
        self._waiting: list[int] = []
        for type, definition in schema.definitions.items():
            for name, permission in definition.permissions.items():
                self._slots[len(self._above)] = (type, name)
                self._number(drivers, type, permission.expression)
        self.wide = self._widened()

    def _number(self, drivers: Drivers, type: str, whole: plan.Expression) -> None:
        waiting = [(whole, _NOTHING)]
        while waiting:
            self._budget.look()
            expression, above = waiting.pop()
            number = len(self._above)
            self._above.append(above)
            self._left.append(1)
            match expression:
                case plan.Union(children):
                    waiting += ((child, number) for child in children)
                case plan.Intersection(children):
                    self._left[number] = len(children)
                    waiting += ((child, number) for child in children)
                case plan.Exclusion(base):
                    waiting.append((base, number))
                case plan.Name(name) | plan.Along(name):
                    self._askers.setdefault((type, name), []).append(number)
                case plan.Arrow(relation, name):
                    for target in drivers.targets(type, relation, name):
                        self._budget.look()
                        self._askers.setdefault((target, name), []).append(number)
                case plan.SubjectArrow() | plan.Exists():
                    self._waiting.append(number)
                case plan.Self() | plan.Nil():
                    pass
                case _:
                    assert_never(expression)

    def _widened(self) -> set[Slot]:
        wide: set[Slot] = set()
        told: set[int] = set()
        while self._waiting:
            self._budget.look()
            number = self._waiting.pop()
            if number in told:
                continue
            told.add(number)
            above = self._above[number]
            if above != _NOTHING:
                self._left[above] -= 1
                if self._left[above] == 0:
                    self._waiting.append(above)
            slot = self._slots.get(number)
            if slot is not None:
                wide.add(slot)
                self._waiting += self._askers.get(slot, ())
        return wide
