"""Classes for the messages of `openfga.proto`, made when this is imported, in a pool of their own.

Law: the `.proto` beside this is the only description; nothing generated is kept that could differ from it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc  # type: ignore[import-untyped]

_PROTO = Path(__file__).with_name("openfga.proto")
_PACKAGE = "openfga.v1"


def _classes() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        described = Path(directory) / "described"
        arguments = ["protoc", f"-I{_PROTO.parent}", f"--descriptor_set_out={described}", _PROTO.name]
        if protoc.main(arguments):
            raise RuntimeError(f"`{_PROTO}` does not compile; run `python -m grpc_tools.protoc` on it to see why")
        files = descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClassesForFiles([_PROTO.name], pool)


MESSAGES = _classes()


def message(name: str) -> Any:
    """The class of `openfga.v1.<name>`. Raises KeyError for what `openfga.proto` does not have."""
    return MESSAGES[f"{_PACKAGE}.{name}"]
