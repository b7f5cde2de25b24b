"""A running OpenFGA, read over its HTTP API: its newest authorization model, and its tuples page by page.

Law: what is read is of the store that was named; a redirect is not followed, since a token may be with the request."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from remit.errors import InvalidArgument, RemoteError, Status
from remit.notation import shortened
from remit.openfga.api_model import read_api_model
from remit.openfga.model import Model

PAGE_SIZE = 100  # the most that OpenFGA gives at once
ANSWER_BYTES_MAX = 64 << 20


class Page(NamedTuple):
    """Tuples as the API gives them, and what to go on from; empty at the end."""

    tuples: list[dict[str, Any]]
    cursor: str


@dataclass(frozen=True, slots=True)
class OpenFgaHost:
    """`url` is that of the API, `store` the id of the store; empty: the only one there is."""

    url: str
    store: str = ""
    token: str = field(default="", repr=False)
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Raises InvalidArgument."""
        if not self.url.startswith(("http://", "https://")):
            raise InvalidArgument(
                f"`{shortened(self.url)}` is not where an API is: write http://HOST:PORT or https://…"
            )

    def with_store(self) -> OpenFgaHost:
        """Itself, its store named. Raises InvalidArgument where there are several, or none."""
        if self.store:
            return self
        stores = self._get("/stores?page_size=50").get("stores") or []
        if len(stores) != 1:
            known = ", ".join(f"`{each.get('id')}` ({shortened(str(each.get('name')), 40)})" for each in stores)
            known = f": {known}" if known else ""
            raise InvalidArgument(f"`{self.url}` has {len(stores) or 'no'} stores: name one with --from-store{known}")
        return OpenFgaHost(self.url, str(stores[0].get("id")), self.token, self.timeout_s)

    def model(self) -> Model:
        """The newest. Raises RemoteError, MalformedRequest, InvalidArgument where there is none."""
        found = self._get(f"{self._path}/authorization-models?page_size=1").get("authorization_models") or []
        if not found:
            raise InvalidArgument(f"store `{self.store}` of `{self.url}` has no authorization model")
        return read_api_model(found[0], name=f"{self.url} model {found[0].get('id')}")

    def pages(self, cursor: str = "") -> Iterator[Page]:
        """From a cursor on. Raises RemoteError."""
        while True:
            body = {"page_size": PAGE_SIZE, **({"continuation_token": cursor} if cursor else {})}
            answer = self._ask(f"{self._path}/read", body)
            cursor = answer.get("continuation_token") or ""
            yield Page([_without_empty(each.get("key") or {}) for each in answer.get("tuples") or []], cursor)
            if not cursor:
                return

    @property
    def _path(self) -> str:
        return f"/stores/{urllib.parse.quote(self.store, safe='')}"

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask(path, None)

    def _ask(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url.rstrip("/") + path, data)  # noqa: S310  # see __post_init__
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with _OPENER.open(request, timeout=self.timeout_s) as response:
                found = json.loads(response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            text = shortened(error.read(4_096).decode("utf-8", "replace"), 300)
            raise self._error(f"answers {error.code}: {text}") from error
        except (OSError, ValueError) as error:
            raise self._error(f"does not answer: {getattr(error, 'reason', error)}") from error
        if not isinstance(found, dict):
            raise self._error("answers with something other than an object: is it OpenFGA's HTTP API?")
        return found

    def _error(self, what: str) -> RemoteError:
        return RemoteError("UNAVAILABLE", Status.UNAVAILABLE, f"OpenFGA at `{shortened(self.url)}` {what}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes nowhere but where it was meant to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _without_empty(key: dict[str, Any]) -> dict[str, Any]:
    """The API says `condition: null` where there is none."""
    return {name: value for name, value in key.items() if value is not None}
