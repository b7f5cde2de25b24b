"""Law: where the schema has not the relations of agents, every verb of agents says so, whatever it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from remit.engine.facade import Engine
from remit.errors import AgentsNotInSchema
from remit.model import LOCAL_CALLER
from remit.server.answering import respond
from remit.server.call import Call
from remit.server.verb import Verb
from remit.server.verbs import VERBS
from tests.support.serving import SCHEMA, opened
from tests.support.verb_requests import request


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = opened()
    engine.schemas.write("", SCHEMA)
    return engine


@pytest.mark.parametrize(
    "verb", [each for each in VERBS if each.service == "remit.v1.Agents"], ids=lambda verb: verb.label
)
def test_no_verb_of_agents_is_answered_without_their_schema(engine: Engine, verb: Verb[Any]) -> None:
    call = Call(caller=LOCAL_CALLER, is_heavy=True)
    with pytest.raises(AgentsNotInSchema):
        respond(verb, engine, request(verb.method, "default").SerializeToString(), call)
