"""Generates schema/kinds/remit.v1.json: the JSON Schema of the documents that `remit apply` takes, for editors.
`--check` only says whether it is up to date."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from remit.engine.agents.kind_schemas import schema_of_all

FILE = Path(__file__).parent.parent / "schema" / "kinds" / "remit.v1.json"


def text() -> str:
    return json.dumps(schema_of_all(), indent=1) + "\n"


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != text():
        print(f"{FILE} is not what the table of kinds says: run engine/generate_kind_schemas.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
