"""Files that are believed: read without waiting, up to a bound, whatever was put in their place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from remit.believed_file import entries_to, read_regular


def test_a_regular_file_is_read_through_links_and_its_inode_told(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"said")
    link.symlink_to("file")
    data, found = read_regular(link, 4)
    assert (data, found.st_ino) == (b"said", path.stat().st_ino)
    with pytest.raises(OSError, match="larger than 3") as refused:
        read_regular(link, 3)
    assert refused.value.errno == errno.EFBIG


@pytest.mark.parametrize("kind", ["pipe", "device", "directory", "socket"])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "directory":
            path.mkdir()
        case _:
            os.mknod(path, 0o140600)
    with pytest.raises(OSError):  # which one, the system says of a directory and of a socket
        read_regular(path, 100)


def test_everything_that_decides_which_file_is_meant_is_told(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "real" / "deep").mkdir(parents=True)
    (root / "hops").mkdir()
    (root / "real" / "deep" / "file").touch()
    (root / "hops" / "second").symlink_to(root / "real")
    (root / "hops" / "first").symlink_to(Path("second", "deep"))
    told = list(entries_to(root / "real" / ".." / "hops" / "first" / "file"))
    assert told[: len(root.parts)] == [*reversed(root.parents), root]
    after = [each.relative_to(root).as_posix() for each in told if each != root and root in each.parents]
    assert after == ["real", "hops", "hops/first", "hops/second", "real", "real/deep", "real/deep/file"]
    assert told[-1].samefile(root / "hops" / "first" / "file")


def test_links_that_go_round_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError) as refused:
        list(entries_to(tmp_path / "a"))
    assert refused.value.errno == errno.ELOOP
