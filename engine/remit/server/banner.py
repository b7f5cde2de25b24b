"""What a server says when it begins to serve: every choice that matters, where somebody will look for it.

Law: what may surprise is said: no keys, no encryption, nothing kept, limits that are not the usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import remit
from remit.engine import Engine
from remit.limits import Limits
from remit.server.choices import Choices
from remit.server.keyring import KeyRing
from remit.server.listen import Address
from remit.server.log import LogLevel
from remit.server.serve_limits import ServeLimits
from remit.server.telemetry import Telemetry
from remit.server.tls import Certificates


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
    sizes = ", ".join(f"{name} ({count:,} relationships)" for name, count in engine.sizes().items())
    lines = [f"remit {remit.__version__}", f"  data    {where}", f"  stores  {sizes}", f"  grpc    {grpc}"]
    if http is not None:
        lines.append(f"  http    {'http' if certificates is None else 'https'}://{http}")
    lines.append(f"  tls     {_tls(certificates)}")
    lines += _keys(ring)
    lines += _limits(choices)
    if http is not None:
        is_keyed = ring is not None and not ring.is_open and not choices.open_metrics
        lines.append(f"  metrics /metrics, to {'keys with the right `audit`' if is_keyed else 'everyone'}")
    lines.append(f"  traces  {'to the OpenTelemetry SDK' if telemetry.tracing.is_on else 'none: no OpenTelemetry SDK'}")
    lines.append(f"  logs    {_logs(choices)}")
    return "\n".join(lines)


def _tls(certificates: Certificates | None) -> str:
    if certificates is None:
        return "none: what is sent can be read on its way"
    files = certificates.files
    if files.client_authorities is None:
        return str(files.certificate)
    return f"{files.certificate}, clients by {files.client_authorities}"


def _keys(ring: KeyRing | None) -> Iterator[str]:
    if ring is not None and not ring.is_open:
        yield f"  keys    {ring.path} ({ring.count})"
        return
    yield "  no keys: loopback only, and every caller holds every right"
    if ring is not None:
        yield f"  a first key, by `remit key bootstrap --keys {ring.path}`, counts at once and ends that"


def _limits(choices: Choices) -> Iterator[str]:
    """Those that are not the usual ones."""
    unusual = list(unusual_limits(choices))
    if not unusual:
        yield "  limits  the usual ones, see `remit serve --help`"
        return
    yield "  limits  the usual ones, but"
    for name, chosen, usual in unusual:
        yield f"    --{name.replace('_', '-')} {shown(name, chosen)} instead of {shown(name, usual)}"


def unusual_limits(choices: Choices) -> Iterator[tuple[str, float, float]]:
    """Name, what was chosen, and what is usual, of each limit that differs."""
    usual_choices = Choices()
    for chosen, usual in ((choices.limits, Limits()), (choices.serve_limits, ServeLimits())):
        for field in fields(chosen):
            values = getattr(chosen, field.name), getattr(usual, field.name)
            if values[0] != values[1]:
                yield field.name, *values
    if choices.store_bytes_max != usual_choices.store_bytes_max:
        yield "store_bytes_max", choices.store_bytes_max, usual_choices.store_bytes_max


def shown(name: str, value: float) -> str:
    """A limit for people: `4MiB`, `1,000`, `0.5`."""
    if "_bytes_" in name:
        return size_text(int(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def size_text(size: int) -> str:
    """`4MiB`, or `25000` where it is no whole number of anything."""
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return str(size)


def _logs(choices: Choices) -> str:
    said = [choices.log_format.value, f"from level {choices.log_level.value}"]
    if choices.requests.every or choices.log_level is LogLevel.DEBUG:
        said.append("every request")
    if choices.requests.slow_s is not None:
        said.append(f"requests that take longer than {choices.requests.slow_s * 1_000:g} ms, with their question")
    return ", ".join(said)
