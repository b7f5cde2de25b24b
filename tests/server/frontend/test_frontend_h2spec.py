"""The frontend beside HTTP/2's own conformance suite, h2spec, where it can be had: `go install
github.com/summerwind/h2spec/cmd/h2spec@latest`, on the path or named by `H2SPEC`.

Law: what fails is known, and each has its reason: nothing else does."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from tests.support.ways_in import CHECK, both

H2SPEC = os.environ.get("H2SPEC") or shutil.which("h2spec")

CASES = 145

# By section and case. None of them is of HTTP/2: they are of what h2spec expects of a server of pages, and of TCP.
KNOWN = {
    # h2spec asks by GET, and waits for DATA. What asks so is no gRPC, and is refused with headers that end the stream.
    ("generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"),
    ("generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"),
    # The connection ends, as it must; h2spec wants to see it closed, and the kernel resets it, for what was said after
    # the first 24 bytes is not read any more.
    ("http2/3.5", "Sends invalid connection preface"),
}
# They look at how long a body is, and a refusal has none: h2spec skips them.
SKIPPED_MAX = 4


@pytest.mark.skipif(H2SPEC is None, reason="no h2spec here, on the path or in H2SPEC")
def test_what_h2spec_finds_is_known(tmp_path: Path) -> None:
    assert H2SPEC is not None
    report = tmp_path / "h2spec.xml"
    with both() as pair:
        host, _, port = pair.door.endpoint.rpartition(":")
        ran = subprocess.run(
            [H2SPEC, "--host", host, "--port", port, "--path", CHECK, "--junit-report", str(report), "--timeout", "5"],
            capture_output=True,
            text=True,
            timeout=280,
        )
    cases = list(xml.parse(report).iter("testcase"))
    failed = {
        (case.attrib["package"], case.attrib["classname"])
        for case in cases
        if case.find("error") is not None or case.find("failure") is not None
    }
    skipped = [case for case in cases if case.find("skipped") is not None]
    print(f"{len(cases)} cases, {len(failed)} failed, {len(skipped)} skipped")
    assert failed <= KNOWN, ran.stdout
    assert len(cases) == CASES
    assert len(skipped) <= SKIPPED_MAX, ran.stdout
