"""The brute judge of OpenFGA's meaning: who has what, as sets of users of a small universe, by going around until
nothing changes.

Written from OpenFGA's documentation and not from the translation, so that the two can be held against one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from remit.openfga.model import Combination, Combined, Computed, Direct, From, Model, Relation, Rewrite

Node = tuple[str, str]
"""An object and a relation of it: `document:1`, `viewer`."""


class Tuple(NamedTuple):
    """`user` is `user:anne`, `user:*` or `group:x#member`."""

    object: str
    relation: str
    user: str


class Judge:
    """Every answer about the objects and plain users of a universe."""

    def __init__(self, model: Model, tuples: Iterable[Tuple], objects: Iterable[str]) -> None:
        self._relations = {(type_.name, each.name): each for type_ in model.types for each in type_.relations}
        self._objects = sorted(objects)
        self._tuples = [each for each in tuples if self._has_place(each)]

    def holders(self) -> Mapping[Node, frozenset[str]]:
        """Who has each relation of each object. Relations are worked out in layers, so that what is subtracted is
        known before; raises ValueError where something hangs on its own negation."""
        found: dict[Node, frozenset[str]] = {}
        for layer in self._layers():
            nodes = [
                (object, name) for object in self._objects for type_, name in layer if object.partition(":")[0] == type_
            ]
            found.update(dict.fromkeys(nodes, frozenset()))
            is_changed = True
            while is_changed:
                is_changed = False
                for node in nodes:
                    now = found[node] | self._evaluated(node, self._relation(node).rewrite, found)
                    is_changed |= now != found[node]
                    found[node] = now
        return found

    def _relation(self, node: Node) -> Relation:
        return self._relations[node[0].partition(":")[0], node[1]]

    def _evaluated(self, node: Node, rewrite: Rewrite, found: Mapping[Node, frozenset[str]]) -> frozenset[str]:
        object, relation = node
        match rewrite:
            case Direct():
                return frozenset().union(
                    *(self._meant(each.user, found) for each in self._tuples if each[:2] == (object, relation))
                )
            case Computed(name):
                return found.get((object, name), frozenset())
            case From(name, tupleset):
                led_to = [each.user for each in self._tuples if each[:2] == (object, tupleset)]
                return frozenset().union(*(found.get((each, name), frozenset()) for each in led_to))
            case Combined(combination, operands):
                first, *others = (self._evaluated(node, each, found) for each in operands)
                for other in others:
                    match combination:
                        case Combination.OR:
                            first |= other
                        case Combination.AND:
                            first &= other
                        case Combination.BUT_NOT:
                            first -= other
                return first

    def _meant(self, user: str, found: Mapping[Node, frozenset[str]]) -> frozenset[str]:
        object, hash_sign, relation = user.partition("#")
        if hash_sign:
            return found.get((object, relation), frozenset())
        type_, _, id = user.partition(":")
        if id == "*":
            return frozenset(each for each in self._objects if each.startswith(f"{type_}:"))
        return frozenset((user,))

    def _has_place(self, written: Tuple) -> bool:
        relation = self._relations.get((written.object.partition(":")[0], written.relation))
        object, _, userset = written.user.partition("#")
        type_, _, id = object.partition(":")
        return relation is not None and any(
            (each.type, each.relation, each.is_wildcard) == (type_, userset, id == "*")
            for each in relation.restrictions
        )

    def _layers(self) -> list[list[tuple[str, str]]]:
        """The relations in an order in which what a relation subtracts stands in an earlier layer."""
        level = dict.fromkeys(self._relations, 0)
        for _ in range(len(level) + 1):
            before = dict(level)
            for key, relation in self._relations.items():
                for at, is_negated in self._reached(key[0], relation.rewrite, is_negated=False):
                    level[key] = max(level[key], level.get(at, 0) + is_negated)
            if level == before:
                return [[key for key, at in level.items() if at == number] for number in range(max(level.values()) + 1)]
        raise ValueError("something hangs on its own negation")

    def _reached(self, type_: str, rewrite: Rewrite, *, is_negated: bool) -> Iterable[tuple[tuple[str, str], bool]]:
        match rewrite:
            case Direct(restrictions):
                yield from (((each.type, each.relation), is_negated) for each in restrictions if each.relation)
            case Computed(name):
                yield (type_, name), is_negated
            case From(name, tupleset):
                yield from (((each.type, name), is_negated) for each in self._relations[type_, tupleset].restrictions)
            case Combined(combination, operands):
                for number, each in enumerate(operands):
                    negated = is_negated or (combination is Combination.BUT_NOT and number == 1)
                    yield from self._reached(type_, each, is_negated=negated)
