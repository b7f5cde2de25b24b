"""GiveConsent, WithdrawConsent and ListConsents."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded, submission_of
from remit.v1 import agents_pb2
from remit.wire.agents.consents import encode_consent
from remit.wire.facts import decode_object


def give_consent(engine: Engine, request: agents_pb2.GiveConsentRequest, call: Call) -> agents_pb2.GiveConsentResponse:
    giver = decode_object(request.giver, "giver")
    done = engine.consents.give(
        request.store, giver, request.agents, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.GiveConsentResponse(token=done.token, consent=encode_consent(done.told))


def withdraw_consent(
    engine: Engine, request: agents_pb2.WithdrawConsentRequest, call: Call
) -> agents_pb2.WithdrawConsentResponse:
    done = engine.consents.withdraw(
        request.store, request.id, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.WithdrawConsentResponse(token=done.token, consent=encode_consent(done.told))


def list_consents(
    engine: Engine, request: agents_pb2.ListConsentsRequest, call: Call
) -> agents_pb2.ListConsentsResponse:
    found = engine.consents.list(request.store, decode_object(request.giver, "giver"), interrupt=call.interrupt)
    return agents_pb2.ListConsentsResponse(consents=encoded(found, encode_consent, engine, call))
