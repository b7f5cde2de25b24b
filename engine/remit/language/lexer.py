"""Text → tokens, one at a time, so that the parser can say when a caveat's CEL begins and which words are reserved.

The rules are SpiceDB's: a word is letters, digits and underscores of any script; a line's end is a token only after
something that can end a statement; comments are kept aside for whoever they speak of.
Law: every text ends in an end token or in one SchemaInvalid whose place is inside it; each character is read once."""

from __future__ import annotations

import re
import unicodedata

from remit.errors import SchemaInvalid
from remit.language.effort import Effort
from remit.language.source import Issue, Source, Span, refusal
from remit.language.tokens import KEYWORDS, SIGNS, STATEMENT_ENDS, Token, TokenKind

_PIECE = re.compile(
    r"""(?P<space>[ \t]+)
      | (?P<newline>\r\n|\r|\n)
      | (?P<line_comment>//[^\r\n]*)
      | (?P<block_comment>/\*)
      | (?P<word>\w+)
      | (?P<long_string>\"{3}.*?\"{3}|'{3}.*?'{3})
      | (?P<string>"[^"\r\n]*"|'[^'\r\n]*')
      | (?P<sign>\.\.\.|->|&&|\|\||==|[{}()|+&\-=:;,#*/.<>@])""",
    re.VERBOSE | re.DOTALL,
)

# Only what matters for finding the closing brace: CEL's own parser judges the rest.
_CEL_PIECE = re.compile(
    r"""(?P<comment>//[^\r\n]*)
      | (?P<prefix>\w*)(?P<quote>\"{3}|'{3}|\"|')
      | (?P<brace>[{}])
      | (?P<space>\s+)
      | (?P<other>\w+|[^\w\s{}"'/]+|/)""",
    re.VERBOSE,
)
_CEL_RAW_PREFIXES = frozenset({"r", "br", "rb"})
# (quote, raw) → the rest of the string and its closing quote. Only triple quotes cross lines.
_CEL_STRING_REST = {
    ('"', False): re.compile(r'[^\\"\r\n]*(?:\\.[^\\"\r\n]*)*"'),
    ("'", False): re.compile(r"[^\\'\r\n]*(?:\\.[^\\'\r\n]*)*'"),
    ('"', True): re.compile(r'[^"\r\n]*"'),
    ("'", True): re.compile(r"[^'\r\n]*'"),
    ('"""', False): re.compile(r'[^\\"]*(?:(?:\\.|"(?!""))[^\\"]*)*"""', re.DOTALL),
    ("'''", False): re.compile(r"[^\\']*(?:(?:\\.|'(?!''))[^\\']*)*'''", re.DOTALL),
    ('"""', True): re.compile(r'.*?"""', re.DOTALL),
    ("'''", True): re.compile(r".*?'''", re.DOTALL),
}

# Half of a surrogate pair cannot be written as UTF-8, so such a text could be compiled but never stored.
_SURROGATE = re.compile("[\ud800-\udfff]")

# What word processors and keyboards put in place of a sign.
_LOOKALIKES = {
    "\u00a0": "a plain space",
    "\u3000": "a plain space",
    "“": '`"`',
    "”": '`"`',
    "‘": "`'`",
    "’": "`'`",
    "–": "`-`",
    "—": "`-`",
    "−": "`-`",
    "→": "`->`",
    "＝": "`=`",
    "：": "`:`",
    "｜": "`|`",
    "…": "`...`",
    "!": "`-`",
}


