"""A run in the asyncio client: started by `spawn`, ended where its block ends.

`sync/runs.py` is generated from this file (`make client`).
Law: a block ends the run that it began, however it ends; one that was found under its session goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

from remit.client.answers import RunResult, SpawnResult, TerminateResult
from remit.client.requests.agents.runs import Scalar
from remit.engine.agents.run_states import RunState
from remit.model import ObjectRef


class AsyncSpawner(Protocol):
    """What a run asks of its client."""

    async def spawn(
        self,
        delegator: str | ObjectRef,
        version: str,
        profiles: str | Iterable[str],
        *,
        intent: str = "",
        bindings: Mapping[str, Scalar] | None = None,
        lifetime_s: int = 0,
        session: str = "",
    ) -> AsyncRun: ...

    async def renew(self, run: str, *, lifetime_s: int = 0) -> RunResult: ...

    async def narrow(self, run: str, intent: str) -> RunResult: ...

    async def terminate(self, object: str | ObjectRef, *, reason: str = "") -> TerminateResult: ...


class AsyncRun:
    """A run, and how it stood when the server last told of it. `token` is that of its start; `was_there`: it lived
    already, under its session's name. `excess`: of a dry run, what its delegator is not granted."""

    def __init__(self, client: AsyncSpawner, result: SpawnResult) -> None:
        self._client = client
        self.state: RunState = result.run
        self.token = result.token
        self.was_there = result.was_there
        self.excess = result.excess

    @property
    def id(self) -> str:
        return self.state.id

    def __str__(self) -> str:
        """As relationships and questions name it: `run:r-…`."""
        return f"run:{self.id}"

    async def spawn(
        self,
        version: str,
        profiles: str | Iterable[str],
        *,
        intent: str = "",
        bindings: Mapping[str, Scalar] | None = None,
        lifetime_s: int = 0,
        session: str = "",
    ) -> AsyncRun:
        """Start a run below this one."""
        return await self._client.spawn(
            str(self),
            version,
            profiles,
            intent=intent,
            bindings=bindings,
            lifetime_s=lifetime_s,
            session=session,
        )

    async def renew(self, lifetime_s: int = 0) -> None:
        """Let it live for so long from now."""
        self.state = (await self._client.renew(self.id, lifetime_s=lifetime_s)).run

    async def narrow(self, intent: str) -> None:
        """Declare a profile that covers nothing that its intent does not."""
        self.state = (await self._client.narrow(self.id, intent)).run

    async def terminate(self, reason: str = "") -> None:
        """End it for good, and with it everything below."""
        await self._client.terminate(str(self), reason=reason)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.was_there:
            await self.terminate(f"its block ended with {kind.__name__}" if kind is not None else "its block ended")
