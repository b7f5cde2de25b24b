"""What a server costs the machine: processor time and memory of its processes, read from /proc.

A server may be many: SpiceDB and OpenFGA keep their facts in PostgreSQL, whose work is work done for the answer. So a
cost is that of whole trees of processes, those that have ended and been reaped included.
Law: what the system does not tell is told as unknown, never as nothing."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
_VERSION_WITHIN_S = 10.0
_SECRET = re.compile(r"(key|password|passwd|secret|token|uri|dsn)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of the processes `pids` and all below them; of no pids, unknown."""

    pids: tuple[int, ...]

    def cpu_s(self) -> float | None:
        """Processor time spent by now, by all their threads."""
        if not self.pids:
            return None
        ticks = 0
        for pid in _trees(self.pids):
            words = _stat(pid)
            ticks += sum(int(word) for word in words[11:15])  # user, system, and the same of children that ended
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int | None:
        """Memory in use, what they share counted once. Pages of files, which the system drops when it needs room, are
        left out: LMDB maps its whole file. Where the system does not tell them apart, all resident pages."""
        if not self.pids:
            return None
        return sum(_resident(pid) for pid in _trees(self.pids))


def listener(address: str) -> int | None:
    """The process that listens at `HOST:PORT` of this machine, if it is one that we may see."""
    host, _, port = address.rpartition(":")
    if not _is_here(host.strip("[]")):
        return None
    inodes = set(_listening(int(port)))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for directory in _PROC.glob("[0-9]*/fd"):
        try:
            if any(str(each.readlink()) in wanted for each in directory.iterdir()):
                return int(directory.parent.name)
        except OSError:
            continue  # it has ended, or is somebody else's
    return None


def version_of(pid: int | None) -> str:
    """What the program of a process says about its version: its own words, one line."""
    if pid is None:
        return "unknown"
    for asking in ("version", "--version"):
        try:
            program = (_PROC / str(pid) / "exe").readlink()
            told = subprocess.run(
                [program, asking], capture_output=True, text=True, timeout=_VERSION_WITHIN_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = [line for line in (told.stdout + told.stderr).splitlines() if line.strip()]
        if told.returncode == 0 and lines:
            return lines[0].strip()
    return "unknown"


def flags_of(pid: int | None) -> list[str]:
    """The command line of a process, without what may be secret."""
    if pid is None:
        return []
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
    return list(without_secrets([word for word in words if word]))


def without_secrets(words: Sequence[str]) -> Iterator[str]:
    """Each word; instead of the value of a flag that may hold a secret, `***`."""
    hide = False
    for word in words:
        name, equals, _ = word.partition("=")
        if hide:
            yield "***"
            hide = False
        elif name.startswith("-") and _SECRET.search(name):
            yield f"{name}=***" if equals else name
            hide = not equals
        else:
            yield word


def _trees(roots: Sequence[int]) -> Iterator[int]:
    """The processes and all below them, each once."""
    children: dict[int, list[int]] = {}
    for directory in _PROC.glob("[0-9]*"):
        if words := _stat(int(directory.name)):
            children.setdefault(int(words[1]), []).append(int(directory.name))
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in seen and _stat(pid):
            seen.add(pid)
            yield pid
            waiting += children.get(pid, ())


def _stat(pid: int) -> list[str]:
    """The words behind the name, which is in parentheses and may hold blanks; none when the process has ended."""
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        if "Pss_Anon" in kib:
            return (kib["Pss_Anon"] + kib["Pss_Shmem"]) << 10
        return int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _listening(port: int) -> Iterator[int]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                yield int(words[9])


def _is_here(host: str) -> bool:
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(each.startswith("127.") or each == "::1" for each in found)
