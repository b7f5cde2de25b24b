"""Laws of the wire of agents: runs, chains, subtrees and consents come back the same, over the bytes."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine.agents.consents import ConsentState
from remit.engine.agents.lineage import ChainLink, RunBelow
from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.agents.run_states import RunLife, RunState
from remit.v1 import agents_pb2
from remit.wire.agents import consents, runs
from remit.wire.facts import encode_object
from tests.support import wire_strategies as some

M = TypeVar("M", bound=Message)

few = settings(max_examples=60, deadline=None)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.lists(some.ids, max_size=3).map(tuple)
bindings = st.dictionaries(texts, texts, max_size=3)
times = st.none() | some.times_us
states = st.builds(
    RunState,
    some.ids, some.objects, texts, names, texts, bindings, st.sampled_from(RunLife), names, texts, texts, times, times,
)  # fmt: skip
orders = st.builds(SpawnOrder, some.objects, texts, names, texts, bindings, st.integers(0, 2**32 - 1), texts)


def over_the_wire(message: M) -> M:
    return type(message).FromString(message.SerializeToString())


@few
@given(states, st.integers(0, 64), st.booleans())
def test_a_run_comes_back_wherever_it_stands(state: RunState, depth: int, is_cut: bool) -> None:
    assert runs.decode_run(over_the_wire(runs.encode_run(state))) == state
    below = RunBelow(state, depth, is_cut)
    assert runs.decode_below(over_the_wire(runs.encode_below(below))) == below


@few
@given(st.builds(ChainLink, some.objects, st.booleans(), names))
def test_a_link_comes_back(link: ChainLink) -> None:
    assert runs.decode_link(over_the_wire(runs.encode_link(link))) == link


@few
@given(st.builds(ConsentState, some.ids, some.objects, names, st.booleans(), texts, texts, times))
def test_a_consent_comes_back(consent: ConsentState) -> None:
    assert consents.decode_consent(over_the_wire(consents.encode_consent(consent))) == consent


@few
@given(orders)
def test_an_order_is_what_the_request_says(order: SpawnOrder) -> None:
    request = agents_pb2.SpawnRequest(
        delegator=encode_object(order.delegator),
        version=order.version,
        profiles=order.profiles,
        intent=order.intent,
        bindings=order.bindings,
        lifetime_s=order.lifetime_s,
        session=order.session,
    )
    assert runs.decode_order(over_the_wire(request)) == order
