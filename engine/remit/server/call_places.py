"""How many calls there are at once over grpcio, and whose.

gRPC itself ends what is too much at random, whoever it is: nineteen connections of a thousand calls each, which ask
nothing and never read, were all that it takes on. So a call is counted by where it comes from until its key is known,
and from then on by its key, each time by a fair quota, and gRPC's own bound is above both.
Law: who does not hold most of the places finds one."""

from __future__ import annotations

from remit.server.call import Call
from remit.server.limits.by_address import HoldingsByAddress
from remit.server.limits.fair_quota import FairQuota
from remit.server.limits.open_calls import ARRIVING_MAX


class CallPlaces:
    """Of one server. Safe from many threads, as its quotas are."""

    def __init__(self, calls_max: int, arriving_max: int = ARRIVING_MAX) -> None:
        self.arriving = FairQuota(
            "arriving_max", arriving_max, "calls whose key is not known", HoldingsByAddress(arriving_max)
        )
        self.admitted = FairQuota("calls_max", calls_max, "calls")
        self._held: dict[Call, tuple[FairQuota, str]] = {}

    def arrive(self, call: Call) -> None:
        """Raises Overloaded, FairShareSpent."""
        self._hold(call, self.arriving, call.peer)

    def admit(self, call: Call) -> None:
        """The call's key is known, or there are no keys. Raises Overloaded, FairShareSpent."""
        self.leave(call)
        self._hold(call, self.admitted, call.client_id)

    def leave(self, call: Call) -> None:
        """The call has ended, or was never counted."""
        if (held := self._held.pop(call, None)) is not None:
            quota, client_id = held
            quota.give_back(client_id)

    @property
    def refused(self) -> int:
        """How many calls were refused since the start."""
        return self.arriving.refused + self.admitted.refused

    def _hold(self, call: Call, quota: FairQuota, client_id: str) -> None:
        quota.take(client_id)
        self._held[call] = quota, client_id
