"""An answer of the asyncio client that is still on its way."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Pending(Coroutine[Any, Any, T]):
    """A coroutine, except that a forgotten `await` is an error: a bare coroutine is true in every `if`, and would allow
    everything."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def __bool__(self) -> bool:
        self._coroutine.close()
        raise TypeError("the answer is not here yet: write `await client.check(…)`")

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()


def never_true_unawaited(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Pending[T]]:
    """A method whose coroutine is `Pending`."""

    @wraps(method)
    def pending(*args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        return Pending(method(*args, **kwargs))

    return pending
