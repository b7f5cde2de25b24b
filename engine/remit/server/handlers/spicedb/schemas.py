"""SpiceDB's SchemaService: a schema written, read, told part by part, and compared with another.

Law: all parts of an answer are of the schema at the revision that it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from authzed.api.v1 import schema_service_pb2

from remit.engine.facade import Engine
from remit.errors import Fault, UnknownRelation
from remit.language.names import require_name, require_type
from remit.language.plan import Schema
from remit.server.call import Call
from remit.server.handlers.spicedb import DEFAULT
from remit.server.limits.answer_size import AnswerSize
from remit.wire.spicedb.answers import decode_consistency, encode_token
from remit.wire.spicedb.reflection import (
    Filters,
    Name,
    computable_permissions,
    dependent_relations,
    encode_caveats,
    encode_definitions,
    encode_differences,
    encode_references,
)

_S = schema_service_pb2


def write_schema(
    engine: Engine, request: schema_service_pb2.WriteSchemaRequest, call: Call
) -> schema_service_pb2.WriteSchemaResponse:
    written = engine.schemas.write(DEFAULT, request.schema, caller=call.caller, interrupt=call.interrupt)
    return _S.WriteSchemaResponse(written_at=encode_token(written.token))


def read_schema(
    engine: Engine, request: schema_service_pb2.ReadSchemaRequest, call: Call
) -> schema_service_pb2.ReadSchemaResponse:
    read = engine.schemas.read(DEFAULT)
    return _S.ReadSchemaResponse(schema_text=read.expansion, read_at=encode_token(read.token))


def reflect_schema(
    engine: Engine, request: schema_service_pb2.ReflectSchemaRequest, call: Call
) -> schema_service_pb2.ReflectSchemaResponse:
    filters = Filters(request.optional_filters)
    schema, token = _schema(engine, request, call)
    return _S.ReflectSchemaResponse(
        definitions=encode_definitions(schema, filters, call.interrupt),
        caveats=encode_caveats(schema, filters, call.interrupt),
        read_at=encode_token(token),
    )


def diff_schema(
    engine: Engine, request: schema_service_pb2.DiffSchemaRequest, call: Call
) -> schema_service_pb2.DiffSchemaResponse:
    new = engine.schemas.compile(request.comparison_schema, caller=call.caller, interrupt=call.interrupt)
    old, token = _schema(engine, request, call)
    response, made = _S.DiffSchemaResponse(read_at=encode_token(token)), AnswerSize(engine.limits, call.interrupt)
    for difference in encode_differences(old, new, call.interrupt):
        made.grew(difference.ByteSize())
        response.diffs.append(difference)
    return response


def computable(
    engine: Engine, request: schema_service_pb2.ComputablePermissionsRequest, call: Call
) -> schema_service_pb2.ComputablePermissionsResponse:
    schema, token = _schema(engine, request, call)
    type, relation = request.definition_name, request.relation_name
    if relation:
        require_name(schema, type, relation, field="relation_name")
    else:
        require_type(schema, type, field="definition_name")
    found: Iterable[Name] = computable_permissions(schema, type, relation, call.interrupt)
    if prefix := request.optional_definition_name_filter:
        found = [name for name in found if name[0].startswith(prefix)]
    return _S.ComputablePermissionsResponse(
        permissions=encode_references(schema, found, call.interrupt), read_at=encode_token(token)
    )


def dependent(
    engine: Engine, request: schema_service_pb2.DependentRelationsRequest, call: Call
) -> schema_service_pb2.DependentRelationsResponse:
    schema, token = _schema(engine, request, call)
    type, permission = request.definition_name, request.permission_name
    require_name(schema, type, permission, field="permission_name")
    if permission not in schema.definitions[type].permissions:
        raise UnknownRelation(
            f"`{permission}` of `{type}` is a relation: only a permission is made of others",
            field="permission_name",
            type=type,
            relation=permission,
        ).with_fault(Fault.PERMISSION_WANTED)
    found = dependent_relations(schema, type, permission, call.interrupt)
    return _S.DependentRelationsResponse(
        relations=encode_references(schema, found, call.interrupt), read_at=encode_token(token)
    )


def _schema(engine: Engine, request: Any, call: Call) -> tuple[Schema, str]:
    """The schema that the consistency asks for (an empty one where there is none), and the token of its revision."""
    view = engine.views.of(DEFAULT, **decode_consistency(request.consistency), interrupt=call.interrupt)
    return view.stored_schema or _NO_SCHEMA, view.token


_NO_SCHEMA = Schema({}, {})
