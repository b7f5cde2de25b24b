"""A compiled schema → `Model`: the way back of `translation.py`.

    relation viewer: user | group#member      define viewer: [user, group#member]
    permission view = viewer + parent->view   define view: viewer or view from parent

A relation is what is written and a permission what is computed, each under its own name.
Law: the model answers what the schema answers; what OpenFGA has no word for, or refuses by its rules, is refused, by
name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn, assert_never

from remit.errors import InvalidArgument
from remit.language import plan
from remit.language.caveats import Caveat
from remit.language.parameters import ParameterType
from remit.notation import shortened
from remit.openfga.language import DEPTH_MAX, RESERVED
from remit.openfga.model import (
    Combination,
    Combined,
    Computed,
    Condition,
    Direct,
    From,
    Model,
    Parameter,
    Relation,
    Restriction,
    Rewrite,
    Type,
    leaves_of,
)

NAME_MAX = 50  # of a relation, a condition or a parameter: OpenFGA's limits
TYPE_NAME_MAX = 254
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = RESERVED | {"define", "relations", "condition"}  # they end what stands before them
_PARAMETER_TYPES = {"bool", "double", "duration", "int", "ipaddress", "string", "timestamp", "uint"}
# What CEL has here and in SpiceDB, and not in OpenFGA; and a comment of its language, which it cuts off anywhere.
_BEYOND_CEL = re.compile(r"\bisSubtreeOf\b|\.\?|\[\?|\boptional\.|(?:^|\s)#")

_Key = tuple[str, str]  # a type and a relation of it


def model_of(schema: plan.Schema) -> Model:
    """Raises InvalidArgument, naming the first that OpenFGA has no word for, or would not take."""
    types = tuple(_type(definition, schema) for definition in schema.definitions.values())
    model = Model(types, tuple(_condition(caveat) for caveat in schema.caveats.values()))
    _require_ends(model)
    _require_beginnings(model)
    return model


def _refuse(what: str, reason: str) -> NoReturn:
    raise InvalidArgument(f"{what} cannot be exported to OpenFGA: {reason}")


def _name(what: str, name: str, most: int = NAME_MAX) -> str:
    if not _IDENTIFIER.fullmatch(name) or len(name) > most:
        _refuse(f"{what} `{shortened(name)}`", f"a name there is of letters, digits and `_`, at most {most}")
    if name in _WORDS:
        _refuse(f"{what} `{name}`", "it is a word of its language")
    return name


# --- types and relations ------------------------------------------------------------------------------------------


def _type(definition: plan.Definition, schema: plan.Schema) -> Type:
    name = _name("type", definition.name, TYPE_NAME_MAX)
    written = [_relation(each, name, schema) for each in definition.relations.values()]
    computed = [
        Relation(_name(f"permission of `{name}`", each.name), _Permission(each, definition, schema).rewrite())
        for each in definition.permissions.values()
    ]
    return Type(name, (*written, *computed))


def _relation(relation: plan.Relation, type_: str, schema: plan.Schema) -> Relation:
    name = _name(f"relation of `{type_}`", relation.name)
    what = f"relation `{name}` of `{type_}`"
    traits = (("single", relation.single), ("final", relation.final), ("managed", relation.managed))
    for trait, is_there in traits:
        if is_there:
            _refuse(what, f"it is `{trait}`, which OpenFGA does not keep")
    for each in relation.subject_types:
        if each.expiration or each.not_before:
            _refuse(what, f"it takes `{each}`, and OpenFGA knows no times")
        if each.caveat is not None and schema.side_of(each.caveat) is not None:
            _refuse(what, f"it takes `{each}`, and OpenFGA judges no calls")
    kinds = (Restriction(each.type, each.relation, each.wildcard, each.caveat or "") for each in relation.subject_types)
    return Relation(name, Direct(tuple(kinds)))


class _Permission:
    """What one permission becomes."""

    def __init__(self, permission: plan.Permission, definition: plan.Definition, schema: plan.Schema) -> None:
        self._permission = permission
        self._definition = definition
        self._schema = schema

    def rewrite(self) -> Rewrite:
        return self._rewrite(self._permission.expression, 0)

    def _rewrite(self, node: plan.Expression, depth: int) -> Rewrite:
        if depth > DEPTH_MAX:
            self._refuse(f"it is nested more than {DEPTH_MAX} deep")
        match node:
            case plan.Name(name):
                return Computed(name)
            case plan.Arrow(relation, name, all=False):
                self._require_objects(relation, name)
                return From(name, relation)
            case plan.Union(children):
                return self._combined(Combination.OR, children, depth)
            case plan.Intersection(children):
                return self._combined(Combination.AND, children, depth)
            case plan.Exclusion(base, subtracted):
                return self._combined(Combination.BUT_NOT, (base, subtracted), depth)
            case plan.Arrow(relation, name):
                self._refuse(f"OpenFGA has no word for `{relation}.all({name})`")
            case plan.SubjectArrow(name):
                self._refuse(f"OpenFGA has no word for `subject->{name}`")
            case plan.Exists(relation):
                self._refuse(f"OpenFGA has no word for `{relation}.exists()`")
            case plan.Along():
                self._refuse(f"OpenFGA has no word for `{node}`")
            case plan.Self():
                self._refuse("OpenFGA has no word for `self`")
            case plan.Nil():
                self._refuse("OpenFGA has no word for `nil`")
        assert_never(node)

    def _combined(self, combination: Combination, operands: tuple[plan.Expression, ...], depth: int) -> Combined:
        return Combined(combination, tuple(self._rewrite(each, depth + 1) for each in operands))

    def _require_objects(self, relation: str, name: str) -> None:
        """What `from` may begin at."""
        kinds = self._definition.relations[relation].subject_types
        for each in kinds:
            if each.wildcard or each.relation:
                self._refuse(f"`{relation}->{name}` begins at `{each}`, and OpenFGA's `from` at objects alone")
        if not any(self._schema.definitions[each.type].has(name) for each in kinds):
            self._refuse(f"no type that `{relation}` leads to has `{name}`")

    def _refuse(self, reason: str) -> NoReturn:
        _refuse(f"permission `{self._permission.name}` of `{self._definition.name}`", reason)


# --- conditions ---------------------------------------------------------------------------------------------------


def _condition(caveat: Caveat) -> Condition:
    name = _name("caveat", caveat.name)
    what = f"caveat `{name}`"
    for parameter, type_ in caveat.parameters.items():
        _name(f"parameter of caveat `{name}`", parameter)
        if not _is_known(type_):
            _refuse(what, f"`{parameter}` is of type `{type_}`, which OpenFGA does not read")
    if beyond := _BEYOND_CEL.search(caveat.expression):
        _refuse(what, f"OpenFGA reads `{beyond[0].strip()}` otherwise, or not at all")
    if unprintable := next((char for char in caveat.expression if not (char.isprintable() or char in "\n\t")), ""):
        _refuse(what, f"it holds the character U+{ord(unprintable):04X}: write an escape of it")
    parameters = tuple(Parameter(parameter, str(type_)) for parameter, type_ in caveat.parameters.items())
    return Condition(name, parameters, caveat.expression.strip())


def _is_known(type_: ParameterType) -> bool:
    return (type_.name if type_.child is None else type_.child.name) in _PARAMETER_TYPES


# --- what OpenFGA does not take -----------------------------------------------------------------------------------


def _require_ends(model: Model) -> None:
    """That no relation is computed of itself, on the same object: it would refuse the model."""
    for type_ in model.types:
        ended: set[str] = set()
        computed = {
            each.name: [leaf.relation for leaf in leaves_of(each.rewrite) if isinstance(leaf, Computed)]
            for each in type_.relations
        }
        for start in computed:
            on_the_way, waiting = {start: None}, [iter(computed[start])]
            while waiting:
                name = next(waiting[-1], None)
                if name is None:
                    waiting.pop()
                    ended.add(on_the_way.popitem()[0])
                elif name in on_the_way:
                    _refuse(f"`{name}` of `{type_.name}`", "it is computed of itself")
                elif name not in ended:
                    on_the_way[name] = None
                    waiting.append(iter(computed[name]))


def _require_beginnings(model: Model) -> None:
    """That somebody can be in each relation: OpenFGA refuses a model with one that leads to nothing written."""
    relations = {(type_.name, each.name): each for type_ in model.types for each in type_.relations}
    begun: set[_Key] = set()
    is_changed = True
    while is_changed:
        found = {key for key in relations.keys() - begun if _begins(relations[key].rewrite, key[0], relations, begun)}
        begun |= found
        is_changed = bool(found)
    for type_name, name in relations:
        if (type_name, name) not in begun:
            _refuse(f"`{name}` of `{type_name}`", "nothing that is written leads to it")


def _begins(rewrite: Rewrite, type_: str, relations: Mapping[_Key, Relation], begun: set[_Key]) -> bool:
    match rewrite:
        case Direct(restrictions):
            return any(not each.relation or (each.type, each.relation) in begun for each in restrictions)
        case Computed(name):
            return (type_, name) in begun
        case From(name, tupleset):
            return any((each.type, name) in begun for each in relations[type_, tupleset].restrictions)
        case Combined(combination, operands):
            each_begins = (_begins(each, type_, relations, begun) for each in operands)
            return any(each_begins) if combination is Combination.OR else all(each_begins)
    assert_never(rewrite)
