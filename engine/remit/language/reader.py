"""The parser's hand on the tokens: look at one, take it, expect another, and say what was expected where it is not.

Law: `token` is the only token read ahead, so that what a `use` reserves or a caveat's braces hold is never read
wrongly; every refusal has a place inside the text."""

from __future__ import annotations

from collections.abc import Iterable

from remit.errors import SchemaInvalid
from remit.language.effort import Effort
from remit.language.lexer import Lexer
from remit.language.source import Issue, Source, Span, refusal
from remit.language.tokens import FLAGS, Token, TokenKind
from remit.suggest import did_you_mean

# What other languages write, and what stands for it here.
_FOREIGN = {
    "&&": "did you mean `&`?",
    "||": "`|` joins types, `+` joins permissions",
    "==": "did you mean `=`?",
    "@": "no decorators are defined",
}


class Reader:
    """One source, one token ahead. `flags` are the `use` flags seen so far."""

    def __init__(
        self, source: Source, forbidden_words: frozenset[str] = frozenset(), effort: Effort | None = None
    ) -> None:
        self.source = source
        self.effort = effort or Effort()
        self._forbidden_words = forbidden_words
        self.flags: set[str] = set()
        self._lexer = Lexer(source, self.effort)
        self._comments: list[str] = []
        self._trailing = 0
        self.token = Token(TokenKind.LINE_END, "", source.base, source.base)
        self.last_end = source.base
        self.advance()

    def advance(self) -> Token:
        """Takes the token; the next one becomes `token`."""
        taken = self.token
        self.last_end = taken.end
        self.token = self._lexer.next()
        if self.token.text in self._forbidden_words and self.token.kind is TokenKind.NAME:
            raise self._forbidden()
        self._trailing = len(self._comments) + self._lexer.trailing
        self._comments.extend(self._lexer.comments)
        return taken

    def enable(self, flag: str) -> None:
        """The flag's words are keywords from the token after the next."""
        self.flags.add(flag)
        self._lexer.reserve(FLAGS[flag])

    def expression(self) -> tuple[str, Span]:
        """The CEL text behind the `{` that is `token`, whose closing `}` becomes `token`."""
        text, span = self._lexer.expression(self.token)
        self.advance()
        return text, span

    # --- looking and taking -------------------------------------------------------------------------------------

    def at(self, *kinds: TokenKind) -> bool:
        return self.token.kind in kinds

    def at_keyword(self, word: str) -> bool:
        return self.token.kind is TokenKind.KEYWORD and self.token.text == word

    def at_name(self, *words: str) -> bool:
        return self.token.kind is TokenKind.NAME and self.token.text in words

    def accept(self, kind: TokenKind) -> bool:
        """Takes the token if it is of the kind."""
        if self.token.kind is not kind:
            return False
        self.advance()
        return True

    def expect(self, kind: TokenKind, purpose: str = "") -> Token:
        """Takes a token of the kind, or refuses."""
        if self.token.kind is not kind:
            raise self.unexpected(f"`{kind.value}`" + (f" {purpose}" if purpose else ""))
        return self.advance()

    def name(self, what: str) -> Token:
        """Takes a name, or refuses, saying so where it is a keyword."""
        if self.token.kind is TokenKind.KEYWORD:
            message = f"expected {what}, but `{self.token.text}` is a keyword"
            raise self.refuse("unexpected-token", message, suggestion=self._why_reserved(self.token.text))
        if self.token.kind is not TokenKind.NAME:
            raise self.unexpected(what)
        return self.advance()

    def path(self, what: str) -> tuple[str, Span]:
        """Takes a name with any number of prefixes, `acme/doc`."""
        first = self.name(what)
        names = [first.text]
        while self.accept(TokenKind.SLASH):
            names.append(self.name(f"{what} after `/`").text)
        return "/".join(names), Span(first.start, self.last_end)

    # --- comments -----------------------------------------------------------------------------------------------

    def take_comments(self) -> tuple[str, ...]:
        """Every comment before `token` that nobody has taken."""
        return self._take(len(self._comments))

    def take_trailing(self) -> tuple[str, ...]:
        """Of those, the ones that end the line of the token just taken."""
        return self._take(self._trailing)

    def _take(self, count: int) -> tuple[str, ...]:
        taken = tuple(self._comments[:count])
        del self._comments[:count]
        self._trailing = max(self._trailing - count, 0)
        return taken

    # --- refusing -----------------------------------------------------------------------------------------------

    def unexpected(self, expected: str, candidates: Iterable[str] = (), advice: str = "") -> SchemaInvalid:
        """The refusal of `token` where something else belongs; `advice` is for when no better suggestion is found."""
        suggestion = ""
        if self.token.kind in (TokenKind.NAME, TokenKind.KEYWORD):
            suggestion = did_you_mean(self.token.text, candidates)
        suggestion = suggestion or _FOREIGN.get(self.token.text, "") or advice
        return self.refuse("unexpected-token", f"expected {expected}, found {self.token}", suggestion=suggestion)

    def flag_missing(self, form: str, flag: str, span: Span | None = None) -> SchemaInvalid:
        """The refusal of a form that only a `use` flag allows."""
        advice = f"add `use {flag}` above the first definition"
        return self.refuse("flag-missing", f"{form} needs `use {flag}`", span, advice)

    def refuse(self, code: str, message: str, span: Span | None = None, suggestion: str = "") -> SchemaInvalid:
        """A refusal at the span, or at `token`."""
        return refusal([Issue("error", code, message, span or self.token.span, self.source, suggestion)])

    def _forbidden(self) -> SchemaInvalid:
        word = self.token.text
        flag = next(flag for flag, words in FLAGS.items() if word in words)
        message = f"`{word}` is a name here, but a keyword in another file of this schema, by `use {flag}`"
        return self.refuse("reserved-word", message, suggestion="rename it, or do without that flag there")

    def _why_reserved(self, word: str) -> str:
        flags = [f"`use {flag}`" for flag in FLAGS if flag in self.flags and word in FLAGS[flag]]
        return f"it is one by {' and '.join(flags)}" if flags else ""
