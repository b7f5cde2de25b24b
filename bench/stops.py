"""`python -m bench.stops`: how long a hold takes while others keep the writer busy.

One server on a disk, one client that holds and releases all the time, and beside it, on connections of their own, those
that a day of attacks found: dry runs of large deletes, dry runs of large writes, imports; and large writes that are
meant. Messages are made before the clock starts and sent as bytes by a process of their own, so that what is measured
is the server and not whoever asks.
Law: a hold is timed from before it is sent until it is answered, and every one that was sent is counted."""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

import grpc

from bench.figures import Latencies
from bench.machine import load_average, machine, short_name
from bench.processes import remit_server
from remit.v1 import core_pb2, relationships_pb2, schemas_pb2

SCHEMA = "definition user {}\ndefinition doc {\n relation viewer: user\n relation hold: user\n}"
FACTS = 10_000  # as many as one delete may remove
UPDATES = 1_000  # as many as one write may have
PAUSE_S = 0.01  # between two holds
CALLS, IMPORTS = 40, 100  # of one attacker, at once

_WRITE = "/remit.v1.Relationships/Write"
_DELETE = "/remit.v1.Relationships/Delete"
_IMPORT = "/remit.v1.Relationships/Import"
_WRITE_SCHEMA = "/remit.v1.Schemas/WriteSchema"

_TOUCH, _REMOVE = relationships_pb2.OPERATION_TOUCH, relationships_pb2.OPERATION_DELETE


Attack = Callable[[str, int], Iterator[None]]  # of one of many clients, at an address: an item for each answer


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="only the attacks whose name has this in it")
    options.add_argument("--seconds", type=float, default=3.0, help="how long each attack goes on")
    arguments = options.parse_args()
    seconds: float = arguments.seconds
    print(f"{short_name(machine())}, load {load_average()}")
    print(f"{'while':34}{'holds':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'attacks answered':>18}")
    with (
        tempfile.TemporaryDirectory(prefix="remit-stops-") as folder,
        remit_server(Path(folder, "data"), None) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        channel.unary_unary(_WRITE_SCHEMA, None, None)(
            schemas_pb2.WriteSchemaRequest(schema=SCHEMA).SerializeToString()
        )
        for begin in range(0, FACTS, UPDATES):
            channel.unary_unary(_WRITE, None, None)(_write("victim", range(begin, begin + UPDATES)))
        for name, (attack, clients) in ATTACKS.items():
            if arguments.only not in name:
                continue
            with _under(attack, clients, server.address) as answered:
                taken = _holds(channel, seconds)
            figure = Latencies.of(taken)
            row = f"{name:34}{figure.count:>7}"
            row += "".join(f"{each / 1000:>9.1f}" for each in (figure.p50_us, figure.p99_us, figure.max_us))
            print(f"{row}{answered():>18}", flush=True)
    print(f"load afterwards {load_average()}")


def _holds(channel: grpc.Channel, seconds: float) -> list[int]:
    """Hold and release, one after the other; how long each took, in nanoseconds."""
    send = channel.unary_unary(_WRITE, None, None)
    held, released = _write("r-4", [0], "hold"), _write("r-4", [0], "hold", _REMOVE)
    taken: list[int] = []
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        for message in (held, released):
            began_ns = time.perf_counter_ns()
            send(message)
            taken.append(time.perf_counter_ns() - began_ns)
            time.sleep(PAUSE_S)
    return taken


# --- the others -------------------------------------------------------------------------------------------------


@contextmanager
def _under(attack: Attack | None, clients: int, address: str) -> Iterator[Callable[[], int]]:
    """While others attack; gives how many of their requests were answered."""
    if attack is None:
        yield lambda: 0
        return
    spawning = multiprocessing.get_context("spawn")
    ready, count = spawning.Event(), spawning.Value("q", 0)
    process = spawning.Process(target=_attack, args=(attack, clients, address, ready, count), daemon=True)
    process.start()
    ready.wait(60)
    try:
        yield lambda: int(count.value)
    finally:
        process.kill()
        process.join()


def _attack(attack: Attack, clients: int, address: str, ready: Event, count: Synchronized[int]) -> None:
    def repeat(number: int) -> None:
        for _ in attack(address, number):
            with count.get_lock():
                count.value += 1
            ready.set()

    for number in range(clients):
        threading.Thread(target=repeat, args=(number,), daemon=True).start()
    threading.Event().wait()


def _dry_deletes(address: str, number: int) -> Iterator[None]:
    message = relationships_pb2.DeleteRequest(filter=_victim(), dry_run=True)
    return _repeated(address, _DELETE, message.SerializeToString())


def _dry_writes(address: str, number: int) -> Iterator[None]:
    return _repeated(address, _WRITE, _write(f"new-{number}", range(UPDATES), dry_run=True))


def _writes(address: str, number: int) -> Iterator[None]:
    return _repeated(address, _WRITE, _write(f"real-{number}", range(UPDATES)))


def _repeated(address: str, method: str, message: bytes) -> Iterator[None]:
    """Again and again, refused or not."""
    send = _channel(address).unary_unary(method, None, None)
    while True:
        try:
            send(message)
        except grpc.RpcError:
            time.sleep(0.01)
        yield


def _imports(address: str, number: int) -> Iterator[None]:
    facts = [_fact(f"import-{number}", each, "viewer") for each in range(UPDATES)]
    message = relationships_pb2.ImportRequest(relationships=facts).SerializeToString()

    def messages() -> Iterator[bytes]:
        while True:
            yield message

    for _ in _channel(address).stream_stream(_IMPORT, None, None)(messages()):
        yield


def _channel(address: str) -> grpc.Channel:
    """All of one attack share a connection, and so are one caller."""
    return _CHANNELS.setdefault(address, grpc.insecure_channel(address))


_CHANNELS: dict[str, grpc.Channel] = {}

ATTACKS: dict[str, tuple[Attack | None, int]] = {
    "nothing else happens": (None, 0),
    f"{CALLS} dry runs of 10,000 deletes": (_dry_deletes, CALLS),
    f"{CALLS} dry runs of 1,000 updates": (_dry_writes, CALLS),
    f"{CALLS} writes of 1,000 updates": (_writes, CALLS),
    f"{IMPORTS} imports": (_imports, IMPORTS),
}


# --- messages ---------------------------------------------------------------------------------------------------


def _write(
    resource: str,
    subjects: range | list[int],
    relation: str = "viewer",
    operation: relationships_pb2.Operation.ValueType = _TOUCH,
    dry_run: bool = False,
) -> bytes:
    updates = [
        relationships_pb2.Update(operation=operation, relationship=_fact(resource, each, relation)) for each in subjects
    ]
    return relationships_pb2.WriteRequest(updates=updates, dry_run=dry_run).SerializeToString()


def _victim() -> core_pb2.RelationshipFilter:
    return core_pb2.RelationshipFilter(resource_type="doc", resource_id="victim")


def _fact(resource: str, subject: int, relation: str) -> core_pb2.Relationship:
    return core_pb2.Relationship(
        resource=core_pb2.ObjectReference(type="doc", id=resource),
        relation=relation,
        subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id=f"u{subject}")),
    )


if __name__ == "__main__":
    main()
