"""What there is to know of a store, as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from remit.model import StoreInfo
from remit.v1 import stores_pb2

CHUNK_BYTES = 256 * 1024  # of a backup, in a message of ours
CHUNK_BYTES_MAX = 1024 * 1024  # in anybody's


def encode_store(info: StoreInfo) -> stores_pb2.StoreInfo:
    return stores_pb2.StoreInfo(
        name=info.name,
        uuid=info.uuid,
        epoch=info.epoch,
        token=info.token,
        relationships=info.relationships,
        has_schema=info.has_schema,
    )


def decode_store(message: stores_pb2.StoreInfo) -> StoreInfo:
    return StoreInfo(
        message.name, message.uuid, message.epoch, message.token, message.relationships, message.has_schema
    )
