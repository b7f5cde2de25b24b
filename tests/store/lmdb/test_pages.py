"""Law: a data file that passes as whole can be read through; one that lacks a page in use does not pass."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from remit.errors import StoreDamaged, StoreFormatUnknown
from remit.store.lmdb.pages import missing_page
from tests.support.store_worlds import check, deleting, everything, open_lmdb, putting, texts, write

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")  # what LMDB takes
NAMES = [f"doc:{number}#viewer@user:anne" for number in range(3_000)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some levels, with free pages in the middle."""
    path = tmp_path_factory.mktemp("pages") / "data"
    store = open_lmdb(path)
    store.create("default")
    for start in range(0, len(NAMES), 500):
        write(store, putting(*NAMES[start : start + 500]))
    write(store, deleting(*NAMES[1_000:2_000]))
    write(store, putting(NAMES[1_500]))
    store.close()
    return path


def test_a_whole_file_lacks_no_page(written: Path) -> None:
    assert missing_page(written / "data.mdb", PAGE_BYTES) is None


@pytest.mark.parametrize("share", [n / 16 for n in range(16)])
def test_a_file_cut_off_anywhere_is_refused_or_whole(written: Path, tmp_path: Path, share: float) -> None:
    shutil.copytree(written, tmp_path / "data")
    file = tmp_path / "data" / "data.mdb"
    os.truncate(file, int(file.stat().st_size * share) + 7)
    if missing_page(file, PAGE_BYTES) is not None:
        with pytest.raises(StoreDamaged):
            open_lmdb(tmp_path / "data")
        return
    store = open_lmdb(tmp_path / "data")  # nothing in use was cut off
    assert texts(everything(store)) == sorted({*NAMES[:1_000], NAMES[1_500], *NAMES[2_000:]})
    check(store)
    store.close()


def test_what_is_no_data_file_lacks_pages(tmp_path: Path) -> None:
    for content in (b"", b"dear anne" * 2_000, bytes(4 * PAGE_BYTES)):
        (tmp_path / "data.mdb").write_bytes(content)
        assert missing_page(tmp_path / "data.mdb", PAGE_BYTES) in (0, 1)


@pytest.mark.parametrize("meta", [0, 1])
def test_a_file_of_another_version_is_not_walked(written: Path, tmp_path: Path, meta: int) -> None:
    """Whichever of the two first pages says so: what stands where is known of one version only."""
    file = tmp_path / "data.mdb"
    shutil.copy(written / "data.mdb", file)
    with file.open("r+b") as opened:
        opened.seek(meta * PAGE_BYTES + 16 + 4)  # behind the page's header and LMDB's magic number
        opened.write((2).to_bytes(4, "little"))
    with pytest.raises(StoreFormatUnknown, match="has LMDB's format `2`, this version of remit knows `1`"):
        missing_page(file, PAGE_BYTES)
