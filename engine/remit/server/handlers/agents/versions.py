"""AddVersion, Certify and Decertify."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.errors import InvalidArgument
from remit.server.call import Call
from remit.server.handlers.agents.submissions import submission_of
from remit.v1 import agents_pb2
from remit.wire.agents.registry import decode_digests, encode_snapshot, encode_version
from remit.wire.values import decode_time


def add_version(engine: Engine, request: agents_pb2.AddVersionRequest, call: Call) -> agents_pb2.AddVersionResponse:
    done = engine.versions.add(
        request.store,
        request.agent,
        request.version,
        digests=decode_digests(request.digests),
        like=request.like,
        submission=submission_of(request, call),
    )
    return agents_pb2.AddVersionResponse(token=done.token, version=encode_version(done.told))


def certify(engine: Engine, request: agents_pb2.CertifyRequest, call: Call) -> agents_pb2.CertifyResponse:
    if not request.HasField("until"):
        raise InvalidArgument("`until` is missing: a version is certified until a time", field="until")
    done = engine.versions.certify(
        request.store,
        request.version,
        until_us=decode_time(request.until, "until"),
        reason=request.reason,
        directory=request.directory,
        submission=submission_of(request, call),
    )
    snapshot = done.told.snapshot
    return agents_pb2.CertifyResponse(
        token=done.token,
        version=encode_version(done.told.version),
        snapshot=encode_snapshot(snapshot) if snapshot is not None else None,
    )


def decertify(engine: Engine, request: agents_pb2.DecertifyRequest, call: Call) -> agents_pb2.DecertifyResponse:
    done = engine.versions.decertify(
        request.store, request.version, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.DecertifyResponse(token=done.token, version=encode_version(done.told))
