"""The rules that take the whole plan, because they ask who can reach what: `along`, `subject->`, type annotations.

An operator that answers NO for lack of something is safe where it grants and dangerous where it is subtracted or where
it is the whole of a chain's check; these rules refuse the dangerous places.
Law: of two schemas that differ only in spelling, both are refused or neither."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from remit.language import plan
from remit.language.declarations import Declarations, Declared, Findings
from remit.language.effort import Effort
from remit.language.printer import print_expression
from remit.language.reach import Reach, Subjects
from remit.language.source import Issue
from remit.language.syntax import (
    AlongSyntax,
    BinarySyntax,
    ExpressionSyntax,
    NameSyntax,
    Operator,
    PermissionSyntax,
    nodes_of,
)
from remit.language.translation import translate_expression


def check_reach(declarations: Declarations, schema: plan.Schema, reach: Reach, effort: Effort) -> tuple[Issue, ...]:
    """Every mistake that shows only in the plan; empty where there is none. `reach` is without identity: a userset is
    always in its own name (`doc:1#viewer` in `viewer` of `doc:1`), but it acts for nobody, so it does not count here;
    otherwise nothing could ever be subtracted from a relation. Cost: O(reach of the schema)."""
    checker = _DelegationChecker(declarations, schema, reach, effort)
    for definition in declarations.definitions.values():
        for permission in definition.permissions:
            for node in nodes_of(permission.expression):
                effort.step()
                if isinstance(node, AlongSyntax):
                    checker.along(definition, node)
                if isinstance(node, BinarySyntax) and node.operator is Operator.EXCLUSION:
                    checker.exclusion(definition, node)
            if "typechecking" in declarations.flags and permission.annotation:
                checker.annotation(definition, permission)
    return checker.found.issues


class _DelegationChecker:
    def __init__(self, declarations: Declarations, schema: plan.Schema, reach: Reach, effort: Effort) -> None:
        self.declarations = declarations
        self.schema = schema
        self.effort = effort
        self.found = Findings(declarations.tree, effort)
        self.reach = reach
        # What SpiceDB counts for type annotations: `self` is not among it.
        self.typed = reach
        if "typechecking" in declarations.flags:
            self.typed = Reach(schema, identity=False, selves=False, effort=effort)
        self.names: dict[str, int] = {}  # the `p` of each `subject->p` there is → its bit
        self.asked = self._find_asked()
        self.named = {bit: name for name, bit in self.names.items()}
        # Who is in the child of an `along`, and its relations → the chain's types, and the relations that they declare.
        self.links: dict[tuple[int, tuple[str, ...]], tuple[set[str], set[str]]] = {}

    # --- along --------------------------------------------------------------------------------------------------

    def along(self, definition: Declared, along: AlongSyntax) -> None:
        names = tuple(relation.name for relation in along.relations)
        key = self.reach.plain_bits(definition.name, along.child.name), names
        if key not in self.links:
            child = self.reach.subjects(definition.name, along.child.name).plain
            self.links[key] = self._links(child, names), set()
        links, declared = self.links[key]
        for relation in along.relations:
            if relation.name not in declared and self._declares(links, along.child.name, relation):
                declared.add(relation.name)

    def _declares(self, links: set[str], child: str, syntax: NameSyntax) -> bool:
        """Whether some type of a chain declares a relation that it follows; where none does, an error says so."""
        relation = syntax.name
        declaring = [type_ for type_ in self.reach.holders(relation) if type_ in links]
        self.effort.step(len(self.reach.holders(relation)))
        permissive = sorted(type_ for type_ in declaring if relation in self.schema.definitions[type_].permissions)
        if permissive:
            message = f"`along` follows relations, and `{relation}` is a permission of `{permissive[0]}`"
            self.found.error("along-permission", message, syntax.span, "name the relations it is made of")
            return False
        if declaring:
            return True
        reached = ", ".join(f"`{type_}`" for type_ in sorted(links)) or "nothing"
        message = (
            f"`along` follows `{relation}`, which no type that can be in `{child}` declares; that reaches {reached}"
        )
        names = {name for type_ in links for name in self.schema.definitions[type_].relations}
        self.effort.step(len(links) + len(names))
        advice = self.found.guess(relation, sorted(names)) or "leave it out, or let a type that declares it in"
        self.found.error("along-unreachable-relation", message, syntax.span, advice)
        return False

    def _links(self, child: frozenset[str], names: tuple[str, ...]) -> set[str]:
        """The types a chain may be made of: those in the child, and those that its relations lead to."""
        links = set(child)
        waiting = list(links)
        while waiting:
            relations = self.schema.definitions[waiting.pop()].relations
            for name in names:
                for target in relations[name].subject_types if name in relations else ():
                    self.effort.step()
                    if target.type not in links:
                        links.add(target.type)
                        waiting.append(target.type)
        return links

    # --- exclusion ----------------------------------------------------------------------------------------------

    def exclusion(self, definition: Declared, node: BinarySyntax) -> None:
        """`subject->p` is NO for a subject that has no `p` or is a userset; subtracted, that would let it pass."""
        if not self.asked:
            return
        reaching: Subjects | None = None
        for operand in nodes_of(node.right):
            self.effort.step()
            if isinstance(operand, BinarySyntax):
                continue
            bits = self._asked_by(definition.name, translate_expression(self.declarations, operand, self.effort))
            if not bits:
                continue
            if reaching is None:
                base = translate_expression(self.declarations, node.left, self.effort)
                reaching = self.reach.subjects_of(definition.name, base)
            for asked in sorted(self._names_of(bits)):
                self.effort.step(1 + len(reaching.plain))
                without = sorted(type_ for type_ in reaching.plain if not self.schema.definitions[type_].has(asked))
                usersets = sorted(f"{type_}#{relation}" for type_, relation in reaching.usersets)
                if not without and not usersets:
                    continue
                who = ", ".join(f"`{one}`" for one in (*without, *usersets)[:5])
                direct = self.declarations.is_subject_arrow(operand)
                how = "" if direct else f" (by `{_shown(operand)}`)"
                message = (
                    f"`subject->{asked}`{how} is subtracted, and would not stop {who}, which cannot be asked `{asked}`"
                )
                advice = f"declare `{asked}` on each, or keep them out of what it is subtracted from"
                self.found.error("subject-arrow-subtracted", message, operand.span, advice)

    def _names_of(self, bits: int) -> Iterator[str]:
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            yield self.named[lowest]

    def _asked_by(self, type_: str, node: plan.Expression) -> int:
        """Every `p` of a `subject->p` that the value of a node may rest on, whatever names lie between, as bits."""
        asked = 0
        for name in plan.reads_of(node).subject:
            asked |= self.names.get(name, 0)
        for goal in self.reach.asked_by(type_, node):
            asked |= self.asked.get(goal, 0)
        return asked

    def _find_asked(self) -> dict[tuple[str, str], int]:
        """Of each permission that rests on some `subject->p`, which. Found from those up, once for all."""
        asked: dict[tuple[str, str], int] = {}
        readers: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for type_, definition in self.schema.definitions.items():
            for permission in definition.permissions.values():
                at = type_, permission.name
                for node in plan.nodes_of(permission.expression):
                    self.effort.step()
                    for name in plan.reads_of(node).subject:
                        bit = self.names.setdefault(name, 1 << len(self.names))
                        asked[at] = asked.get(at, 0) | bit
        if not asked:
            return asked
        for type_, definition in self.schema.definitions.items():
            for permission in definition.permissions.values():
                for node in plan.nodes_of(permission.expression):
                    for goal in self.reach.asked_by(type_, node):
                        self.effort.step()
                        readers.setdefault(goal, []).append((type_, permission.name))
        waiting = deque(asked)
        queued = set(asked)
        while waiting:
            goal = waiting.popleft()
            queued.discard(goal)
            for reader in readers.get(goal, ()):
                self.effort.step()
                before = asked.get(reader, 0)
                asked[reader] = before | asked[goal]
                if asked[reader] != before and reader not in queued:
                    queued.add(reader)
                    waiting.append(reader)
        return asked

    # --- annotations --------------------------------------------------------------------------------------------

    def annotation(self, definition: Declared, permission: PermissionSyntax) -> None:
        """`permission view: user = …` under `use typechecking`. As in SpiceDB it may name more than can be there, not
        less, and `self` does not count."""
        reaching = self.typed.subjects(definition.name, permission.name).plain
        self.effort.step(len(reaching) + len(permission.annotation))
        missing = sorted(reaching - set(permission.annotation))
        if missing:
            message = (
                f"permission `{permission.name}` says it holds {_listed(permission.annotation)}, "
                f"and {_listed(missing)} can be in it"
            )
            advice = f"write `{permission.name}: {' | '.join((*permission.annotation, *missing))}`"
            self.found.error("incomplete-annotation", message, permission.name_span, advice)


def _shown(operand: ExpressionSyntax) -> str:
    return operand.name if isinstance(operand, NameSyntax) else print_expression(operand)


def _listed(types: Iterable[str]) -> str:
    return ", ".join(f"`{type_}`" for type_ in types)
