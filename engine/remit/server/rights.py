"""The gate: who calls, and whether the key may; and whether the store it names exists for it.

The order is: who calls (the key), whether it may (the right, which the table of verbs names), then the request is read,
then whether the store it names exists for this key. A store the key may not see is answered for from the key alone,
without a look at the store, so it cannot be told from one that does not exist. Health and reflection stay open: they
say whether the server is up and what its API is, which load balancers and tools must know and which is public.
Law: no byte of a request is read before its caller holds the right to send it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from google.protobuf.message import Message

from remit.access.keyring import KeyRing
from remit.access.keys import ALL_STORES, Key, Right
from remit.errors import KeyMissing, KeyUnknown, MalformedRequest, RemitError, RightMissing, StoreNotAllowed
from remit.model import DEFAULT_STORE, LOCAL_CALLER, Caller
from remit.notation import checked_id, no_such_store, shortened
from remit.server.call import AUTHORIZATION, Call, Metadata
from remit.server.verb import About

RUN = "x-remit-run"

# Of the HTTP edge. Its other paths tell nobody anything but whether the server is well, and stay open like health.
HTTP_RIGHTS: Mapping[str, Right] = MappingProxyType({"/metrics": Right.AUDIT})


class Gate:
    """Decides for one server who is let in. `ring` None: a server without a keys file, see `listen`."""

    def __init__(self, ring: KeyRing | None = None) -> None:
        self.ring = ring

    def admit(self, verb: str, right: Right | None, metadata: Metadata, call: Call) -> None:
        """Write on the call who makes it. `right` is what `verb` needs, None where any key will do. Raises
        Unauthenticated, RightMissing, or InvalidReference for a bad run, MalformedRequest for two. Nothing of the
        request has been read yet. Cost: one SHA-256."""
        call.key = self._key(metadata, call)
        call.caller = _caller(call.key, call.client_id)  # who is refused from here on is refused by name
        if call.key is not None and right is not None and not call.key.holds(right):
            raise RightMissing(
                f"key `{call.key.id}` of `{call.key.principal}` does not hold the right `{right.value}`, which "
                f"`{verb}` needs",
                right=right.value,
                verb=verb,
                key=call.key.id,
            )
        if run := _only(metadata, RUN):
            call.caller = call.caller._replace(run=checked_id(run, field=RUN))

    def end_if_revoked(self, call: Call) -> None:
        """Stop a call whose key would not be let in any more: it was revoked, replaced or changed, or has expired."""
        if self.ring is not None and not self.ring.is_valid(call.key):
            call.end(KeyUnknown("the key of this call is not valid any more: it was revoked, changed or has expired"))

    def _key(self, metadata: Metadata, call: Call) -> Key | None:
        if self.ring is None or self.ring.is_open:
            return None
        shown = [value for key, value in metadata if key == AUTHORIZATION]
        if not shown:
            raise KeyMissing("this server asks for a key: send it as metadata, `authorization: Bearer rk_…`")
        if len(shown) > 1:
            raise KeyMissing("the request carries `authorization` twice: send one key")
        scheme, _, text = str(shown[0]).strip().partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise KeyMissing("`authorization` is not of the form `Bearer rk_…`")
        try:
            return self.ring.authenticate(text.lstrip())
        except RemitError:
            call.key_shown = self.ring.known_id(text.lstrip())
            raise


def _caller(key: Key | None, client_id: str) -> Caller:
    if key is None:
        return LOCAL_CALLER._replace(client_id=client_id)
    return Caller(
        key.principal,
        "",
        key.holds(Right.WRITE_MANAGED),
        client_id,
        credential=key.id,
        may_spawn_unproven=key.holds(Right.SPAWN_UNPROVEN),
    )


def _only(metadata: Metadata, name: str) -> str:
    found = [str(value) for key, value in metadata if key == name]
    if len(found) > 1:  # whoever reads them on the way may have taken the other
        raise MalformedRequest(f"the request carries `{name}` {len(found)} times: send one", field=name)
    return found[0] if found else ""


_FIELDS = {About.STORE: "store", About.NAMED: "name", About.NEW: "name"}


def require_store(about: About, request: Message, call: Call) -> None:
    """That the store a request is about exists for the caller. For a stream: of its first message.

    Raises StoreNotFound as for one that is not there, StoreNotAllowed where one is to be made. Cost: O(1)."""
    if about is About.ALL or call.key is None:
        return
    name: str = getattr(request, _FIELDS[about]) if about in _FIELDS else DEFAULT_STORE
    if call.key.sees(name):
        return
    if about is About.NEW:
        allowed = ", ".join(f"`{store}`" for store in sorted(call.key.stores - {ALL_STORES}))
        raise StoreNotAllowed(f"key `{call.key.id}` may not make store `{shortened(name)}`: it may see {allowed} only")
    raise no_such_store(name)
