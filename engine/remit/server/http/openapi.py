"""What the calls in JSON are, for programs: an OpenAPI 3.1 document, made of the table of verbs and of the messages'
own descriptors. Comments are those of the .proto files, which protoc leaves out of what it generates: they are kept
beside that (`proto/generate.py`).

A field that has no presence is in every answer, so messages that are only answered call it required; what is only asked
may leave out anything. A message that is asked takes no other fields, and one that is only answered may have more of
them in a later version.
Law: every path that is served is described, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

import remit
from remit.server.http.paths import is_deprecated, path_of
from remit.server.http.problems import HTTP_STATUS, MEDIA_TYPE
from remit.server.http.request_head import TIMEOUT
from remit.server.verbs import UNARY, UnaryVerb
from remit.v1 import schemas_pb2

Schema = dict[str, Any]

_STATUSES = sorted({*HTTP_STATUS.values(), 405, 411, 413, 415})
_INT32 = {"type": "integer", "format": "int32"}
_WHOLE_TEXT = r"^-?[0-9]{1,20}$"

# Messages with a form of their own in JSON.
_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "additionalProperties": True,
    },
}
_PROBLEM: Schema = {
    "type": "object",
    "description": "Why there is no answer: problem details of RFC 9457. Programs decide by `reason`.",
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: the problem is told by `reason`."},
        "title": {"type": "string", "description": "The name of the HTTP status."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "For people: what is wrong, and what to do."},
        "code": {"type": "integer", "description": "The number of gRPC's status."},
        "reason": {"type": "string", "description": "What it is, for programs; stable."},
        "domain": {"type": "string", "description": "Whose word the reason is: `remit`, or `authzed.com`."},
        "metadata": {
            "type": "object",
            "description": "The values that the problem is about.",
            "additionalProperties": {"type": "string"},
        },
        "field": {"type": "string", "description": "The field of the request at fault, where there is one."},
        "issues": {
            "type": "array",
            "description": "The findings, where a schema does not compile.",
            "items": {"$ref": "#/components/schemas/remit.v1.SchemaIssue"},
        },
        "retryAfterMs": {"type": "integer", "description": "Where asking again helps: when to."},
        "requestId": {"type": "string", "description": "Under which the server's log may tell more."},
        "message": {"type": "string", "description": "As `detail`: of SpiceDB's calls, as its gateway has it."},
        "details": {
            "type": "array",
            "description": "Of SpiceDB's calls: the details of gRPC's status.",
            "items": _KNOWN["google.protobuf.Any"],
        },
    },
    "required": ["type", "title", "status", "detail", "code", "reason", "domain", "metadata"],
}
_HEADERS: Mapping[str, Schema] = {
    "GrpcTimeout": {
        "name": TIMEOUT,
        "in": "header",
        "description": "How long to wait: a number and a unit (`H`, `M`, `S`, `m`, `u`, `n`), as `500m`.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,8}[HMSmun]$"},
    },
    "XRemitRun": {
        "name": "x-remit-run",
        "in": "header",
        "description": "The run that the caller acts for; it is written into the facts of a write.",
        "schema": {"type": "string"},
    },
    "XRequestId": {
        "name": "x-request-id",
        "in": "header",
        "description": "A name for the request in logs: 64 letters and digits at most. Others are passed over.",
        "schema": {"type": "string"},
    },
}


@cache
def document_bytes() -> bytes:
    return json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()


def document() -> Schema:
    """Cost: some ten milliseconds."""
    asked = _reached(verb.request for verb in UNARY)
    answered = _reached([schemas_pb2.SchemaIssue, *(verb.response for verb in UNARY)])
    comments = _comments()
    schemas: dict[str, Schema] = {"Problem": _PROBLEM}
    for name, kind in sorted((answered | asked).items()):
        if isinstance(kind, EnumDescriptor):
            schemas[name] = _enum(kind, comments)
        else:
            schemas[name] = _message(kind, comments, is_asked=name in asked)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Remit",
            "version": remit.__version__,
            "description": "Who may do what, and why. Each call is one of gRPC's, in protobuf's JSON mapping.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": service} for service in dict.fromkeys(verb.service for verb in UNARY)],
        "security": [{"key": []}],
        "paths": {path_of(verb): {"post": _operation(verb, comments)} for verb in UNARY},
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key, `rk_…`, of a server that has keys."}
            },
            "parameters": dict(_HEADERS),
            "responses": {
                "Problem": {
                    "description": "There is no answer.",
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "schemas": schemas,
        },
    }


def _operation(verb: UnaryVerb, comments: Mapping[str, str]) -> Schema:
    service = verb.service.rpartition(".")[2]
    said = comments.get(f"{verb.service}.{verb.method}", f"As SpiceDB's `{service}/{verb.method}`.")
    right = f"The key needs the right `{verb.right.value}`." if verb.right is not None else "Any valid key may ask."
    operation: Schema = {
        "operationId": f"{service}_{verb.method}",
        "tags": [verb.service],
        "description": f"{said}\n\n{right}",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(_kind(verb.request))}}},
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {"application/json": {"schema": _ref(_kind(verb.response))}},
            },
            **{str(status): {"$ref": "#/components/responses/Problem"} for status in _STATUSES},
        },
    }
    if is_deprecated(verb):
        operation["deprecated"] = True
    return operation


# --- messages ---------------------------------------------------------------------------------------------------


def _reached(messages: Iterable[type[Message]]) -> dict[str, Descriptor | EnumDescriptor]:
    """All that these are made of, by full name, but for what has a form of its own."""
    found: dict[str, Descriptor | EnumDescriptor] = {}
    waiting = [_kind(message) for message in messages]
    while waiting:
        kind = waiting.pop()
        if kind.full_name in found or kind.full_name in _KNOWN:
            continue
        if not kind.GetOptions().map_entry:
            found[kind.full_name] = kind
        for field in kind.fields:
            if field.enum_type is not None:
                found[field.enum_type.full_name] = field.enum_type
            if field.message_type is not None:
                waiting.append(field.message_type)
    return found


def _kind(message: type[Message]) -> Descriptor:
    return cast(Descriptor, message.DESCRIPTOR)


def _message(kind: Descriptor, comments: Mapping[str, str], *, is_asked: bool) -> Schema:
    schema: Schema = {"type": "object"}
    if said := comments.get(kind.full_name):
        schema["description"] = said
    schema["properties"] = {
        field.json_name: _said(_field(field), comments.get(f"{kind.full_name}.{field.name}", ""), _choice(field))
        for field in kind.fields
    }
    if is_asked:
        schema["additionalProperties"] = False
    elif required := [field.json_name for field in kind.fields if not field.has_presence]:
        schema["required"] = required
    return schema


def _choice(field: FieldDescriptor) -> str:
    if field.containing_oneof is None or len(field.containing_oneof.fields) == 1:
        return ""
    others = ", ".join(f"`{each.json_name}`" for each in field.containing_oneof.fields if each is not field)
    return f"At most one is there of this, {others}."


def _said(schema: Schema, *texts: str) -> Schema:
    said = "\n".join(text for text in texts if text)
    return {**schema, "description": said} if said else schema


def _field(field: FieldDescriptor) -> Schema:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _one(kind.fields_by_name["value"])}
    return {"type": "array", "items": _one(field)} if field.is_repeated else _one(field)


def _one(field: FieldDescriptor) -> Schema:
    if field.message_type is not None:
        return _ref(field.message_type)
    if field.enum_type is not None:
        return _ref(field.enum_type)
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_BOOL:
            return {"type": "boolean"}
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        case FieldDescriptor.CPPTYPE_STRING:
            return {"type": "string"}
        case FieldDescriptor.CPPTYPE_INT32:
            return dict(_INT32)
        case FieldDescriptor.CPPTYPE_UINT32:
            return {**_INT32, "format": "uint32", "minimum": 0}
        case FieldDescriptor.CPPTYPE_INT64:
            return {"type": "string", "format": "int64", "pattern": _WHOLE_TEXT}
        case FieldDescriptor.CPPTYPE_UINT64:
            return {"type": "string", "format": "uint64", "pattern": _WHOLE_TEXT.replace("-?", "")}
        case _:
            return {"type": "number"}


def _enum(kind: EnumDescriptor, comments: Mapping[str, str]) -> Schema:
    values = [
        f"- `{each.name}`: {said}" for each in kind.values if (said := comments.get(f"{kind.full_name}.{each.name}"))
    ]
    return _said(
        {"type": "string", "enum": [each.name for each in kind.values]},
        comments.get(kind.full_name, ""),
        "\n".join(values),
    )


def _ref(kind: Descriptor | EnumDescriptor) -> Schema:
    known = _KNOWN.get(kind.full_name)
    return dict(known) if known is not None else {"$ref": f"#/components/schemas/{kind.full_name}"}


def _comments() -> Mapping[str, str]:
    found: dict[str, str] = json.loads(resources.files("remit.v1").joinpath("comments.json").read_text("utf-8"))
    return found
