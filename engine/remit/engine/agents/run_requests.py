"""What a run is asked for with: checked before anything is looked up.

Law: what two requests could mean differently is refused: a binding has one value, of one text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from remit.arguments.json_text import JsonRefused, canonical_text, read_object
from remit.engine.agents.chains import ROOTS, RUN
from remit.errors import InvalidArgument, LimitExceeded
from remit.model import ObjectRef
from remit.notation import canonical_json, checked_id, checked_object, shortened

PROFILES_MAX = 16
BINDINGS_MAX = 32
BINDING_BYTES_MAX = 1024
SESSION_LENGTH_MAX = 128

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)  # what a document may name as a binding


@dataclass(frozen=True, slots=True)
class SpawnOrder:
    """Which run is asked for. `intent` "": the profile that is held, where it is one. `bindings` by name, each a value
    as JSON; `lifetime_s` 0: as long as is usual; `session` "": a run of its own."""

    delegator: ObjectRef
    version: str
    profiles: Sequence[str]
    intent: str = ""
    bindings: Mapping[str, str] = field(default_factory=dict)
    lifetime_s: int = 0
    session: str = ""

    @property
    def version_object(self) -> ObjectRef:
        return ObjectRef("agent_version", self.version)

    @property
    def session_object(self) -> ObjectRef:
        """By what a session's record is named."""
        named = canonical_json({"below": str(self.delegator), "name": self.session, "version": self.version})
        return ObjectRef("session", sha256(named.encode()).hexdigest())

    def binding_objects(self) -> list[ObjectRef]:
        """What a fact says that the run is bound to."""
        return [
            ObjectRef("binding", f"{name}/{sha256(text.encode()).hexdigest()}")
            for name, text in sorted(self.bindings.items())
        ]


def checked_order(order: SpawnOrder) -> SpawnOrder:
    """The order with its intent named and its bindings as RFC 8785 writes them. Raises InvalidReference,
    InvalidArgument, LimitExceeded."""
    checked_object(order.delegator, field="delegator")
    if order.delegator.type not in (RUN, *ROOTS):
        raise InvalidArgument(
            f"`{order.delegator}` starts no runs: a delegator is a person (`user`), a `system` or a `run`",
            field="delegator",
        )
    checked_id(order.version, field="version")
    profiles = tuple(dict.fromkeys(checked_id(each, field="profiles") for each in order.profiles))
    if not profiles:
        raise InvalidArgument("a run holds at least one profile, and none is named", field="profiles")
    _require_few(len(profiles), PROFILES_MAX, "profiles")
    if not order.intent and len(profiles) > 1:
        raise InvalidArgument(f"of {len(profiles)} profiles held one must be named as the intent", field="intent")
    return SpawnOrder(
        order.delegator,
        order.version,
        profiles,
        checked_id(order.intent, field="intent") if order.intent else profiles[0],
        _checked_bindings(order.bindings),
        checked_lifetime(order.lifetime_s),
        _checked_session(order.session),
    )


def checked_lifetime(lifetime_s: int) -> int:
    """The seconds, or InvalidArgument."""
    if lifetime_s < 0:
        raise InvalidArgument(f"a lifetime of {lifetime_s} s is none: name how long from now", field="lifetime_s")
    return lifetime_s


def _checked_bindings(bindings: Mapping[str, str]) -> dict[str, str]:
    _require_few(len(bindings), BINDINGS_MAX, "bindings")
    checked: dict[str, str] = {}
    for name, text in sorted(bindings.items()):
        if not _NAME.fullmatch(name):
            raise InvalidArgument(
                f"`{shortened(name)}` is no name of a binding: 1 to 128 letters, digits, `_`, `.` and `-`, in ASCII",
                field="bindings",
            )
        _require_few(len(text.encode("utf-8", "surrogatepass")), BINDING_BYTES_MAX, "bindings", "bytes in a value")
        checked[name] = _canonical(name, text)
    return checked


def _canonical(name: str, text: str) -> str:
    try:
        read = read_object(b'{"":' + text.encode("utf-8", "surrogatepass") + b"}", exact_numbers=True)
    except JsonRefused as error:
        raise InvalidArgument(
            f"binding `{name}` is not a JSON value: `{shortened(text)}` {error.reason}; text stands in quotes",
            field="bindings",
        ) from error
    if list(read) != [""] or isinstance(read[""], list | dict):
        raise InvalidArgument(
            f"binding `{name}` is `{shortened(text)}`: one text, number, `true`, `false` or `null` is compared",
            field="bindings",
        )
    return canonical_text(read[""])


def _checked_session(session: str) -> str:
    if session and not (len(session) <= SESSION_LENGTH_MAX and session.isascii() and session.isprintable()):
        raise InvalidArgument(
            f"session `{shortened(session)}` is not 1 to {SESSION_LENGTH_MAX} printable ASCII characters",
            field="session",
        )
    return session


def _require_few(given: int, limit: int, field: str, what: str = "") -> None:
    if given > limit:
        what = what or field
        raise LimitExceeded(
            f"{given} {what}, of which there may be {limit}",
            field=field,
            name=f"{field}_max",
            limit=limit,
            given=given,
        )
