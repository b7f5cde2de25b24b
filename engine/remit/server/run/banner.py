"""What a server says when it begins to serve: every choice that matters, where somebody will look for it.

Law: what may surprise is said: no keys, no encryption, nothing kept, limits that are not the usual ones."""

from __future__ import annotations

from collections.abc import Iterator

import remit
from remit.access.keyring import KeyRing
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.native_core import absence
from remit.server.frontend.frontend import FrontDoorChoice, may_answer
from remit.server.limits.serve_limits import ServeLimits, flag_of, shown, unusual_of
from remit.server.net.listen import Address
from remit.server.net.tls import Certificates
from remit.server.run.config import Choices
from remit.server.telemetry.log import LogLevel
from remit.server.telemetry.telemetry import Telemetry
from remit.store.lmdb.lmdb_store import MAP_SIZE_BYTES


def banner(
    engine: Engine,
    where: str,
    ring: KeyRing | None,
    certificates: Certificates | None,
    choices: Choices,
    grpc: Address,
    http: Address | None,
    telemetry: Telemetry,
) -> str:
    lines = [f"remit {remit.__version__}", f"  data    {where}", f"  stores  {_stores(engine, choices)}"]
    if not choices.testing:
        lines.append(f"  history {_duration(choices.retention_us)}: revisions that can be asked about and watched")
    lines.append(f"  grpc    {grpc}")
    lines.append(f"  door    {_door(choices, telemetry)}")
    if http is not None:
        lines.append(f"  http    {'http' if certificates is None else 'https'}://{http}")
    lines.append(f"  tls     {_tls(certificates)}")
    lines += _keys(ring, choices)
    lines += _limits(choices)
    if http is not None:
        is_keyed = ring is not None and not ring.is_open and not choices.open_metrics
        lines.append(f"  metrics /metrics, to {'keys with the right `audit`' if is_keyed else 'everyone'}")
    lines.append(f"  traces  {'to the OpenTelemetry SDK' if telemetry.tracing.is_on else 'none: no OpenTelemetry SDK'}")
    lines.append(f"  logs    {_logs(choices)}")
    return "\n".join(lines)


def _door(choices: Choices, telemetry: Telemetry) -> str:
    if choices.front_door is FrontDoorChoice.OFF:
        return "none, --front-door off: every request is answered in Python"
    if why := absence():
        return f"none, the native core is {why}: every request is answered in Python"
    if not may_answer(telemetry, choices.serve_limits, is_testing=choices.testing):
        return "the native core listens, and leaves every answer to Python: see docs/front_door.md"
    return "the native core listens, and answers checks by itself"


def _tls(certificates: Certificates | None) -> str:
    if certificates is None:
        return "none: what is sent can be read on its way"
    files = certificates.files
    if files.client_authorities is None:
        return str(files.certificate)
    return f"{files.certificate}, clients by {files.client_authorities}"


def _stores(engine: Engine, choices: Choices) -> str:
    if choices.testing:
        return f"testing: an empty one for every bearer token, {choices.serve_limits.sandboxes_max:,} at most"
    return ", ".join(f"{name} ({count:,} relationships)" for name, count in engine.sizes().items())


def _duration(duration_us: int) -> str:
    """`24h`, `90m`, `10s`: in the largest unit that leaves no rest."""
    seconds = duration_us // 1_000_000
    for unit, length_s in (("h", 3_600), ("m", 60)):
        if seconds and seconds % length_s == 0:
            return f"{seconds // length_s}{unit}"
    return f"{seconds}s"


def _keys(ring: KeyRing | None, choices: Choices) -> Iterator[str]:
    if choices.testing:
        yield "  no keys: loopback only, and whoever knows a token holds every right on its store"
        return
    if ring is not None and not ring.is_open:
        yield f"  keys    {ring.path} ({ring.count})"
        return
    yield "  no keys: loopback only, and every caller holds every right"
    if ring is not None:
        yield f"  a first key, by `remit key bootstrap --keys {ring.path}`, counts at once and ends that"


def _limits(choices: Choices) -> Iterator[str]:
    """Those that are not the defaults."""
    unusual = [*unusual_of(choices.limits, Limits()), *unusual_of(choices.serve_limits, ServeLimits())]
    if choices.store_bytes_max is not None:
        unusual.append(("store_bytes_max", choices.store_bytes_max, MAP_SIZE_BYTES))
    if not unusual:
        yield "  limits  the defaults, see `remit serve --help`"
        return
    yield "  limits  the defaults, but"
    for name, chosen, usual in unusual:
        yield f"    {flag_of(name)} {shown(name, chosen)} instead of {shown(name, usual)}"


def _logs(choices: Choices) -> str:
    said = [choices.log_format.value, f"from level {choices.log_level.value}"]
    if choices.requests.every or choices.log_level is LogLevel.DEBUG:
        said.append("every request")
    if choices.requests.slow_s is not None:
        said.append(f"requests that take longer than {choices.requests.slow_s * 1_000:g} ms, with their question")
    return ", ".join(said)
