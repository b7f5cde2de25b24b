"""What a client gets back, as frozen data.

Law: nothing here is true in an `if` but a yes; an error among many answers is false, and says so."""

from __future__ import annotations

from dataclasses import dataclass

from remit.errors import RemoteError
from remit.model import StoredRelationship, Verdict
from remit.trees import Expansion, Explanation
from remit.wire.schemas import Finding


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question. `missing` names the caveat parameters a CONDITIONAL waits for; times are microseconds
    since the epoch, on the server's clock."""

    verdict: Verdict
    missing: tuple[str, ...]
    token: str
    evaluated_at_us: int
    steps: int = 0
    explanation: Explanation | None = None

    @property
    def allowed(self) -> bool:
        """Only a yes opens the door; a conditional does not."""
        return self.verdict is Verdict.YES

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class Unanswered:
    """In the place of an answer, where one question of many has none."""

    error: RemoteError

    @property
    def allowed(self) -> bool:
        return False

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Expanded:
    """Everyone who has a relation or permission."""

    expansion: Expansion
    token: str
    evaluated_at_us: int


@dataclass(frozen=True, slots=True)
class Page:
    """Facts, and where they go on: an empty `next_cursor` says that they are complete."""

    items: tuple[StoredRelationship, ...]
    next_cursor: str
    token: str


@dataclass(frozen=True, slots=True)
class SchemaWritten:
    """The revision a schema became, and what the compiler would look at twice."""

    token: str
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the server takes the caller for. `key_id` is empty where the server has no keys; `stores` are names, or `*`
    for all; `expiration_us` None: never; `version` is the server's."""

    principal: str
    key_id: str
    stores: tuple[str, ...]
    rights: tuple[str, ...]
    expiration_us: int | None
    version: str


@dataclass(frozen=True, slots=True)
class SchemaText:
    """A store's schema as it was written."""

    text: str
    token: str
