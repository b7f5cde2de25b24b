"""What a server says when it begins to serve: every choice that matters, where somebody will look for it.

Law: what may surprise is said: no keys, no encryption, nothing kept, limits that are not the usual ones."""

from __future__ import annotations

from collections.abc import Iterator

import remit
from remit.access.keyring import KeyRing
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.native_core import absence
from remit.server.frontend.frontend import FrontendChoice, may_answer
from remit.server.limits.serve_limits import ServeLimits, flag_of, shown, unusual_of
from remit.server.net.listen import Address
from remit.server.net.tls import Certificates
from remit.server.run.config import Config
from remit.server.telemetry.log import LogLevel
from remit.server.telemetry.telemetry import Telemetry
from remit.store.lmdb.lmdb_store import MAP_SIZE_BYTES


def banner(
    engine: Engine,
    where: str,
    ring: KeyRing | None,
    certificates: Certificates | None,
    config: Config,
    grpc: Address,
    http: Address | None,
    telemetry: Telemetry,
    *,
    http_api: bool,
) -> str:
    lines = [f"remit {remit.__version__}", f"  data    {where}", f"  stores  {_stores(engine, config)}"]
    if not config.testing:
        lines.append(f"  history {_duration(config.retention_us)}: revisions that can be asked about and watched")
    lines.append(f"  grpc    {grpc}")
    lines.append(f"  door    {_door(config, telemetry)}")
    if http is not None:
        lines.append(f"  http    {'http' if certificates is None else 'https'}://{http}")
    lines.append(f"  tls     {_tls(certificates)}")
    lines += _keys(ring, config)
    lines += _limits(config)
    if http is not None:
        lines.append(f"  json    {'answered over HTTP too, see /openapi.json' if http_api else 'none, no --http-api'}")
        is_keyed = ring is not None and not ring.is_open and not config.open_metrics
        lines.append(f"  metrics /metrics, to {'keys with the right `audit`' if is_keyed else 'everyone'}")
    lines.append(f"  traces  {'to the OpenTelemetry SDK' if telemetry.tracing.is_on else 'none: no OpenTelemetry SDK'}")
    lines.append(f"  logs    {_logs(config)}")
    return "\n".join(lines)


def _door(config: Config, telemetry: Telemetry) -> str:
    if config.frontend is FrontendChoice.OFF:
        return "none, --front-door off: every request is answered in Python"
    if absent := absence():
        return f"none, the native core is {absent}: every request is answered in Python"
    if not may_answer(telemetry, config.serve_limits, is_testing=config.testing):
        return "the native core listens, and leaves every answer to Python: see docs/operate/frontend.md"
    return "the native core listens, and answers checks by itself"


def _tls(certificates: Certificates | None) -> str:
    if certificates is None:
        return "none: what is sent can be read on its way"
    files = certificates.files
    if files.client_authorities is None:
        return str(files.certificate)
    return f"{files.certificate}, clients by {files.client_authorities}"


def _stores(engine: Engine, config: Config) -> str:
    if config.testing:
        return f"testing: an empty one for every bearer token, {config.serve_limits.sandboxes_max:,} at most"
    return ", ".join(f"{name} ({count:,} relationships)" for name, count in engine.stores.sizes().items())


def _duration(duration_us: int) -> str:
    """`24h`, `90m`, `10s`: in the largest unit that leaves no rest."""
    seconds = duration_us // 1_000_000
    for unit, length_s in (("h", 3_600), ("m", 60)):
        if seconds and seconds % length_s == 0:
            return f"{seconds // length_s}{unit}"
    return f"{seconds}s"


def _keys(ring: KeyRing | None, config: Config) -> Iterator[str]:
    if config.testing:
        yield "  no keys: loopback only, and whoever knows a token holds every right on its store"
        return
    if ring is not None and not ring.is_open:
        yield f"  keys    {ring.path} ({ring.count})"
        return
    yield "  no keys: loopback only, and every caller holds every right"
    if ring is not None:
        yield f"  a first key, by `remit key bootstrap --keys {ring.path}`, counts at once and ends that"


def _limits(config: Config) -> Iterator[str]:
    """Those that are not the defaults."""
    unusual = [*unusual_of(config.limits, Limits()), *unusual_of(config.serve_limits, ServeLimits())]
    if config.store_bytes_max is not None:
        unusual.append(("store_bytes_max", config.store_bytes_max, MAP_SIZE_BYTES))
    if not unusual:
        yield "  limits  the defaults, see `remit serve --help`"
        return
    yield "  limits  the defaults, but"
    for name, chosen, usual in unusual:
        yield f"    {flag_of(name)} {shown(name, chosen)} instead of {shown(name, usual)}"


def _logs(config: Config) -> str:
    said = [config.log_format.value, f"from level {config.log_level.value}"]
    if config.requests.every or config.log_level is LogLevel.DEBUG:
        said.append("every request")
    if config.requests.slow_s is not None:
        said.append(f"requests that take longer than {config.requests.slow_s * 1_000:g} ms, with their question")
    return ", ".join(said)
