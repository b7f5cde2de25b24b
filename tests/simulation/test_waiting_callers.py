"""Those who come and say nothing more, those who ask and do not read, and those who ask for nonsense without end: good
callers are served beside them, and what they cost is bounded and given back."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor

from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2
from tests.support.simulation.hostile import (
    METHODS,
    OWN,
    THING,
    USER,
    Hostile,
    ask,
    method_of,
    require_decent,
    template_of,
)
from tests.support.simulation.process import MIB
from tests.support.simulation.waiting import (
    require_little_for_who_takes_nothing,
    require_served_beside_a_flood,
    require_served_beside_the_idle,
)

_P, _R, _S = permissions_pb2, relationships_pb2, schemas_pb2

# --- those who say nothing more ---------------------------------------------------------------------------------


def test_two_hundred_who_say_nothing_more_keep_nobody_waiting(hostile: Hostile) -> None:
    require_served_beside_the_idle(hostile, 200, 256 * 1024)


# --- those who do not read --------------------------------------------------------------------------------------


def test_a_reader_who_takes_nothing_costs_a_bounded_amount(tmp_path: Path) -> None:
    """Sixty pages of a megabyte each, asked for on one connection whose window is shut."""
    require_little_for_who_takes_nothing(tmp_path)


# --- those who ask for more than there is -----------------------------------------------------------------------


def test_good_callers_are_served_beside_ten_times_more_than_there_is_room_for(tmp_path: Path) -> None:
    require_served_beside_a_flood(tmp_path, 1)


# --- those who ask for nonsense ---------------------------------------------------------------------------------


def nonsense(hostile: Hostile) -> list[tuple[MethodDescriptor, bytes]]:
    """Of every method something that is refused, and something large that is."""
    found = []
    for method in METHODS:
        if method.client_streaming or method.name in ("Watch", "Backup"):
            continue
        found.append((method, b"\xff\xff\xff"))
        request = template_of(method)
        for name in ("store", "name"):
            if name in request.DESCRIPTOR.fields_by_name:
                setattr(request, name, "x" * 10_000)
        found.append((method, request.SerializeToString()))
    large = [core_pb2.Relationship(resource=THING, relation="nothing", subject=USER)] * 1_000
    found.append((method_of("CheckMany"), _P.CheckManyRequest(store=OWN, contextual=large).SerializeToString()))
    updates = [_R.Update(operation=_R.OPERATION_TOUCH, relationship=each) for each in large]
    found.append((method_of("Write"), _R.WriteRequest(store=OWN, updates=updates).SerializeToString()))
    text = "definition x {\n" + "relation a: nothing\n" * 2_000
    found.append((method_of("WriteSchema"), _S.WriteSchemaRequest(store=OWN, schema=text).SerializeToString()))
    return found


def require_no_growth(hostile: Hostile, rounds: int) -> None:
    """Half of the rounds to grow as large as it likes, half to stay there."""
    asked = nonsense(hostile)
    weights = []
    for number in range(rounds):
        for method, data in asked:
            answer = ask(hostile, method, [data], "breaker" if method.containing_service.name == "Stores" else "own")
            require_decent(method, answer)
        if number in (rounds // 2, rounds - 1):
            weights.append(hostile.served.resident_bytes())
    growth = weights[1] - weights[0]
    print(f"{growth / MIB:.2f} MiB more after {rounds * len(asked) // 2} requests")
    assert growth < 8 * MIB


def test_nonsense_leaves_nothing_behind(hostile: Hostile) -> None:
    require_no_growth(hostile, 8)


@pytest.mark.long
def test_much_nonsense_leaves_nothing_behind(hostile: Hostile) -> None:
    require_no_growth(hostile, 1_000)
