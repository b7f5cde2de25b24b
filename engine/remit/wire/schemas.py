"""What a compiler finds about a schema, as protobuf and as a client sees it.

The server holds `language.source.Issue`, which knows the text; a client has no text, so what it gets is already
rendered: a `Finding`."""

from __future__ import annotations

from dataclasses import dataclass

from remit.language.source import Issue
from remit.v1 import schemas_pb2


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
