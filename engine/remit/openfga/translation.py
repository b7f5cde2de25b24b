"""`Model` → a schema of Remit, and what became of each name.

    define viewer: [user]                     relation viewer: user
    define viewer: editor                     permission viewer = editor
    define viewer: viewer from parent         permission viewer = parent->viewer
    define viewer: [user] or editor           relation viewer_direct: user
                                              permission viewer = viewer_direct + editor

In OpenFGA one name may be written and computed; here a relation is written and a permission computed, so such a name
becomes two: its tuples are written to `…_direct`, and questions keep the name. The same is done where a relation that
holds everybody (`user:*`) is the userset of another, which a relation of Remit may not bring in, but a permission may.
Names that Remit does not take (`canView`, `can-view`) are written with `_`, and a word of the schema language
(`permission`) behind `fga_`; each is told.
Law: a question of the translated schema has the answer of the model's; nothing is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from remit.language.compiler import Compiled, compile_source
from remit.language.parameters import parse_parameter_type
from remit.language.printer import print_schema
from remit.language.source import Source
from remit.language.syntax import (
    ArrowSyntax,
    BinarySyntax,
    CaveatSyntax,
    DefinitionSyntax,
    ExpressionSyntax,
    MemberSyntax,
    NameSyntax,
    Operator,
    ParameterSyntax,
    ParameterTypeSyntax,
    PermissionSyntax,
    RelationSyntax,
    SchemaSyntax,
    TopLevelSyntax,
    TypeSyntax,
)
from remit.language.tokens import KEYWORDS
from remit.notation import CAVEAT_PATTERN, NAME_PATTERN, shortened
from remit.openfga.model import (
    Combination,
    Combined,
    Computed,
    Condition,
    Direct,
    From,
    Model,
    Relation,
    Restriction,
    Rewrite,
    Type,
    leaves_of,
)

DIRECT_SUFFIX = "_direct"

_OPERATORS = {
    Combination.OR: Operator.UNION,
    Combination.AND: Operator.INTERSECTION,
    Combination.BUT_NOT: Operator.EXCLUSION,
}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNFIT = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Names:
    """What became of each name. `types`: of the model → of the schema; `relations` and `direct` by (type, relation) of
    the model: what is asked, and what is written, where something may be."""

    types: Mapping[str, str]
    relations: Mapping[tuple[str, str], str]
    direct: Mapping[tuple[str, str], str]

    def notes(self) -> list[str]:
        """A sentence for each name that is another now, for who writes and asks by the old one."""
        told = [f"type `{old}` is `{new}` here" for old, new in self.types.items() if old != new]
        for (type_, old), new in self.relations.items():
            if old != new:
                told.append(f"`{old}` of `{type_}` is `{new}` here")
            if (direct := self.direct.get((type_, old), new)) != new:
                told.append(f"what is written to `{old}` of `{type_}` is written to `{direct}` here")
        return told


@dataclass(frozen=True, slots=True)
class Translated:
    """The schema, compiled, with its text in canonical form, and the names."""

    compiled: Compiled
    names: Names

    @property
    def text(self) -> str:
        return self.compiled.schema.text


def translate(model: Model, *, name: str = "model.fga") -> Translated:
    """Raises SchemaInvalid, with the place in the model, for what is wrong in it or cannot mean the same."""
    return _Translation(model).translate(name)


@dataclass
class _Translation:
    model: Model
    types: dict[str, Type] = field(default_factory=dict)
    relations: dict[tuple[str, str], Relation] = field(default_factory=dict)

    def translate(self, name: str) -> Translated:
        for type_ in self.model.types:
            self._add(type_)
        for (type_name, _), relation in self.relations.items():
            for leaf in leaves_of(relation.rewrite):
                self._check(type_name, relation, leaf)
        names = self._names()
        items: list[TopLevelSyntax] = [self._caveat(each) for each in self._conditions().values()]
        items += [self._definition(type_, names) for type_ in self.model.types]
        text = print_schema(SchemaSyntax(tuple(items)))
        # What it says of lines is of the translated text; that it compiles where the model does is tested.
        return Translated(compile_source(Source(f"{name} (translated)", text)), names)

    # --- the model, judged --------------------------------------------------------------------------------------

    def _add(self, type_: Type) -> None:
        if type_.is_extension:
            self.model.refuse("openfga-syntax", "`extend type` is for modules, which an `fga.mod` lists", type_.span)
        if type_.name in self.types:
            self.model.refuse("openfga-duplicate", f"type `{type_.name}` is already defined", type_.span)
        self.types[type_.name] = type_
        for relation in type_.relations:
            if (type_.name, relation.name) in self.relations:
                message = f"relation `{relation.name}` of `{type_.name}` is already defined"
                self.model.refuse("openfga-duplicate", message, relation.span)
            self.relations[type_.name, relation.name] = relation

    def _check(self, type_: str, relation: Relation, leaf: Direct | Computed | From) -> None:
        match leaf:
            case Direct(restrictions):
                for each in restrictions:
                    self._check_restriction(each)
            case Computed(name):
                self._require(type_, name, leaf)
            case From(name, tupleset):
                self._require(type_, tupleset, leaf)
                led_to = self.relations[type_, tupleset]
                kinds = led_to.restrictions
                if not isinstance(led_to.rewrite, Direct) or any(each.relation or each.is_wildcard for each in kinds):
                    self.model.refuse(
                        "openfga-tupleset",
                        f"`{tupleset}` of `{type_}`, which `{name} from {tupleset}` begins at, holds more than objects",
                        leaf.span,
                        "only `[type, …]` may stand there",
                    )
                if not any((each.type, name) in self.relations for each in kinds):
                    message = f"no type that `{tupleset}` of `{type_}` leads to has a relation `{name}`"
                    self.model.refuse("openfga-unknown", message, leaf.span)

    def _check_restriction(self, each: Restriction) -> None:
        if each.type not in self.types:
            self.model.refuse("openfga-unknown", f"type `{shortened(each.type)}` is not defined", each.span)
        if each.relation:
            self._require(each.type, each.relation, each)
        if each.condition and each.condition not in self._conditions():
            self.model.refuse("openfga-unknown", f"condition `{shortened(each.condition)}` is not defined", each.span)

    def _require(self, type_: str, relation: str, at: Computed | From | Restriction) -> None:
        if (type_, relation) not in self.relations:
            message = f"relation `{shortened(relation)}` of `{type_}` is not defined"
            self.model.refuse("openfga-unknown", message, at.span)

    def _conditions(self) -> dict[str, Condition]:
        found: dict[str, Condition] = {}
        for each in self.model.conditions:
            if each.name in found:
                self.model.refuse("openfga-duplicate", f"condition `{each.name}` is already defined", each.span)
            found[each.name] = each
        return found

    # --- names --------------------------------------------------------------------------------------------------

    def _names(self) -> Names:
        types = self._fitted("type", self.types.values())
        relations: dict[tuple[str, str], str] = {}
        direct: dict[tuple[str, str], str] = {}
        usersets = {
            (each.type, each.relation) for relation in self.relations.values() for each in relation.restrictions
        }
        for type_ in self.types.values():
            fitted = self._fitted(f"relation of `{type_.name}`", type_.relations)
            taken = set(fitted.values())
            for relation in type_.relations:
                key = type_.name, relation.name
                relations[key] = direct[key] = fitted[relation.name]
                if not relation.restrictions:
                    del direct[key]
                elif not _is_plain(relation) or (key in usersets and self._holds_everybody(key)):
                    direct[key] = _free(fitted[relation.name] + DIRECT_SUFFIX, taken)
                    taken.add(direct[key])
        return Names(types, relations, direct)

    def _fitted(self, what: str, named: Iterable[Type | Relation]) -> dict[str, str]:
        fitted: dict[str, str] = {}
        by: dict[str, str] = {}
        for each in named:
            name = fit_name(each.name)
            if not NAME_PATTERN.fullmatch(name):
                message = f"`{shortened(each.name)}` is no name for a {what} here, nor is `{shortened(name)}`"
                advice = "a name is of a-z, 0-9 and `_`, from a letter on, at most 64"
                self.model.refuse("openfga-name", message, each.span, advice)
            if name in by:
                message = f"`{each.name}` and `{by[name]}` would both be `{name}` here"
                self.model.refuse("openfga-name", message, each.span, "rename one of them")
            fitted[each.name], by[name] = name, each.name
        return fitted

    def _holds_everybody(self, key: tuple[str, str]) -> bool:
        """Whether a wildcard may be in what is written there, by usersets too."""
        seen, waiting = {key}, [key]
        while waiting:
            for each in self.relations[waiting.pop()].restrictions:
                if each.is_wildcard:
                    return True
                if each.relation and (each.type, each.relation) not in seen:
                    seen.add((each.type, each.relation))
                    waiting.append((each.type, each.relation))
        return False

    # --- the schema ---------------------------------------------------------------------------------------------

    def _definition(self, type_: Type, names: Names) -> DefinitionSyntax:
        written: list[MemberSyntax] = []
        computed: list[MemberSyntax] = []
        for relation in type_.relations:
            key = type_.name, relation.name
            name, direct = names.relations[key], names.direct.get(key, "")
            if direct:
                kinds = tuple(dict.fromkeys(self._kind(each, names) for each in relation.restrictions))
                written.append(RelationSyntax(direct, kinds))
            if direct != name:
                computed.append(PermissionSyntax(name, self._expression(type_.name, direct, relation.rewrite, names)))
        return DefinitionSyntax(names.types[type_.name], (*written, *computed))

    def _kind(self, each: Restriction, names: Names) -> TypeSyntax:
        relation = names.relations[each.type, each.relation] if each.relation else None
        return TypeSyntax(names.types[each.type], relation, each.is_wildcard, each.condition or None)

    def _expression(self, type_: str, direct: str, rewrite: Rewrite, names: Names) -> ExpressionSyntax:
        match rewrite:
            case Direct():
                return NameSyntax(direct)
            case Computed(relation):
                return NameSyntax(names.relations[type_, relation])
            case From(relation, tupleset):
                return ArrowSyntax(NameSyntax(names.relations[type_, tupleset]), self._led_to(type_, rewrite, names))
            case Combined(combination, operands):
                operator = _OPERATORS[combination]
                each = [self._expression(type_, direct, operand, names) for operand in operands]
                return reduce(lambda left, right: BinarySyntax(operator, left, right), each)

    def _led_to(self, type_: str, arrow: From, names: Names) -> str:
        """The name behind the arrow: one for all types that it leads to, as it is fitted alike in each."""
        kinds = self.relations[type_, arrow.tupleset].restrictions
        return next(
            names.relations[each.type, arrow.relation]
            for each in kinds
            if (each.type, arrow.relation) in names.relations
        )

    def _caveat(self, condition: Condition) -> CaveatSyntax:
        if not CAVEAT_PATTERN.fullmatch(condition.name):
            message = f"`{shortened(condition.name)}` is no name for a caveat here"
            self.model.refuse("openfga-name", message, condition.span, "use letters, digits and `_`, at most 64")
        parameters = []
        for each in condition.parameters:
            try:
                type_ = parse_parameter_type(each.type)
            except ValueError as error:
                self.model.refuse("openfga-unknown", str(error), each.span)
            child = ParameterTypeSyntax(str(type_.child)) if type_.child is not None else None
            parameters.append(ParameterSyntax(each.name, ParameterTypeSyntax(type_.name, child)))
        return CaveatSyntax(condition.name, tuple(parameters), condition.expression)


def fit_name(name: str) -> str:
    """The name as Remit writes names, where it can be: `canView` and `can-view` are `can_view`."""
    if NAME_PATTERN.fullmatch(name):
        return f"fga_{name}" if name in KEYWORDS else name
    return _UNFIT.sub("_", _HUMP.sub("_", name).lower()).strip("_")


def _is_plain(relation: Relation) -> bool:
    return isinstance(relation.rewrite, Direct)


def _free(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}{number}"
    return free
