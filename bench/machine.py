"""What the figures were taken on. Without it they say nothing.

Law: reading the machine never fails a run; what cannot be read is told as unknown."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("remit", "grpcio", "protobuf", "lmdb", "msgpack", "cel-expr-python")
_UNKNOWN = "unknown"


def machine() -> dict[str, object]:
    """Processor, memory, system, Python: what does not change from run to run."""
    return {
        "cpu": _proc_value("/proc/cpuinfo", "model name") or platform.processor() or _UNKNOWN,
        "cores": os.cpu_count() or 0,
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version(name) for name in _PACKAGES},
    }


def short_name(described: dict[str, object]) -> str:
    """For a file's name: `amd-epyc-2-cores`."""
    words = re.sub(r"\(.*?\)|processor|cpu|@.*", " ", str(described["cpu"]).lower())
    slug = "-".join(re.findall(r"[a-z0-9]+", words)[:4])
    return f"{slug or _UNKNOWN}-{described['cores']}-cores"


def load_average() -> float | None:
    """Processes at work or waiting over the last minute: above the benchmark's own two, somebody else was busy."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def commit() -> str:
    """The commit that was measured, with a `+` where the engine differs from it."""
    here = Path(__file__).parent.parent
    try:
        found = _git(here, "rev-parse", "--short=12", "HEAD")
        return found + ("+" if _git(here, "status", "--porcelain", "--", "engine") else "")
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN


def filesystem(path: Path) -> str:
    """The type of file system a path is on: a sync to `tmpfs` reaches no disk."""
    best, found = "", _UNKNOWN
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for line in mounts:
        _, place, kind, *_ = line.split()
        if path.resolve().is_relative_to(place) and len(place) >= len(best):
            best, found = place, kind
    return found


def _git(here: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=here, check=True, capture_output=True, text=True).stdout.strip()


def _memory_gib() -> float | None:
    total = _proc_value("/proc/meminfo", "MemTotal")
    return round(int(total.split()[0]) / (1 << 20), 1) if total else None


def _proc_value(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")
