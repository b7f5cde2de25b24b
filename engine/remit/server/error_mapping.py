"""What is said to a caller whose call was not answered, whichever way it came.

Law: nothing of an unexpected failure leaves the process but the id under which the log tells more."""

from __future__ import annotations

import base64
import logging

from grpc import aio

from remit.errors import RemitError
from remit.server.call import Call
from remit.wire.status import encode_status

log = logging.getLogger("remit.server.serve")  # as operators have always filtered for it


def remit_error_of(error: BaseException, path: str, call: Call) -> RemitError:
    """How a call ended whose handler was left by that error: as the error says, by its caller's leaving, or by a defect
    of ours."""
    if isinstance(error, RemitError):
        # The frames it went through know the request and the answer, and are known to it, and it to some of them: a
        # cycle that would keep megabytes until the garbage collector comes by.
        return error.with_traceback(None)
    if has_left(error):
        call.cancel()
        return call.ending()
    return unexpected(error, path, call)


def has_left(error: BaseException | None) -> bool:
    """Whether gRPC could not send because the caller was gone: it may say so before it cancels the call."""
    return isinstance(error, aio.InternalError) and str(error).startswith('Failed "execute_batch"')


def unexpected(error: BaseException, path: str, call: Call) -> RemitError:
    """What to say of a defect of ours. The log tells it all."""
    log.error("request failed", extra={"verb": path, "request_id": call.request_id}, exc_info=error)
    return RemitError(
        f"the server failed on this request; its log tells more under `{call.request_id}`", request_id=call.request_id
    )


def status_parts(error: RemitError) -> tuple[int, str, str]:
    """A gRPC code, a message, and `grpc-status-details-bin` in base64: what the frontend makes a status of."""
    status = encode_status(error)
    return status.code, status.message, base64.b64encode(status.SerializeToString()).decode().rstrip("=")
