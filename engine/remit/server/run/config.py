"""What whoever starts a server may choose beside where it listens and who may call.

Law: each of these is a flag of `remit serve`, and one that is not as usual stands in the banner."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.engine.limits import Limits
from remit.engine.upkeep import RETENTION_US
from remit.server.frontend.frontend import FrontendChoice
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.telemetry.log import LogFormat, LogLevel, RequestLog

GRACE_S = 20.0  # a little less than the half minute orchestrators usually wait before they kill
DRAIN_DELAY_S = 5.0  # what balancers need to look elsewhere; part of the grace, so that together they stay below it
SLOW_MS = 1_000.0


@dataclass(frozen=True, slots=True)
class Config:
    """Each with its default. `store_bytes_max` None: what `store.lmdb` thinks fit. `open_metrics`: /metrics asks
    for no key. `grace_s`: what a drain may take, of which it goes on serving for `drain_delay_s`; None: `DRAIN_DELAY_S`
    or, on loopback, where nobody balances, not at all. `retention_us`: how long revisions can be asked about and
    watched. `testing`: every bearer token has a store of its own, see `sandboxes`. `frontend`: who listens."""

    limits: Limits = field(default_factory=Limits)
    serve_limits: ServeLimits = DEFAULT_LIMITS
    store_bytes_max: int | None = None
    open_metrics: bool = False
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.JSON
    requests: RequestLog = field(default_factory=lambda: RequestLog(slow_s=SLOW_MS / 1_000))
    grace_s: float = GRACE_S
    drain_delay_s: float | None = None
    retention_us: int = RETENTION_US
    testing: bool = False
    frontend: FrontendChoice = FrontendChoice.AUTO
