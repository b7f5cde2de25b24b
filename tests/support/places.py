"""Where things lie in the checkout, whichever file asks."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
AGENTS_BEFORE_PROFILES = ROOT / "schema" / "agents.zed"
SHIPPED_WORLDS = ROOT / "schema" / "worlds"
SMALL_WORLDS = ROOT / "tests" / "worlds"
LANGUAGE = ROOT / "engine" / "remit" / "language"
# A real SpiceDB's answers to random worlds of ours: part of the checkout, so never absent.
SPICEDB_RANDOM = ROOT / "tests" / "conformance" / "spicedb-random"
# Other projects' test data; `make` says where they are. Tests skip what is not there.
CONFORMANCE = Path(os.environ.get("REMIT_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
ASKED_AT_US = 1_767_225_600_000_000  # 2026-01-01: the times in SpiceDB's worlds lie years before and centuries after
