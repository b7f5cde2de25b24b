"""The threads that answer unary calls of the front door: each takes a call, answers it, and takes the next.

A call comes with its whole request, so a thread waits for nobody but the engine, and no event loop stands in between:
that is what makes it some ten times cheaper than a call over grpcio. How many calls may wait, whose turn it is, and who
is refused is decided in the frontend (`work_queues.rs`) as in `work_queue`; all else about a call is as over grpcio.
Law: every call that was taken is answered once, and told once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remit.engine.facade import Engine
from remit.errors import RemitError
from remit.server.call import Call, Metadata, call_of
from remit.server.error_mapping import refusal_parts, unexpected, without_frames
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verbs import UNARY

if TYPE_CHECKING:
    from remit._core import Door, Reply

Admit = Callable[[str, Metadata, Call], Engine]


@dataclass(frozen=True, slots=True)
class LaneThreads:
    """A lane of the door: its number there, and how many threads it may have."""

    number: int
    name: str
    threads_max: int


class HandlerThreads:
    """The threads of one door, from `start` until the door is closed. A thread is started when there is a call for it
    and no other waits."""

    def __init__(
        self,
        door: Door,
        lanes: Sequence[LaneThreads],
        admit: Admit,
        telemetry: Telemetry,
        no_room: Callable[[int, int, int], RemitError],
    ) -> None:
        """`admit` says who calls and which engine answers; it raises RemitError where none does. `no_room`: see
        `Shares.refusal`, of answers that wait to be read."""
        self._door = door
        self._lanes = lanes
        self._admit = admit
        self._telemetry = telemetry
        self._no_room = no_room
        self._lock = threading.Lock()
        self._threads: dict[str, list[threading.Thread]] = {lane.name: [] for lane in lanes}
        self._under_way: dict[int, Call] = {}

    def start(self) -> None:
        """Take calls from now on."""
        for lane in self._lanes:
            self._start_another(lane)

    def join(self) -> None:
        """Wait for every thread to end, which they do once the door is closed."""
        for threads in self._threads.values():
            for thread in threads:
                thread.join()

    def calls(self) -> list[Call]:
        """Those that are being answered."""
        return list(self._under_way.values())

    def _start_another(self, lane: LaneThreads) -> None:
        threads = self._threads[lane.name]
        if len(threads) >= lane.threads_max:
            return
        with self._lock:
            if len(threads) < lane.threads_max:
                name = f"remit-door-{lane.name}-{len(threads)}"
                threads.append(threading.Thread(target=self._run, args=(lane,), name=name, daemon=True))
                threads[-1].start()

    def _run(self, lane: LaneThreads) -> None:
        while self._answer_next(lane):
            pass  # each call's messages are forgotten with the frame that answered it

    def _answer_next(self, lane: LaneThreads) -> bool:
        """Whether there was a call: none comes any more once the door is closed."""
        taken = self._door.take(lane.number)
        if taken is None:
            return False
        number, metadata, peer, left_s, data, reply, others = taken
        if not others:
            self._start_another(lane)
        call = call_of(metadata, peer, left_s, reply.is_gone)
        try:
            self._answer(number, metadata, call, data, reply)
        except Exception as error:  # noqa: BLE001  # of what looks on, such as a tracer: it costs a call, and no thread
            reply.refuse(refusal_parts(unexpected(error, UNARY[number].path, call)), call.request_id)
        return True

    def _answer(self, number: int, metadata: Metadata, call: Call, data: bytes, reply: Reply) -> None:
        verb = UNARY[number]
        observed = self._telemetry.begin(verb.path, call)
        self._under_way[id(call)] = call
        refusal: RemitError | None = None
        try:
            engine = self._admit(verb.path, metadata, call)
            answer = verb.answer(engine, data, call)
            if refused := reply.make_room(len(answer)):
                raise self._no_room(*refused, len(answer))
        except RemitError as error:
            refusal = without_frames(error)
        except Exception as error:  # noqa: BLE001  # the last line of defence: told in the log, not to the caller
            refusal = unexpected(error, verb.path, call)
        finally:
            del self._under_way[id(call)]
        # Told before it is sent, as over grpcio: who has its answer finds it counted.
        observed.end(refusal)
        call.forget_messages()
        if refusal is None:
            reply.answer(answer)
        else:
            reply.refuse(refusal_parts(refusal), call.request_id)