class Lexer:
    """Reads one source from its start. `comments` are those found before the latest token and after the one before;
    the first `trailing` of them stand on the line of that earlier token, and nothing else stands behind them there."""

    def __init__(self, source: Source, effort: Effort | None = None) -> None:
        self.source = source
        self._effort = effort or Effort()
        self.comments: list[str] = []
        self.trailing = 0
        self._reserved = set(KEYWORDS)
        self._text = source.text
        # An editor's byte order mark is no part of the schema.
        self._at = 1 if self._text.startswith("\ufeff") else 0
        self._line_start = self._at
        self._previous: TokenKind | None = None
        if found := _SURROGATE.search(self._text):
            raise self._refusal("unexpected-character", f"{_named(found[0])} is no character", *found.span())

    def reserve(self, words: frozenset[str]) -> None:
        """From the next token on, these words are keywords."""
        self._reserved |= words

    def next(self) -> Token:
        """The next token; at the end of the text, the end token, as often as asked. Cost: O(characters read)."""
        self.comments = []
        self.trailing = 0
        is_line_over = False
        while self._at < len(self._text):
            self._effort.step()
            piece = _PIECE.match(self._text, self._at)
            if piece is None:
                raise self._unreadable()
            start = self._at
            self._at = piece.end()
            match piece.lastgroup:
                case "word":
                    kind = TokenKind.KEYWORD if piece[0] in self._reserved else TokenKind.NAME
                    return self._token(kind, piece[0], start)
                case "sign":
                    return self._token(SIGNS[piece[0]], piece[0], start)
                case "string":
                    return self._token(TokenKind.STRING, piece[0][1:-1], start)
                case "long_string":
                    self._line_start = max(self._line_start, self._text.rfind("\n", start, self._at) + 1)
                    return self._token(TokenKind.STRING, piece[0][3:-3], start)
                case "newline":
                    if not is_line_over:
                        self.trailing = len(self.comments)
                        is_line_over = True
                    self._line_start = self._at
                    if self._previous in STATEMENT_ENDS:
                        return self._token(TokenKind.LINE_END, piece[0], start)
                case "line_comment":
                    self.comments.append(piece[0].rstrip())
                case "block_comment":
                    self.comments.append(self._block_comment(start))
        return self._token(TokenKind.TEXT_END, "", self._at)

    def expression(self, opening: Token) -> tuple[str, Span]:
        """The CEL text between `opening`, the `{` just read, and its closing brace, which becomes the next token.

        Braces in CEL's strings and comments do not count. The text is stripped; it is "" where there is nothing but
        comments. Cost: O(characters read)."""
        start, depth, is_empty = self._at, 1, True
        while depth:
            self._effort.step()
            piece = _CEL_PIECE.match(self._text, self._at)
            if piece is None:
                message = "this `{` has no closing `}`"
                raise self._refusal("unterminated-expression", message, *self._local(opening))
            if piece["brace"] == "}" and depth == 1:
                break
            self._at = piece.end()
            if piece["brace"]:
                depth += 1 if piece["brace"] == "{" else -1
            elif piece["quote"]:
                self._cel_string(piece)
            is_empty = is_empty and piece.lastgroup in ("comment", "space")
        raw = self._text[start : self._at]
        self._line_start = max(self._line_start, self._text.rfind("\n", start, self._at) + 1)
        text = "" if is_empty else raw.strip()
        begin = self.source.base + start + (len(raw) - len(raw.lstrip()) if text else 0)
        return text, Span(begin, begin + len(text))

    def _token(self, kind: TokenKind, text: str, start: int) -> Token:
        self._previous = kind
        return Token(kind, text, self.source.base + start, self.source.base + self._at)

    def _local(self, token: Token) -> tuple[int, int]:
        return token.start - self.source.base, token.end - self.source.base

    def _block_comment(self, start: int) -> str:
        """The comment without the indentation its first line has, so that it can be printed at another depth."""
        end = self._text.find("*/", self._at)
        if end < 0:
            raise self._refusal("unterminated-comment", "this `/*` has no closing `*/`", start, start + 2)
        self._at = end + 2
        margin = self._text[self._line_start : start]
        lines = re.split(r"\r\n|\r|\n", self._text[start : self._at])
        if len(lines) > 1:
            self._line_start = self._at - len(lines[-1])
        if margin.strip(" \t"):
            return "\n".join(lines)
        return "\n".join([lines[0], *(line.removeprefix(margin) for line in lines[1:])])

    def _cel_string(self, opening: re.Match[str]) -> None:
        is_raw = opening["prefix"].lower() in _CEL_RAW_PREFIXES
        rest = _CEL_STRING_REST[opening["quote"], is_raw].match(self._text, self._at)
        if rest is None:
            message = f"the string that begins with {opening['quote']} is not closed"
            raise self._refusal("unterminated-string", message, *opening.span("quote"))
        self._at = rest.end()

    def _unreadable(self) -> SchemaInvalid:
        char = self._text[self._at]
        if char in "\"'":
            message = f"the string that begins with {char} is not closed on its line"
            return self._refusal("unterminated-string", message, self._at, self._at + 1)
        meant = _LOOKALIKES.get(char)
        return self._refusal(
            "unexpected-character",
            f"{_named(char)} has no meaning here",
            self._at,
            self._at + 1,
            f"did you mean {meant}?" if meant else "",
        )

    def _refusal(self, code: str, message: str, start: int, end: int, suggestion: str = "") -> SchemaInvalid:
        span = Span(self.source.base + start, self.source.base + end)
        return refusal([Issue("error", code, message, span, self.source, suggestion)])


def _named(char: str) -> str:
    """`é` as U+00E9 and its name: what cannot be seen or told apart must be spelled out."""
    shown = f"`{char}` " if char.isprintable() and not char.isspace() else ""
    name = unicodedata.name(char, "").lower()
    return f"{shown}U+{ord(char):04X}" + (f" ({name})" if name else "")
