"""Who may call what: one table of verbs and rights, and the gate that keeps it.

The order is: who calls (the key), whether it may (the right), then the request is read, then whether the store it names
exists for this key. A store the key may not see is answered for from the key alone, without a look at the store, so it
cannot be told from one that does not exist. Health and reflection stay open: they say whether the server is up and what
its API is, which load balancers and tools must know and which is public.
Law: a verb that is not in the table answers nobody."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from google.protobuf.message import Message

from remit.access.keyring import KeyRing
from remit.access.keys import ALL_STORES, Key, Right
from remit.errors import KeyMissing, KeyUnknown, RightMissing, StoreNotAllowed
from remit.model import DEFAULT_STORE, LOCAL_CALLER, Caller
from remit.notation import checked_id, no_such_store, shortened
from remit.server.call import AUTHORIZATION, Call, Metadata

RUN = "x-remit-run"


class About(Enum):
    """Which store a request is about, and so which one the key must see."""

    STORE = "the one in `store`"
    NAMED = "the one in `name`"
    NEW = "the one to be made, in `name`: whether there is one already must not show"
    ALL = "none, or as many as the key sees: the handler shows only those"
    DEFAULT = "`default`, the only one that SpiceDB's wire can name"


class Needs(NamedTuple):
    """What a verb asks of a key. `right` None: nothing but to be valid."""

    right: Right | None
    about: About


_FIELDS = {About.STORE: "store", About.NAMED: "name", About.NEW: "name"}

# fmt: off
_TABLE: Mapping[str, Mapping[str, Needs]] = {
    "remit.v1.Permissions": {
        "Check":        Needs(Right.CHECK,  About.STORE),
        "CheckMany":    Needs(Right.CHECK,  About.STORE),
        "Expand":       Needs(Right.CHECK,  About.STORE),
    },
    "remit.v1.Relationships": {
        "Write":        Needs(Right.WRITE,  About.STORE),  # managed relations: also `write-managed`, see `admission`
        "Read":         Needs(Right.READ,   About.STORE),
        "Delete":       Needs(Right.WRITE,  About.STORE),
        "Import":       Needs(Right.WRITE,  About.STORE),
        "Export":       Needs(Right.READ,   About.STORE),
        "Watch":        Needs(Right.READ,   About.STORE),
    },
    "remit.v1.Schemas": {
        "WriteSchema":  Needs(Right.SCHEMA, About.STORE),
        "ReadSchema":   Needs(Right.READ,   About.STORE),
        "DiffSchema":   Needs(Right.READ,   About.STORE),
    },
    "remit.v1.Stores": {
        "CreateStore":  Needs(Right.ADMIN,  About.NEW),
        "ListStores":   Needs(None,         About.ALL),
        "DeleteStore":  Needs(Right.ADMIN,  About.NAMED),
        "Backup":       Needs(Right.ADMIN,  About.NAMED),
        "Restore":      Needs(Right.ADMIN,  About.NEW),
        "WhoAmI":       Needs(None,         About.ALL),
    },
    "authzed.api.v1.PermissionsService": {
        "CheckPermission":      Needs(Right.CHECK,  About.DEFAULT),
        "CheckBulkPermissions": Needs(Right.CHECK,  About.DEFAULT),
        "WriteRelationships":   Needs(Right.WRITE,  About.DEFAULT),
    },
    "authzed.api.v1.SchemaService": {
        "WriteSchema":          Needs(Right.SCHEMA, About.DEFAULT),
        "ReadSchema":           Needs(Right.READ,   About.DEFAULT),
    },
}
# fmt: on
RIGHTS: Mapping[str, Needs] = MappingProxyType(
    {f"/{service}/{method}": needs for service, verbs in _TABLE.items() for method, needs in verbs.items()}
)

# Of the HTTP edge. Its other paths tell nobody anything but whether the server is well, and stay open like health.
HTTP_RIGHTS: Mapping[str, Needs] = MappingProxyType({"/metrics": Needs(Right.AUDIT, About.ALL)})
_NEEDS = {**RIGHTS, **HTTP_RIGHTS}


class Gate:
    """Decides for one server who is let in. `ring` None: a server without a keys file, see `listen`."""

    def __init__(self, ring: KeyRing | None = None) -> None:
        self.ring = ring

    def admit(self, path: str, metadata: Metadata, call: Call) -> None:
        """Write on the call who makes it. Raises Unauthenticated, RightMissing, or InvalidReference for a bad run.
        Nothing of the request has been read yet. Cost: one SHA-256."""
        needs = _NEEDS[path]
        call.key = self._key(metadata)
        if call.key is not None and needs.right is not None and not call.key.holds(needs.right):
            verb = path.rpartition("/")[2]
            raise RightMissing(
                f"key `{call.key.id}` of `{call.key.principal}` does not hold the right `{needs.right.value}`, which "
                f"`{verb}` needs",
                right=needs.right.value,
                verb=verb,
                key=call.key.id,
            )
        call.caller = _caller(call.key, _only(metadata, RUN))

    def end_if_revoked(self, call: Call) -> None:
        """Stop a call whose key would not be let in any more: it was revoked, replaced or changed, or has expired."""
        if self.ring is not None and not self.ring.is_valid(call.key):
            call.end(KeyUnknown("the key of this call is not valid any more: it was revoked, changed or has expired"))

    def _key(self, metadata: Metadata) -> Key | None:
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
        return self.ring.authenticate(text.lstrip())


def _caller(key: Key | None, run: str) -> Caller:
    if run:
        checked_id(run, field=RUN)
    if key is None:
        return LOCAL_CALLER if not run else Caller(LOCAL_CALLER.principal, run, LOCAL_CALLER.may_write_managed)
    return Caller(key.principal, run, may_write_managed=key.holds(Right.WRITE_MANAGED))


def _only(metadata: Metadata, name: str) -> str:
    return next((str(value) for key, value in metadata if key == name), "")


def require_store(path: str, request: Message, call: Call) -> None:
    """That the store a request is about exists for the caller. For a stream: of its first message.

    Raises StoreNotFound as for one that is not there, StoreNotAllowed where one is to be made. Cost: O(1)."""
    about = RIGHTS[path].about
    if about is About.ALL or call.key is None:
        return
    name: str = getattr(request, _FIELDS[about]) if about in _FIELDS else DEFAULT_STORE
    if call.key.sees(name):
        return
    if about is About.NEW:
        allowed = ", ".join(f"`{store}`" for store in sorted(call.key.stores - {ALL_STORES}))
        raise StoreNotAllowed(f"key `{call.key.id}` may not make store `{shortened(name)}`: it may see {allowed} only")
    raise no_such_store(name)
