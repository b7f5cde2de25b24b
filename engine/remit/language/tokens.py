"""The words and signs of the schema language, and which of them a `use` flag turns into keywords.

The two tables are the language's whole vocabulary: a person should be able to proofread them against SpiceDB's.
Law: a word that no table reserves is a name anywhere."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from remit.language.source import Span


class TokenKind(Enum):
    """What a token is; for signs the value is the sign itself."""

    NAME = "name"
    KEYWORD = "keyword"
    STRING = "string"
    LINE_END = "end of the line"  # only where a line's end ends a statement
    TEXT_END = "end of the text"
    LEFT_BRACE = "{"
    RIGHT_BRACE = "}"
    LEFT_PAREN = "("
    RIGHT_PAREN = ")"
    PIPE = "|"
    PLUS = "+"
    AMPERSAND = "&"
    MINUS = "-"
    EQUALS = "="
    COLON = ":"
    SEMICOLON = ";"
    COMMA = ","
    HASH = "#"
    STAR = "*"
    SLASH = "/"
    DOT = "."
    ELLIPSIS = "..."
    ARROW = "->"
    LESS = "<"
    GREATER = ">"
    AT = "@"
    # These belong to other languages; they are read as one so that the message can say what was meant.
    DOUBLE_AMPERSAND = "&&"
    DOUBLE_PIPE = "||"
    DOUBLE_EQUALS = "=="


class Token(NamedTuple):
    """One word or sign at [start, end) of its source. A string's text is what stands between its quotes."""

    kind: TokenKind
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    def __str__(self) -> str:
        match self.kind:
            case TokenKind.LINE_END | TokenKind.TEXT_END:
                return f"the {self.kind.value}"
            case TokenKind.STRING:
                return f"the string `{self.text}`"
            case _:
                return f"`{self.text}`"


SIGNS = {kind.value: kind for kind in TokenKind if not kind.value[0].isalpha()}

# A line's end after one of these ends the statement; after anything else the statement goes on. SpiceDB's list, and
# two more that cannot begin anything: `user#...` and an import's path.
STATEMENT_ENDS = frozenset(
    {
        TokenKind.NAME,
        TokenKind.KEYWORD,
        TokenKind.RIGHT_BRACE,
        TokenKind.RIGHT_PAREN,
        TokenKind.STAR,
        TokenKind.ELLIPSIS,
        TokenKind.STRING,
    }
)

KEYWORDS = frozenset({"definition", "caveat", "relation", "permission", "nil", "with"})

DELEGATION = "delegation"
ARGUMENTS = "arguments"

# flag → the words it reserves. `delegation` reserves none: `single`, `final`, `managed`, `along`, `exists` are known by
# where they stand, so that a schema may go on naming its relations with them. Nor does `arguments`: `arguments` and
# `matching` are names of caveats, and of nothing else.
FLAGS: dict[str, frozenset[str]] = {
    "expiration": frozenset({"expiration", "and"}),
    "typechecking": frozenset({"typechecking"}),
    "self": frozenset({"self"}),
    "partial": frozenset({"partial"}),
    "import": frozenset({"import"}),
    "not_before": frozenset({"not_before", "and"}),
    DELEGATION: frozenset(),
    ARGUMENTS: frozenset(),
}
