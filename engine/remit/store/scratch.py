"""Scratch: an unnamed file for what is too large for memory, as a backup on its way to whoever reads it slowly.

It lies beside the data, where room was planned for, and not where temporary files usually go, which is often memory.
Law: nothing of it is left once it is closed, or once the process has ended, however that was."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from remit.store.data_directory import explain_os_error


class ScratchFile:
    """Bytes that are written once, from the beginning, and then read once. One thread at a time."""

    def __init__(self, directory: Path | None) -> None:
        """`directory` None: where temporary files usually go. Raises StoreFull, StoreUnavailable."""
        self._directory = directory or Path(tempfile.gettempdir())
        self._is_written = False
        try:
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  # closed by `close`
        except OSError as error:
            raise explain_os_error(error, self._directory) from error

    def write(self, data: bytes) -> None:
        """Raises StoreFull, StoreUnavailable."""
        assert not self._is_written, "it is written first, and read afterwards"
        try:
            self._file.write(data)
        except OSError as error:
            raise explain_os_error(error, self._directory) from error

    def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end. Raises StoreFull, StoreUnavailable."""
        try:
            if not self._is_written:
                self._is_written = True
                self._file.seek(0)  # which writes what was still held back
            return self._file.read(size)
        except OSError as error:
            raise explain_os_error(error, self._directory) from error

    def close(self) -> None:
        # What is still held back is written now, and where there is no room for it nobody wants it any more: whoever
        # wrote has heard of that. The file is closed all the same, and its room is given back.
        with contextlib.suppress(OSError):
            self._file.close()
