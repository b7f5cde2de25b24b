"""A request as data, and the parts that several of them share.

Texts are checked here, before anything is sent, so that a mistake is reported with the same words as on the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.errors import InvalidArgument
from remit.model import Operation, Relationship, RelationshipFilter, Update
from remit.notation import normalized_context, parse_relationship
from remit.v1 import core_pb2
from remit.wire.facts import checked_filter, encode_filter, encode_relationship
from remit.wire.values import encode_context

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """A request that has one response: `read` turns the `response` message into what the caller gets.
    `is_repeatable`: it changes nothing, or has an id by which it is carried out once, so it may be sent again where no
    answer came."""

    path: str
    message: Message
    response: type[Message]
    read: Callable[[Any], T]
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a question is asked of: the head, no older than a token, or exactly a token's revision; and facts that count
    for this question only."""

    at_least: str = ""
    at_exactly: str = ""
    contextual: Iterable[str | Relationship] = ()

    def consistency(self) -> core_pb2.Consistency | None:
        """Raises InvalidArgument where both are asked for."""
        return consistency_of(self.at_least, self.at_exactly)

    def facts(self) -> list[core_pb2.Relationship]:
        return [encode_relationship(relationship_of(each)) for each in self.contextual]


def consistency_of(at_least: str, at_exactly: str = "") -> core_pb2.Consistency | None:
    if at_least and at_exactly:
        raise InvalidArgument("`at_least` and `at_exactly` exclude each other: give one", field="consistency")
    if at_exactly:
        return core_pb2.Consistency(at_exactly=at_exactly)
    return core_pb2.Consistency(at_least=at_least) if at_least else None


def relationship_of(given: str | Relationship) -> Relationship:
    return parse_relationship(given) if isinstance(given, str) else given


def filter_of(filter: RelationshipFilter | None, field: str) -> core_pb2.RelationshipFilter | None:
    return encode_filter(checked_filter(filter, field)) if filter is not None else None


def struct_of(values: Mapping[str, object] | None) -> Struct | None:
    """The context of a question, or the metadata of a write."""
    return encode_context(normalized_context(values)) if values else None


def updates_of(operation: Operation, relationships: Iterable[str | Relationship]) -> list[Update]:
    """The same operation on each of them, given as text or as they are."""
    return [Update(operation, relationship_of(each)) for each in relationships]
