"""The requests of the service `Stores` that have one response, and who the caller is."""

from __future__ import annotations

from remit.client.answers import Identity
from remit.client.requests.request import Request
from remit.model import StoreInfo
from remit.notation import checked_store
from remit.v1 import stores_pb2
from remit.wire.stores import decode_store
from remit.wire.values import decode_time


def create_store(name: str) -> Request[StoreInfo]:
    request = stores_pb2.CreateStoreRequest(name=checked_store(name, field="name"))
    path = "/remit.v1.Stores/CreateStore"
    return Request(path, request, stores_pb2.CreateStoreResponse, lambda answer: decode_store(answer.store))


def list_stores() -> Request[tuple[StoreInfo, ...]]:
    return Request(
        "/remit.v1.Stores/ListStores",
        stores_pb2.ListStoresRequest(),
        stores_pb2.ListStoresResponse,
        lambda answer: tuple(decode_store(each) for each in answer.stores),
        is_repeatable=True,
    )


def delete_store(name: str) -> Request[None]:
    request = stores_pb2.DeleteStoreRequest(name=checked_store(name, field="name"))
    return Request("/remit.v1.Stores/DeleteStore", request, stores_pb2.DeleteStoreResponse, lambda _: None)


def who_am_i() -> Request[Identity]:
    return Request(
        "/remit.v1.Stores/WhoAmI", stores_pb2.WhoAmIRequest(), stores_pb2.WhoAmIResponse, _identity, is_repeatable=True
    )


def _identity(message: stores_pb2.WhoAmIResponse) -> Identity:
    return Identity(
        message.principal,
        message.key_id,
        tuple(message.stores),
        tuple(message.rights),
        decode_time(message.expiration, "expiration") if message.HasField("expiration") else None,
        message.version,
    )
