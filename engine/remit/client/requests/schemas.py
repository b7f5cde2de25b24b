"""The requests of the service `Schemas`: write, read, diff."""

from __future__ import annotations

from remit.client.answers import SchemaDiff, SchemaOrphans, SchemaText, SchemaWritten
from remit.client.requests.request import Request, consistency_of
from remit.v1 import schemas_pb2
from remit.wire.facts import decode_relationship
from remit.wire.schemas import decode_change, decode_issue


def write_schema(store: str, text: str, dry_run: bool) -> Request[SchemaWritten]:
    request = schemas_pb2.WriteSchemaRequest(store=store, schema=text, dry_run=dry_run)
    return Request("/remit.v1.Schemas/WriteSchema", request, schemas_pb2.WriteSchemaResponse, _schema_written)


def _schema_written(message: schemas_pb2.WriteSchemaResponse) -> SchemaWritten:
    return SchemaWritten(message.token, tuple(decode_issue(warning) for warning in message.warnings))


def read_schema(store: str, at_least: str, at_exactly: str) -> Request[SchemaText]:
    request = schemas_pb2.ReadSchemaRequest(store=store, consistency=consistency_of(at_least, at_exactly))
    return Request(
        "/remit.v1.Schemas/ReadSchema",
        request,
        schemas_pb2.ReadSchemaResponse,
        lambda answer: SchemaText(answer.schema, answer.token, answer.expansion or answer.schema),
        is_repeatable=True,
    )


def diff_schema(store: str, text: str, at_least: str) -> Request[SchemaDiff]:
    request = schemas_pb2.DiffSchemaRequest(store=store, schema=text, consistency=consistency_of(at_least))
    return Request(
        "/remit.v1.Schemas/DiffSchema", request, schemas_pb2.DiffSchemaResponse, _schema_diff, is_repeatable=True
    )


def _schema_diff(message: schemas_pb2.DiffSchemaResponse) -> SchemaDiff:
    return SchemaDiff(
        tuple(decode_change(change) for change in message.changes),
        tuple(_orphans(each) for each in message.orphans),
        tuple(decode_issue(warning) for warning in message.warnings),
        message.token,
    )


def _orphans(message: schemas_pb2.SchemaOrphans) -> SchemaOrphans:
    examples = tuple(decode_relationship(example, "examples") for example in message.examples)
    return SchemaOrphans(message.definition, message.relation, message.count, examples)
