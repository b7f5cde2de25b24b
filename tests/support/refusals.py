"""What every refusal of a schema text must be: one issue, at a place inside the text, that renders with a caret."""

from __future__ import annotations

import pytest

from remit.errors import SchemaInvalid
from remit.language.parser import parse
from remit.language.source import Issue, Source


def refused(text: str) -> Issue:
    """The one issue of a text that must be refused."""
    with pytest.raises(SchemaInvalid) as caught:
        parse(Source("schema.zed", text))
    (issue,) = caught.value.issues
    assert 0 <= issue.span.start <= issue.span.end <= len(text)
    assert 1 <= issue.line <= text.count("\n") + text.count("\r") + 1
    assert caught.value.message == issue.summary()
    assert "^" in issue.render().split("\n")[2]
    return issue
