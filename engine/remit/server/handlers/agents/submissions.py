"""Who asks for a verb of agents, and by what its request is known when it is sent again.

Law: two requests are the same only if they ask for the same, whatever their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, TypeVar

from google.protobuf.message import Message

from remit.engine.agents.performing import Submission
from remit.engine.facade import Engine
from remit.engine.remembered import RequestKey
from remit.server.call import Call
from remit.server.limits.answer_size import AnswerSize

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def submission_of(request: Any, call: Call) -> Submission:
    """Of a request with `request_id` and `dry_run`. Cost: O(bytes of the request), where it has an id."""
    digest = sha256(request.SerializeToString(deterministic=True)).hexdigest() if request.request_id else ""
    return Submission(
        call.caller,
        RequestKey(request.request_id, digest),
        request.dry_run,
        before_bulk=call.require_heavy,
        interrupt=call.interrupt,
    )


def encoded(items: Iterable[T], encode: Callable[[T], M], engine: Engine, call: Call) -> Iterator[M]:
    """The items as messages, with a look after each. Raises AnswerTooLarge, and what the interrupt raises."""
    made = AnswerSize(engine.limits, call.interrupt)
    for each in items:
        message = encode(each)
        made.grew(message.ByteSize())
        yield message
