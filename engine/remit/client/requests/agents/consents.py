"""Give and withdraw consent, and list it."""

from __future__ import annotations

from collections.abc import Iterable

from remit.client.answers import ConsentResult
from remit.client.requests.agents.naming import listed, object_of, request_id_of
from remit.client.requests.request import Request
from remit.engine.agents.consents import ConsentState
from remit.model import ObjectRef
from remit.v1 import agents_pb2
from remit.wire.agents.consents import decode_consent
from remit.wire.facts import encode_object


def give_consent(
    store: str, giver: str | ObjectRef, agents: str | Iterable[str], reason: str, request_id: str, dry_run: bool
) -> Request[ConsentResult]:
    request = agents_pb2.GiveConsentRequest(
        store=store,
        request_id=request_id_of(request_id),
        giver=encode_object(object_of(giver)),
        agents=listed(agents),
        reason=reason,
        dry_run=dry_run,
    )
    path = "/remit.v1.Agents/GiveConsent"
    return Request(path, request, agents_pb2.GiveConsentResponse, _consented, is_repeatable=True)


def withdraw_consent(store: str, id: str, reason: str, request_id: str, dry_run: bool) -> Request[ConsentResult]:
    request = agents_pb2.WithdrawConsentRequest(
        store=store, request_id=request_id_of(request_id), id=id, reason=reason, dry_run=dry_run
    )
    path = "/remit.v1.Agents/WithdrawConsent"
    return Request(path, request, agents_pb2.WithdrawConsentResponse, _consented, is_repeatable=True)


def list_consents(store: str, giver: str | ObjectRef) -> Request[tuple[ConsentState, ...]]:
    return Request(
        "/remit.v1.Agents/ListConsents",
        agents_pb2.ListConsentsRequest(store=store, giver=encode_object(object_of(giver))),
        agents_pb2.ListConsentsResponse,
        lambda answer: tuple(map(decode_consent, answer.consents)),
        is_repeatable=True,
    )


def _consented(answer: agents_pb2.GiveConsentResponse | agents_pb2.WithdrawConsentResponse) -> ConsentResult:
    return ConsentResult(answer.token, decode_consent(answer.consent))
