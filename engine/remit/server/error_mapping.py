"""How a call ends that is not answered, whichever way it came.

Law: nothing of an unexpected failure leaves the process but the id under which the log tells more."""

from __future__ import annotations

import base64
import logging

from grpc import aio

from remit.errors import RemitError
from remit.server.call import Call
from remit.wire.status import encode_status

log = logging.getLogger("remit.server.serve")  # as operators have always filtered for it


def without_frames(error: RemitError) -> RemitError:
    """The error alone. The frames it went through know the request and the answer, and are known to it, and it to some
    of them: a circle that would keep megabytes until the garbage collector comes by."""
    return error.with_traceback(None)


def has_left(error: BaseException | None) -> bool:
    """Whether gRPC could not send because the caller was gone: it may say so before it cancels the call."""
    return isinstance(error, aio.InternalError) and str(error).startswith('Failed "execute_batch"')


def ending_of(error: Exception, path: str, call: Call) -> RemitError:
    """How a call ended whose handler was left by that error: by its caller's leaving, or by a defect of ours."""
    if not has_left(error):
        return unexpected(error, path, call)
    call.cancel()
    return call.ending()


def unexpected(error: Exception, path: str, call: Call) -> RemitError:
    """What to say of a defect of ours. The log tells it all."""
    log.error("request failed", extra={"verb": path, "request_id": call.request_id}, exc_info=error)
    return RemitError(
        f"the server failed on this request; its log tells more under `{call.request_id}`", request_id=call.request_id
    )


def refusal_parts(error: RemitError) -> tuple[int, str, str]:
    """A gRPC code, a message, and `grpc-status-details-bin` in base64: what the front door makes a status of."""
    status = encode_status(error)
    return status.code, status.message, base64.b64encode(status.SerializeToString()).decode().rstrip("=")
