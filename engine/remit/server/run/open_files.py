"""How many connections the system lets a process have.

Law: whatever the shell set as the usual limit, the server takes as many as it is allowed to."""

from __future__ import annotations

import contextlib
import resource


def raise_open_files() -> int:
    """Raise the process' own limit on open files to the one it may not pass; what it is then. A shell's usual 1,024
    would end some thousand connections early."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid even that; what there was is enough
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
