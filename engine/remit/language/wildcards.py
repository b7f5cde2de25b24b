"""Where wildcards are: which relations hold one, themselves or by the usersets they allow.

SpiceDB refuses a relation that brings one in from another definition, and so do we. Yet it remembers what it has found
by the name of the relation alone: where it looked at a relation of the same name first that holds none, it lets the
other through. Whether it does may depend on the order it happens to look in, so what it may let through is let through
here, with a warning.
Law: a relation holds a wildcard exactly where facts that its types allow could relate everybody to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from remit.language.declarations import Declarations
from remit.language.effort import Effort
from remit.language.syntax import ArrowSyntax, NameSyntax, TypeSyntax, nodes_of

Holders = Mapping[tuple[str, str], str]
"""A definition and a relation of it → a wildcard that it holds."""


def userset_of(type_: TypeSyntax) -> str | None:
    """The relation that a subject type names; None where it means the object itself: `user` is `user#...`."""
    return None if type_.relation in (None, "", "...") else type_.relation


def find_holders(declarations: Declarations, effort: Effort) -> Holders:
    """Found once for all and from the wildcards up: asking each relation by itself would cost the square of a long
    chain of them."""
    holders: dict[tuple[str, str], str] = {}
    allowed_by: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for definition in declarations.definitions.values():
        for relation in definition.relations:
            for type_ in relation.types:
                effort.step()
                if type_.wildcard:
                    holders.setdefault((definition.name, relation.name), f"{type_.type}:*")
                elif (name := userset_of(type_)) is not None:
                    allowed_by.setdefault((type_.type, name), []).append((definition.name, relation.name))
    waiting = deque(holders)
    while waiting:
        at = waiting.popleft()
        for holder in allowed_by.get(at, ()):
            effort.step()
            if holder not in holders:
                holders[holder] = holders[at]
                waiting.append(holder)
    return holders


def find_overlooked(declarations: Declarations, holders: Holders, effort: Effort) -> frozenset[str]:
    """The names under which SpiceDB may remember that there is no wildcard: of relations without one that it looks at,
    as a userset or on the left of an arrow. Cost: O(tree)."""
    looked_at: set[tuple[str, str]] = set()
    for definition in declarations.definitions.values():
        for relation in definition.relations:
            for type_ in relation.types:
                effort.step()
                if (name := userset_of(type_)) is not None:
                    looked_at.add((type_.type, name))
        for permission in definition.permissions:
            for node in nodes_of(permission.expression):
                effort.step()
                if isinstance(node, ArrowSyntax) and isinstance(node.left, NameSyntax):
                    looked_at.add((definition.name, node.left.name))
    return frozenset(name for type, name in looked_at if (type, name) not in holders)
