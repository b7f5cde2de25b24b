"""Any fields of any method, streams included: an answer, or a status with a reason, and nothing of what the caller may
not see. The messages are made by walking the descriptors, so that a new method or field is fuzzed the day it comes."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.support.simulation.hostile import (
    METHODS,
    OTHER,
    Hostile,
    ask,
    path_of,
    require_decent,
    template_of,
    told,
    words,
)
from tests.support.simulation.messages import fill
from tests.support.simulation.process import MIB

QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def nearly_right(draw: st.DrawFn, method: MethodDescriptor, known: list[str]) -> Message:
    """A request that would be answered, or an empty one, with some fields as they come."""
    request: Message = template_of(method) if draw(st.integers(0, 3)) else type(template_of(method))()
    fill(draw, request, known)
    return request


SEED = 1  # of the run in the suite


def require_fields_are_decent(hostile: Hostile, examples: int, number: int | None = None) -> None:
    known = words(hostile)
    reasons: set[str] = set()
    answered: set[str] = set()

    @settings(QUICK, max_examples=examples)
    @given(data=st.data(), method=st.sampled_from(METHODS), key=st.sampled_from(["own"] * 6 + ["breaker", "none"]))
    def fuzz(data: st.DataObject, method: MethodDescriptor, key: str) -> None:
        if method.containing_service.name == "Stores" and key == "own":
            key = "breaker"
        count = data.draw(st.integers(0, 3)) if method.client_streaming else 1
        requests = [data.draw(nearly_right(method, known)).SerializeToString() for _ in range(count)]
        answer = ask(hostile, method, requests, key)
        require_decent(method, answer)
        reasons.add(answer.reason)
        if answer.messages:
            answered.add(method.name)

    (fuzz if number is None else seed(number)(fuzz))()
    # What was sent was not all refused at the door, nor all for the same reason.
    assert len(reasons) >= 10, reasons
    assert len(answered) >= 10, answered


def test_messages_of_any_fields_are_answered_or_refused_with_a_reason(hostile: Hostile) -> None:
    # The same ones every time: how many reasons are met must not hang on luck. The long runs are random.
    require_fields_are_decent(hostile, 600, number=SEED)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_many_more_messages_of_any_fields_are_answered_or_refused_with_a_reason(hostile: Hostile, seed: int) -> None:
    before = hostile.served.resident_bytes()
    require_fields_are_decent(hostile, 20_000, seed)
    growth = hostile.served.resident_bytes() - before
    print(f"{growth / MIB:.1f} MiB more")
    assert growth < 128 * MIB


@settings(QUICK, max_examples=80)
@given(method=st.sampled_from(METHODS), data=st.binary(max_size=80), cut=st.integers(0, 200), at=st.integers(0, 200))
def test_bytes_that_are_no_message_are_refused_with_a_reason(
    hostile: Hostile, method: MethodDescriptor, data: bytes, cut: int, at: int
) -> None:
    """Random bytes, a request cut short, one with bytes in its midst, and one twice over."""
    right = template_of(method).SerializeToString()
    for mangled in (data, right[:cut], right[:at] + data + right[at:], right + right):
        require_decent(method, ask(hostile, method, [mangled]))


@settings(QUICK, max_examples=40)
@given(
    method=st.sampled_from(METHODS),
    text=st.sampled_from(["", "Bearer", "Bearer ", "bearer x", "Basic YTpi", "Bearer rk_aaaaaaaa_", "x" * 4_000])
    | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40).map("Bearer {}".format),
    run=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20),
)
def test_whoever_shows_no_key_learns_nothing(hostile: Hostile, method: MethodDescriptor, text: str, run: str) -> None:
    request = template_of(method).SerializeToString()
    answer = told(
        hostile.channel, path_of(method), [request], [("authorization", text.strip()), ("x-remit-run", run.strip())]
    )
    require_decent(method, answer)
    assert answer.reason.startswith("KEY_") and not answer.messages


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_store_one_may_not_see_is_as_one_that_is_not_there(hostile: Hostile, method: MethodDescriptor) -> None:
    """Word for word, but for its name."""
    request = template_of(method)
    field = "store" if "store" in request.DESCRIPTOR.fields_by_name else "name"
    if field not in request.DESCRIPTOR.fields_by_name:
        return  # it is about no store
    shown = []
    for name in (OTHER, "nowhere"):
        setattr(request, field, name)
        for key in ("own", "breaker"):
            answer = ask(hostile, method, [request.SerializeToString()], key)
            require_decent(method, answer)
            assert answer.refusal is not None and not answer.messages
            assert answer.reason in ("STORE_NOT_FOUND", "STORE_NOT_ALLOWED", "RIGHT_MISSING")
            shown.append((key, answer.refusal.code, answer.reason))
    assert shown[:2] == shown[2:]
