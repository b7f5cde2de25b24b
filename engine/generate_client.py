"""Generates the synchronous client from the asyncio one; `--check` only says whether it is up to date.

unasync takes the words of asyncio out, the table below renames what it does not know, and a line that ends in
`# asyncio only` is left out. Law: what the two clients send and answer cannot differ."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

CLIENT = Path(__file__).parent / "remit" / "client"
FILES = ("client.py", "runs.py", "streams.py")
ASYNCIO_ONLY = "# asyncio only"
_CLASSES = ("Backup", "Client", "Export", "PermissionWatch", "Run", "Spawner", "Watch")
NAMES = {"aio": "sync"} | {f"Async{name}": name for name in _CLASSES}
PROSE = {
    "The asyncio client": "The synchronous client",
    "Streams of the asyncio client": "Streams of the synchronous client",
    "`sync/client.py` is generated from this file": "Generated from `aio/client.py`",
    "A run in the asyncio client": "A run in the synchronous client",
    "`sync/runs.py` is generated from this file": "Generated from `aio/runs.py`",
    "`sync/streams.py` is generated from this file": "Generated from `aio/streams.py`",
    "It belongs to one event loop and connects": "Safe to share among threads; connects",
    "closing one, or cancelling the task that waits, ends it": "closing one, from whichever thread, ends it",
}


def generated(name: str, scratch: Path) -> str:
    """The synchronous text of a file of `client/aio`."""
    text = (CLIENT / "aio" / name).read_text()
    lines = text.splitlines(keepends=True)
    text = "".join(line for line in lines if not line.rstrip().endswith(ASYNCIO_ONLY))
    for asynchronous, synchronous in PROSE.items():
        text = text.replace(asynchronous, synchronous)
    source = scratch / "aio" / name
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    unasync.unasync_files([str(source)], [unasync.Rule("/aio/", "/sync/", NAMES)])
    text = (scratch / "sync" / name).read_text()
    # `yield from` (UP028) is what asyncio has no word for.
    text = _ruff(text, name, "check", "--fix", "--unsafe-fixes", "--select", "I,UP028")
    return _ruff(text, name, "format")


def _ruff(text: str, name: str, *words: str) -> str:
    ruff, target = Path(sys.executable).with_name("ruff"), CLIENT / "sync" / name
    command = [ruff, *words, "--quiet", "--stdin-filename", target, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        fresh = {name: generated(name, Path(scratch)) for name in FILES}
    stale = [name for name, text in fresh.items() if not _is(CLIENT / "sync" / name, text)]
    if "--check" in sys.argv and stale:
        raise SystemExit(f"client/sync is not what client/aio says: {', '.join(stale)}; run `make client`")
    for name in stale:
        (CLIENT / "sync" / name).write_text(fresh[name])


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    main()
