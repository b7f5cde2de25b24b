"""A schema as SpiceDB's reflection tells it: its definitions and caveats, how two schemas differ, and which names are
made of which.

Law: what is told of a schema names only what stands in it; two schemas that mean the same have no differences but in
their comments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from authzed.api.v1 import schema_service_pb2

from remit.arguments.side import SIDES
from remit.errors import Fault, InvalidArgument
from remit.interrupt import Interrupt, never_interrupted
from remit.language.caveats import Caveat
from remit.language.effort import Effort
from remit.language.plan import (
    Definition,
    Permission,
    Relation,
    Schema,
    SubjectType,
    asked_by_documents,
    nodes_of,
    reads_of,
)

_S = schema_service_pb2
Name = tuple[str, str]
"""A definition, and a relation or permission of it."""

# --- what stands in it ------------------------------------------------------------------------------------------


class Filters:
    """Which parts of a schema are asked for: by the beginnings of their names. Of several filters any will do."""

    def __init__(self, messages: Sequence[schema_service_pb2.ReflectionSchemaFilter]) -> None:
        """Raises InvalidArgument for a filter that contradicts itself."""
        for number, each in enumerate(messages):
            _require_sense(each, f"optional_filters[{number}]")
        # By what is asked for: the beginnings of names, and of members also those of their definitions.
        self._definitions = _beginnings(each.optional_definition_name_filter for each in messages)
        self._caveats = _beginnings(each.optional_caveat_name_filter for each in messages)
        self._relations = [
            (each.optional_relation_name_filter, each.optional_definition_name_filter)
            for each in messages
            if each.optional_relation_name_filter
        ]
        self._permissions = [
            (each.optional_permission_name_filter, each.optional_definition_name_filter)
            for each in messages
            if each.optional_permission_name_filter
        ]
        self.has_definitions = not messages or bool(self._definitions)
        self.has_caveats = not messages or bool(self._caveats)

    def has_definition(self, name: str) -> bool:
        return not self._definitions or name.startswith(self._definitions)

    def has_caveat(self, name: str) -> bool:
        return not self._caveats or name.startswith(self._caveats)

    def has_relation(self, definition: str, name: str) -> bool:
        return _has_member(self._relations, definition, name)

    def has_permission(self, definition: str, name: str) -> bool:
        return _has_member(self._permissions, definition, name)


def _beginnings(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in given if each)


def _has_member(wanted: Sequence[tuple[str, str]], definition: str, name: str) -> bool:
    return not wanted or any(name.startswith(one) and definition.startswith(type) for one, type in wanted)


def _require_sense(message: schema_service_pb2.ReflectionSchemaFilter, field: str) -> None:
    problem = ""
    if message.optional_definition_name_filter and message.optional_caveat_name_filter:
        problem = "a filter is for definitions or for caveats, not for both"
    elif message.optional_relation_name_filter and message.optional_permission_name_filter:
        problem = "a filter is for relations or for permissions, not for both"
    elif not message.optional_definition_name_filter and (
        message.optional_relation_name_filter or message.optional_permission_name_filter
    ):
        problem = "a filter for relations or permissions needs `optional_definition_name_filter`"
    if problem:
        raise InvalidArgument(problem, field=field).with_fault(Fault.FILTER_CONTRADICTS)


_ALL = Filters(())


def encode_definitions(
    schema: Schema, filters: Filters, interrupt: Interrupt = never_interrupted
) -> list[schema_service_pb2.ReflectionDefinition]:
    """Cost: O(schema x filters). Raises what the interrupt raises."""
    effort = Effort(interrupt)
    found = schema.definitions.values() if filters.has_definitions else ()
    return [_definition(each, filters, effort) for each in found if filters.has_definition(each.name)]


def encode_caveats(
    schema: Schema, filters: Filters, interrupt: Interrupt = never_interrupted
) -> list[schema_service_pb2.ReflectionCaveat]:
    """Cost: O(caveats x filters). Raises what the interrupt raises."""
    effort = Effort(interrupt)
    messages = []
    for each in schema.caveats.values() if filters.has_caveats else ():
        effort.step(1 + len(each.parameters))
        if filters.has_caveat(each.name):
            messages.append(_caveat(each))
    if filters.has_caveats:
        messages += (_built_in(name) for name in _built_in_caveats(schema) if filters.has_caveat(name))
    return messages


def _definition(definition: Definition, filters: Filters, effort: Effort) -> schema_service_pb2.ReflectionDefinition:
    name = definition.name
    message = _S.ReflectionDefinition(name=name, comment=_comment(definition.doc))
    for relation in definition.relations.values():
        effort.step(1 + len(relation.subject_types))
        if filters.has_relation(name, relation.name):
            message.relations.append(_relation(name, relation))
    for permission in definition.permissions.values():
        effort.step()
        if filters.has_permission(name, permission.name):
            message.permissions.append(_permission(name, permission))
    return message


def _relation(definition: str, relation: Relation) -> schema_service_pb2.ReflectionRelation:
    return _S.ReflectionRelation(
        name=relation.name,
        comment=_comment(relation.doc),
        parent_definition_name=definition,
        subject_types=[_subject_type(each) for each in relation.subject_types],
    )


def _subject_type(type: SubjectType) -> schema_service_pb2.ReflectionTypeReference:
    message = _S.ReflectionTypeReference(subject_definition_name=type.type, optional_caveat_name=type.caveat or "")
    if type.wildcard:
        message.is_public_wildcard = True
    elif type.relation:
        message.optional_relation_name = type.relation
    else:
        message.is_terminal_subject = True
    return message


def _permission(definition: str, permission: Permission) -> schema_service_pb2.ReflectionPermission:
    return _S.ReflectionPermission(
        name=permission.name, comment=_comment(permission.doc), parent_definition_name=definition
    )


def _caveat(caveat: Caveat) -> schema_service_pb2.ReflectionCaveat:
    return _S.ReflectionCaveat(
        name=caveat.name,
        comment=_comment(caveat.doc),
        parameters=[_parameter(caveat, name) for name in sorted(caveat.parameters)],
        expression=caveat.expression,
    )


def _built_in_caveats(schema: Schema) -> Collection[str]:
    """The names of those that the schema has and does not define, so that every name of a subject type is told."""
    return SIDES if schema.uses_arguments else ()


def _built_in(name: str) -> schema_service_pb2.ReflectionCaveat:
    """It has no parameters and no expression: its context is a constraint document, and a call decides it."""
    return _S.ReflectionCaveat(name=name, comment=_comment("built in: its context is a constraint on calls"))


def _parameter(caveat: Caveat, name: str) -> schema_service_pb2.ReflectionCaveatParameter:
    type = str(caveat.parameters[name])
    return _S.ReflectionCaveatParameter(name=name, type=type, parent_caveat_name=caveat.name)


def _comment(doc: str) -> str:
    """SpiceDB tells comments with their markers."""
    return "\n".join(f"// {line}".rstrip() for line in doc.splitlines())


# --- how two differ ---------------------------------------------------------------------------------------------


def encode_differences(
    old: Schema, new: Schema, interrupt: Interrupt = never_interrupted
) -> Iterator[schema_service_pb2.ReflectionSchemaDiff]:
    """Sorted by name. Cost: O(both), and O(subject types of a relation) for each that was added or removed: take no
    more than an answer may hold. Raises what the interrupt raises."""
    for kind, part in _differences(old, new, Effort(interrupt)):
        yield _S.ReflectionSchemaDiff(**{kind: part})  # type: ignore[arg-type]


def _differences(old: Schema, new: Schema, effort: Effort) -> Iterator[tuple[str, object]]:
    for name in _added(old.definitions, new.definitions):
        yield "definition_added", _definition(new.definitions[name], _ALL, effort)
    for name in _added(new.definitions, old.definitions):
        yield "definition_removed", _definition(old.definitions[name], _ALL, effort)
    for name in _added(old.caveats, new.caveats):
        yield "caveat_added", _caveat(new.caveats[name])
    for name in _added(_built_in_caveats(old), _built_in_caveats(new)):
        yield "caveat_added", _built_in(name)
    for name in _added(new.caveats, old.caveats):
        yield "caveat_removed", _caveat(old.caveats[name])
    for name in _added(_built_in_caveats(new), _built_in_caveats(old)):
        yield "caveat_removed", _built_in(name)
    for name in sorted(old.definitions.keys() & new.definitions.keys()):
        yield from _of_definition(old.definitions[name], new.definitions[name], effort)
    for name in sorted(old.caveats.keys() & new.caveats.keys()):
        effort.step()
        yield from _of_caveat(old.caveats[name], new.caveats[name])


def _of_definition(old: Definition, new: Definition, effort: Effort) -> Iterator[tuple[str, object]]:
    type = new.name
    if old.doc != new.doc:
        yield "definition_doc_comment_changed", _definition(new, _ALL, effort)
    for name in _added(old.relations, new.relations):
        yield "relation_added", _relation(type, new.relations[name])
    for name in _added(new.relations, old.relations):
        yield "relation_removed", _relation(type, old.relations[name])
    for name in _added(old.permissions, new.permissions):
        yield "permission_added", _permission(type, new.permissions[name])
    for name in _added(new.permissions, old.permissions):
        yield "permission_removed", _permission(type, old.permissions[name])
    for name in sorted(old.relations.keys() & new.relations.keys()):
        yield from _of_relation(type, old.relations[name], new.relations[name], effort)
    for name in sorted(old.permissions.keys() & new.permissions.keys()):
        effort.step()
        was, now = old.permissions[name], new.permissions[name]
        if was.doc != now.doc:
            yield "permission_doc_comment_changed", _permission(type, now)
        if was.expression != now.expression:
            yield "permission_expr_changed", _permission(type, now)


def _of_relation(type: str, old: Relation, new: Relation, effort: Effort) -> Iterator[tuple[str, object]]:
    effort.step(len(old.subject_types) + len(new.subject_types))
    relation = _relation(type, new)  # told with each of its changes, all of it, as SpiceDB does
    if old.doc != new.doc:
        yield "relation_doc_comment_changed", relation
    for kind, types, others in (
        ("relation_subject_type_added", new.subject_types, set(old.subject_types)),
        ("relation_subject_type_removed", old.subject_types, set(new.subject_types)),
    ):
        for each in types:
            if each not in others:
                effort.step(len(new.subject_types))
                change = _S.ReflectionRelationSubjectTypeChange(
                    relation=relation, changed_subject_type=_subject_type(each)
                )
                yield kind, change


def _of_caveat(old: Caveat, new: Caveat) -> Iterator[tuple[str, object]]:
    if old.doc != new.doc:
        yield "caveat_doc_comment_changed", _caveat(new)
    if old.expression != new.expression:
        yield "caveat_expr_changed", _caveat(new)
    for name in _added(old.parameters, new.parameters):
        yield "caveat_parameter_added", _parameter(new, name)
    for name in _added(new.parameters, old.parameters):
        yield "caveat_parameter_removed", _parameter(old, name)
    for name in sorted(old.parameters.keys() & new.parameters.keys()):
        if old.parameters[name] != new.parameters[name]:
            change = _S.ReflectionCaveatParameterTypeChange(
                parameter=_parameter(new, name), previous_type=str(old.parameters[name])
            )
            yield "caveat_parameter_type_changed", change


def _added(old: Collection[str], new: Iterable[str]) -> list[str]:
    return sorted(name for name in new if name not in old)


# --- which names are made of which ------------------------------------------------------------------------------


def dependent_relations(
    schema: Schema, type: str, permission: str, interrupt: Interrupt = never_interrupted
) -> set[Name]:
    """All that a permission is made of, however far away: relations that arrows begin at as well. Raises what the
    interrupt raises. Cost: see `_Sources`."""
    effort = Effort(interrupt)
    sources = _Sources(schema, effort)
    return _reached((type, permission), lambda name: {*sources.of(name), *sources.leading(name)}, effort)


def computable_permissions(
    schema: Schema, type: str, relation: str, interrupt: Interrupt = never_interrupted
) -> set[Name]:
    """All whose subjects may come from a relation or permission, or where there is none, from the type itself, however
    far away. Raises what the interrupt raises. Cost: see `_Sources`."""
    effort = Effort(interrupt)
    sources = _Sources(schema, effort)
    makes: dict[Name, set[Name]] = {}
    for definition in schema.definitions.values():
        for name in (*definition.relations, *definition.permissions):
            for source in sources.of((definition.name, name)):
                makes.setdefault(source, set()).add((definition.name, name))
    return _reached((type, relation), lambda name: makes.get(name, set()), effort)


def encode_references(
    schema: Schema, names: Iterable[Name], interrupt: Interrupt = never_interrupted
) -> list[schema_service_pb2.ReflectionRelationReference]:
    """Sorted. Raises what the interrupt raises."""
    effort = Effort(interrupt)
    references = []
    for type, name in sorted(names):
        effort.step()
        is_permission = name in schema.definitions[type].permissions
        references.append(
            _S.ReflectionRelationReference(definition_name=type, relation_name=name, is_permission=is_permission)
        )
    return references


def _reached(start: Name, next_of: Callable[[Name], set[Name]], effort: Effort) -> set[Name]:
    """Everything but the start itself that a walk from it comes by."""
    found, waiting = {start}, [start]
    while waiting:
        for name in next_of(waiting.pop()):
            effort.step()
            if name not in found and name[1]:
                found.add(name)
                waiting.append(name)
    return found - {start}


class _Sources:
    """What the subjects of each name come from. Cost: O(schema) for all names; for an arrow, the types that its
    relation leads to or those that have its target, whichever are fewer."""

    def __init__(self, schema: Schema, effort: Effort) -> None:
        self._schema = schema
        self._effort = effort
        self._holders: dict[str, set[str]] = {}  # a name → the types that have it
        for definition in schema.definitions.values():
            for name in (*definition.relations, *definition.permissions):
                effort.step()
                self._holders.setdefault(name, set()).add(definition.name)
        self._led_to: dict[Name, set[str]] = {}

    def of(self, name: Name) -> Iterator[Name]:
        """Names; and of plain subjects and wildcards the type, as (type, "")."""
        type, member = name
        definition = self._schema.definitions[type]
        if member in definition.relations:
            for each in definition.relations[member].subject_types:
                self._effort.step()
                yield each.type, each.relation
        elif member in definition.permissions:
            arrows: set[tuple[str, str]] = set()
            for node in nodes_of(definition.permissions[member].expression):
                self._effort.step()
                reads = reads_of(node)
                yield from ((type, here) for here in reads.here)
                arrows.update(reads.targets)
            for relation, target in arrows:
                fewer, more = sorted((self._types_of(type, relation), self._holders.get(target, set())), key=len)
                self._effort.step(1 + len(fewer))
                yield from ((each, target) for each in fewer if each in more)

    def leading(self, name: Name) -> Iterator[Name]:
        """What a permission reads and takes no subjects from, and what the documents beside a relation may ask."""
        type, member = name
        definition = self._schema.definitions[type]
        if (relation := definition.relations.get(member)) is not None:
            yield from asked_by_documents(self._schema, relation)
        permission = definition.permissions.get(member)
        for node in nodes_of(permission.expression) if permission is not None else ():
            self._effort.step()
            reads = reads_of(node)
            yield from ((type, relation) for relation, _ in reads.targets)
            yield from ((type, edge) for edge in reads.edges if edge in definition.relations)

    def _types_of(self, type: str, relation: str) -> set[str]:
        if (type, relation) not in self._led_to:
            types = self._schema.definitions[type].relations[relation].subject_types
            self._led_to[type, relation] = {each.type for each in types}
        return self._led_to[type, relation]
