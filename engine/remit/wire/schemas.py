"""What a compiler finds about a schema, as protobuf and as a client sees it.

The server holds `language.source.Issue`, which knows the text; a client has no text, so what it gets is already
rendered: a `Finding`."""

from __future__ import annotations

from dataclasses import dataclass

from remit.engine.orphans import Orphans
from remit.language.diff import Effect, SchemaChange
from remit.language.source import Issue
from remit.v1 import schemas_pb2
from remit.wire.facts import encode_relationship


@dataclass(frozen=True, slots=True)
class Finding:
    """An error or warning about a schema. `line` and `column` count from 1; `rendered` shows the line and a caret."""

    code: str
    message: str
    suggestion: str
    line: int
    column: int
    rendered: str

    def __str__(self) -> str:
        return self.rendered


def encode_issue(issue: Issue) -> schemas_pb2.SchemaIssue:
    place = issue.place
    return schemas_pb2.SchemaIssue(
        code=issue.code,
        message=issue.message,
        suggestion=issue.suggestion,
        line=place.line,
        column=place.column,
        rendered=issue.render(),
    )


def decode_issue(message: schemas_pb2.SchemaIssue) -> Finding:
    return Finding(message.code, message.message, message.suggestion, message.line, message.column, message.rendered)


def encode_change(change: SchemaChange) -> schemas_pb2.SchemaChange:
    return schemas_pb2.SchemaChange(
        code=change.code,
        message=change.message,
        definition=change.definition,
        name=change.name,
        effect=schemas_pb2.SchemaEffect.ValueType(change.effect.value),
    )


def decode_change(message: schemas_pb2.SchemaChange) -> SchemaChange:
    """The change as it is; an effect that this client does not know yet is read as either way."""
    known = {effect.value: effect for effect in Effect}
    effect = known.get(message.effect, Effect.BOTH)
    return SchemaChange(message.code, message.message, message.definition, message.name, effect)


def encode_orphans(orphans: Orphans) -> schemas_pb2.SchemaOrphans:
    return schemas_pb2.SchemaOrphans(
        definition=orphans.type,
        relation=orphans.relation,
        count=orphans.count,
        examples=[encode_relationship(relationship) for relationship, _ in orphans.examples],
    )
