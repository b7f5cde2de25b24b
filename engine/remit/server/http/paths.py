"""Where each verb is served over HTTP: Remit's by its name, as over gRPC, and SpiceDB's where its gateway has it.

Law: a path is one verb's, and is compared as it was sent: nobody gets past a proxy by writing it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.descriptor_pool import Default

from remit.server.verb import Verb
from remit.server.verbs import STREAMING, UNARY, StreamVerb, UnaryVerb


def path_of(verb: Verb[Any]) -> str:
    if not verb.of_spicedb:
        return verb.path
    path: str = _options(verb).Extensions[annotations_pb2.http].post
    return path


def is_deprecated(verb: Verb[Any]) -> bool:
    return _options(verb).deprecated


def _options(verb: Verb[Any]) -> MethodOptions:
    options: MethodOptions = Default().FindServiceByName(verb.service).FindMethodByName(verb.method).GetOptions()
    return options


UNARY_AT: Mapping[bytes, UnaryVerb] = {path_of(verb).encode(): verb for verb in UNARY}
STREAMING_AT: Mapping[bytes, StreamVerb] = {path_of(verb).encode(): verb for verb in STREAMING}
