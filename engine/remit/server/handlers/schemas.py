"""The service Schemas: WriteSchema, ReadSchema, DiffSchema."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.consistency import decode_at_least, decode_consistency
from remit.v1 import schemas_pb2
from remit.wire.schemas import encode_change, encode_issue, encode_orphans


def write_schema(
    engine: Engine, request: schemas_pb2.WriteSchemaRequest, call: Call
) -> schemas_pb2.WriteSchemaResponse:
    written = engine.schemas.write(
        request.store, request.schema, dry_run=request.dry_run, caller=call.caller, interrupt=call.interrupt
    )
    return schemas_pb2.WriteSchemaResponse(
        token=written.token, warnings=[encode_issue(warning) for warning in written.warnings]
    )


def read_schema(engine: Engine, request: schemas_pb2.ReadSchemaRequest, call: Call) -> schemas_pb2.ReadSchemaResponse:
    schema = engine.schemas.read(request.store, **decode_consistency(request.consistency), interrupt=call.interrupt)
    return schemas_pb2.ReadSchemaResponse(
        schema=schema.text,
        token=schema.token,
        expansion=schema.expansion if schema.expansion != schema.text else "",
    )


def diff_schema(engine: Engine, request: schemas_pb2.DiffSchemaRequest, call: Call) -> schemas_pb2.DiffSchemaResponse:
    found = engine.schemas.diff(
        request.store,
        request.schema,
        at_least=decode_at_least(request.consistency),
        caller=call.caller,
        interrupt=call.interrupt,
    )
    return schemas_pb2.DiffSchemaResponse(
        changes=[encode_change(change) for change in found.changes],
        orphans=[encode_orphans(each) for each in found.orphans],
        warnings=[encode_issue(warning) for warning in found.warnings],
        token=found.token,
    )
