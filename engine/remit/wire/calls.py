"""The call that a question is about, as protobuf.

Law: the arguments are the same bytes on both sides; whether they can be read is for the engine to say."""

from __future__ import annotations

from remit.model import Call
from remit.v1 import permissions_pb2


def encode_call(call: Call) -> permissions_pb2.Call:
    tool, arguments, purpose, descriptor = call
    return permissions_pb2.Call(tool=tool, arguments=arguments, purpose=purpose, descriptor=descriptor)


def decode_call(message: permissions_pb2.Call) -> Call:
    return Call(message.tool, message.arguments, message.purpose, message.descriptor)
