"""On which side of a `-` constraint documents may stand: `arguments` where authority is given, `matching` where it is
taken.

A document that says too little is a risk on the wrong side only. One that covers refuses what it does not name, which
takes nothing away behind a `-`; one that matches lets through what it does not name, which gives it before one.
Law: where a schema compiles, a document that holds for fewer calls never lets more through beside `arguments`, nor one
that holds for more beside `matching`, whatever permission is asked that no other is made of."""

from __future__ import annotations

from collections.abc import Iterator

from remit.arguments.side import Side
from remit.language.declarations import Declarations, Findings
from remit.language.effort import Effort
from remit.language.plan import Member, Schema
from remit.language.polarity import EVEN, ODD, Ways, find_ways
from remit.language.reach import Reach
from remit.language.source import Issue
from remit.language.syntax import RelationSyntax, TypeSyntax

_WRONG_WAY = {Side.ARGUMENTS: ODD, Side.MATCHING: EVEN}


def check_constraints(declarations: Declarations, schema: Schema, reach: Reach, effort: Effort) -> tuple[Issue, ...]:
    """Every relation that takes documents of a side on which it stands otherwise; empty where there is none. Cost: O(1)
    without `use arguments`, O(schema) with it."""
    if not schema.uses_arguments:
        return ()
    found = Findings(declarations.tree, effort)
    places = _Places(declarations, schema, find_ways(schema, reach, effort), effort)
    for definition in declarations.definitions.values():
        for relation in definition.relations:
            for side, type_ in _constrained(relation, declarations, effort).items():
                if ((definition.name, relation.name), _WRONG_WAY[side]) in places.ways:
                    code, message, advice = places.issue((definition.name, relation.name), side, type_)
                    found.error(code, message, type_.caveat_span, advice)
    return found.issues


def _constrained(relation: RelationSyntax, declarations: Declarations, effort: Effort) -> dict[Side, TypeSyntax]:
    """The first subject type of a relation on each side."""
    first: dict[Side, TypeSyntax] = {}
    for type_ in relation.types:
        effort.step()
        if (side := declarations.side_of(type_.caveat)) is not None:
            first.setdefault(side, type_)
    return first


class _Places:
    """Says where a member is read, and which way."""

    def __init__(self, declarations: Declarations, schema: Schema, ways: Ways, effort: Effort) -> None:
        self.ways = ways
        self._effort = effort
        self._declarations = declarations
        self._schema = schema

    def issue(self, relation: Member, side: Side, type_: TypeSyntax) -> tuple[str, str, str]:
        """Its code, message and advice."""
        type, name = relation
        about = f"relation `{name}` of `{type}` takes `{type_.type} with {side.value}`"
        is_even, is_odd = (relation, EVEN) in self.ways, (relation, ODD) in self.ways
        if is_even and is_odd:
            message = (
                f"{about} and is used both ways: it gives {self._giving(relation)}, and takes {self._taking(relation)}"
            )
            return "constraint-both-ways", message, self._advice(relation)
        if is_odd:
            message = f"{about}, which is for what gives, and takes away {self._taking(relation)}"
            return "arguments-subtracted", message, "what is taken away is constrained by `with matching`"
        message = f"{about}, which is for what is taken away, and gives {self._giving(relation)}"
        return "matching-not-subtracted", message, "what gives is constrained by `with arguments`"

    def _giving(self, relation: Member) -> str:
        reading = self.ways[relation, EVEN]
        if reading is not None:
            return f"in {self._named(reading.reader)}"
        return "by itself" if (relation, ODD) in self.ways else "by itself: nothing subtracts it"

    def _taking(self, relation: Member) -> str:
        """In the nearest member that turns it."""
        reading = self.ways[relation, ODD]
        assert reading is not None, "what nobody reads stands even"
        while not reading.turns:
            self._effort.step()
            above = self.ways[reading.reader, reading.way]
            assert above is not None, "on the way there is one that turns"
            reading = above
        return f"in {self._named(reading.reader)}"

    def _advice(self, relation: Member) -> str:
        """Of what goes both ways. Where that is by what a document may ask, two relations would be asked by it both."""
        for way in (EVEN, ODD):
            asked, reading = relation, self.ways[relation, way]
            while reading is not None:
                self._effort.step()
                type, name = reading.reader
                if asked in self._asked_either_way(type, name):
                    may_ask = f"documents of {self._named(reading.reader)} may ask for `{asked[0]}#{asked[1]}`"
                    return f"{may_ask} by `related` and by `unrelated`: constrain no relation that it is made of"
                asked, reading = reading.reader, self.ways[reading.reader, reading.way]
        return "make it two relations, one that gives, with `arguments`, and one that takes, with `matching`"

    def _asked_either_way(self, type: str, name: str) -> Iterator[Member]:
        """What documents that match may ask, where the member is a relation that takes them."""
        relation = self._schema.definitions[type].relations.get(name)
        for subject in relation.subject_types if relation is not None else ():
            self._effort.step(1 + len(subject.declared))
            if subject.caveat == Side.MATCHING.value:
                yield from subject.declared

    def _named(self, member: Member) -> str:
        """With its line, and its file where that is not the only one."""
        type, name = member
        syntax = self._declarations.definitions[type].members[name]
        place = self._declarations.tree.sources.place(syntax.name_span.start)
        is_alone = len(self._declarations.tree.sources.sources) == 1
        kind = "permission" if name in self._schema.definitions[type].permissions else "relation"
        where = f"line {place.line}" if is_alone else f"{place.file}, line {place.line}"
        return f"{kind} `{name}` of `{type}` ({where})"
