"""The head of a call over HTTP: what can be told to be wrong of it before anybody asks who calls.

It is read strictly, for others read it on the way: a proxy that is to keep somebody from a path, or a log that is to
hold no keys, must have seen the request as it is taken here.
Law: whoever reads a head reads nothing of the body, and asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

from remit.errors import MalformedRequest, OriginRefused, RemitError, UnknownMethod
from remit.notation import shortened

TIMEOUT = "grpc-timeout"
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_DIGITS_MAX = 8  # of a timeout, as gRPC has it


class Head(NamedTuple):
    """`left_s`: how long the caller waits, None where it does not say."""

    metadata: tuple[tuple[str, str], ...]
    peer: str
    body_bytes: int
    left_s: float | None


class HeadRefused(Exception):
    """`status`: of HTTP, None where it is that of the error; `headers` say what would be taken."""

    def __init__(self, error: RemitError, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
        self.headers = headers or {}


def read_head(scope: Scope) -> Head:
    """Raises HeadRefused."""
    if scope["method"] != "POST":
        raise HeadRefused(wrong_method(scope["method"], "POST"), 405, {"allow": "POST"})
    headers = Headers(scope=scope)
    if "origin" in headers:
        # A page that a browser shows could otherwise ask a server of this machine, under a name that its author lets
        # stand for 127.0.0.1; where there are no keys, nothing else would keep it from that.
        raise HeadRefused(OriginRefused("the request has an `Origin`: web pages are not answered"))
    if scope["query_string"]:
        # It is not told: it may be a key, and many would write it down.
        raise _malformed("the address has a query: send fields in the body, and a key as `Authorization: Bearer rk_…`")
    kind = _only(headers, "content-type") or ""
    if not _is_json(kind):
        error = MalformedRequest(f"the content type is `{shortened(kind)}`: send `application/json`, in UTF-8")
        raise HeadRefused(error, 415, {"accept": "application/json"})
    if (_only(headers, "content-encoding") or "identity").lower() != "identity":
        error = MalformedRequest("the body is compressed: send it as it is, without a `Content-Encoding`")
        raise HeadRefused(error, 415, {"accept-encoding": "identity"})
    size = headers.get("content-length", "")
    if "transfer-encoding" in headers or not size:
        error = MalformedRequest("the body has no length: say it by `Content-Length`, and send it in one piece")
        raise HeadRefused(error, 411)
    return Head(tuple(headers.items()), _peer(scope), int(size), _left_s(_only(headers, TIMEOUT)))


def is_ambiguous(scope: Scope) -> bool:
    """Whether others may see the end of the body elsewhere than we do: what follows could be another request to one of
    us."""
    names = {name for name, _ in scope["headers"]}
    return b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] != "1.1")


def wrong_method(method: str, allowed: str) -> UnknownMethod:
    return UnknownMethod(f"the method is `{shortened(method)}`: use `{allowed}`")


def _malformed(message: str) -> HeadRefused:
    return HeadRefused(MalformedRequest(message))


def _only(headers: Headers, name: str) -> str | None:
    """A header that may be there once, and need not. Raises HeadRefused."""
    found = headers.getlist(name)
    if len(found) > 1:
        raise _malformed(f"the request has `{name}` {len(found)} times: send one")
    return found[0].strip() if found else None


def _is_json(text: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    return kind == "application/json" and set(parameters) <= {"", "charset=utf-8", 'charset="utf-8"'}


def _left_s(text: str | None) -> float | None:
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS_MAX and unit in _SECONDS):
        raise _malformed(f"`{TIMEOUT}` is `{shortened(text)}`: send a number and a unit, as `500m` or `5S`")
    return int(number) * _SECONDS[unit]


def _peer(scope: Scope) -> str:
    """As gRPC names it."""
    host, port = scope["client"] or ("", 0)
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
