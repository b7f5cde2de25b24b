"""Generates engine/remit/v1 from the .proto files beside this script; `--check` only says whether it is up to date."""

from __future__ import annotations

import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).parent
ENGINE = PROTO.parent / "engine"
OUTPUT = Path("remit") / "v1"


def generate(into: Path) -> None:
    """Run protoc for every service file, with typed stubs beside the code."""
    files = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "remit" / "v1").glob("*.proto"))
    google = resources.files("google.rpc").joinpath("..").joinpath("..")
    wellknown = resources.files("grpc_tools").joinpath("_proto")
    status = protoc.main(
        [
            "protoc",
            f"-I{PROTO}",
            f"-I{google}",
            f"-I{wellknown}",
            f"--python_out={into}",
            f"--plugin=protoc-gen-mypy={Path(sys.executable).with_name('protoc-gen-mypy')}",
            f"--mypy_out=quiet:{into}",
            f"--grpc_python_out={into}",
            *files,
        ]
    )
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = {path.name: path.read_text() for path in (Path(scratch) / OUTPUT).iterdir()}
    target = ENGINE / OUTPUT
    target.mkdir(parents=True, exist_ok=True)
    kept = {path.name: path.read_text() for path in target.glob("*_pb2*")}
    if "--check" in sys.argv:
        stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
        if stale:
            raise SystemExit(f"engine/remit/v1 is not what proto/ says: {', '.join(stale)}; run `make proto`")
        return
    for name in kept.keys() - fresh.keys():
        (target / name).unlink()
    for name, text in fresh.items():
        (target / name).write_text(text)


if __name__ == "__main__":
    main()
