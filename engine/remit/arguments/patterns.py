r"""The regular expressions of a schema, read as ECMA 262 has them and written out, so that engines agree about them.

An engine that backtracks can be held for hours by one value, so those that judge here are linear: RE2, and Rust's
`regex`. They disagree with ECMA 262, and with each other, about what `\d`, `.`, `\b` or an escape is. So a pattern is
written out in characters and classes alone, and what cannot be is refused by name.
Law: what is written out finds in every engine what the pattern finds by ECMA 262 with the flag `u`."""

from __future__ import annotations

from typing import final

CHARACTERS_MAX = 512
DEPTH_MAX = 16  # of groups in one another
SIZE_MAX = 1_000  # characters and classes, each as often as it is repeated: RE2 repeats nothing more often

_SYNTAX = frozenset("^$\\.*+?()[]{}|/-")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_DIGIT = "0-9"
_WORD = "0-9A-Z_a-z"
_SPACE = "\\t-\\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_LINE_ENDS = "\\n\\r\u2028\u2029"
_CLASSES = {
    "d": f"[{_DIGIT}]", "D": f"[^{_DIGIT}]", "w": f"[{_WORD}]", "W": f"[^{_WORD}]", "s": f"[{_SPACE}]",
    "S": f"[^{_SPACE}]",
}  # fmt: skip
_WITHIN_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class PatternRefused(Exception):
    """Why a pattern is not read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def written_out(pattern: str) -> str:
    """The pattern in characters and classes alone. Raises PatternRefused. Cost: O(characters)."""
    if len(pattern) > CHARACTERS_MAX:
        raise PatternRefused(f"has {len(pattern)} characters, and may have {CHARACTERS_MAX}")
    reader = _Reader(pattern)
    text, _ = reader.alternatives(0)
    if reader.next:
        raise PatternRefused(f"has a `)` at {reader.at} that nothing opened")
    return text


@final
class _Reader:
    """Reads one pattern. What it has read is its text written out, and how large that is."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    @property
    def next(self) -> str:
        """The next character, "" at the end."""
        return self.pattern[self.at : self.at + 1]

    def takes(self, text: str) -> bool:
        """Whether this stands next, which is passed over then."""
        is_next = self.pattern.startswith(text, self.at)
        self.at += len(text) if is_next else 0
        return is_next

    def alternatives(self, depth: int) -> tuple[str, int]:
        texts, size = [], 0
        while True:
            text, more = self.sequence(depth)
            texts.append(text)
            size += more
            if not self.takes("|"):
                return "|".join(texts), size

    def sequence(self, depth: int) -> tuple[str, int]:
        texts, size = [], 0
        while self.next and self.next not in "|)":
            if self.takes("^"):
                text, more = "^", 0
            elif self.takes("$"):
                text, more = "$", 0
            else:
                text, more = self.repeated(*self.atom(depth))
            texts.append(text)
            size += more
            if size > SIZE_MAX:
                raise PatternRefused(f"stands for more than {SIZE_MAX} characters; say `maxLength` beside it")
        return "".join(texts), size

    def atom(self, depth: int) -> tuple[str, int]:
        start, c = self.at, self.next
        self.at += 1
        match c:
            case ".":
                return f"[^{_LINE_ENDS}]", 1
            case "(":
                return self.group(depth + 1)
            case "[":
                return self.a_class()
            case "\\":
                letter = self.next
                if letter in _CLASSES:
                    self.at += 1
                    return _CLASSES[letter], 1
                return _plain(self.escaped()), 1
            case "*" | "+" | "?":
                raise PatternRefused(f"has a `{c}` at {start} that repeats nothing")
            case "]" | "{" | "}":
                raise PatternRefused(f"has a `{c}` at {start}; write `\\{c}`")
        return _plain(c), 1

    def group(self, depth: int) -> tuple[str, int]:
        start = self.at - 1
        if depth > DEPTH_MAX:
            raise PatternRefused(f"has groups more than {DEPTH_MAX} deep")
        if not self.takes("?:") and self.next == "?":
            kind = self.pattern[start : start + 4]
            raise PatternRefused(f"has a group `{kind}` at {start}, which not every engine has; use `(` and `(?:`")
        text, size = self.alternatives(depth)
        if not self.takes(")"):
            raise PatternRefused(f"has a `(` at {start} that nothing closes")
        return f"(?:{text})", max(size, 1)

    def repeated(self, text: str, size: int) -> tuple[str, int]:
        start = self.at
        times = 1
        if self.next and self.next in "*+?":
            text += self.next
            self.at += 1
        elif self.takes("{"):
            least = most = self.number()
            has_end = True
            if self.takes(","):
                has_end = self.next != "}"
                most = self.number() if has_end else least
            if not self.takes("}") or most < least:
                raise PatternRefused(f"has a `{{` at {start} that is no repetition; write `\\{{`")
            text += f"{{{least}}}" if has_end and most == least else f"{{{least},{most if has_end else ''}}}"
            times = max(most + (not has_end), 1)
        else:
            return text, size
        self.takes("?")  # as little of it as will do: the same is found
        if self.next and self.next in "*+?{":
            raise PatternRefused(f"has a `{self.next}` at {self.at} that repeats a repetition; put it into a group")
        return text, size * times

    def number(self) -> int:
        start = self.at
        while self.next and self.next in "0123456789":
            self.at += 1
        digits = self.pattern[start : self.at]
        if not 1 <= len(digits) <= 4:
            raise PatternRefused(f"has a `{{` before {start} that is no repetition of at most {SIZE_MAX}; write `\\{{`")
        return int(digits)

    def a_class(self) -> tuple[str, int]:
        start = self.at - 1
        text = "[^" if self.takes("^") else "["
        if self.next == "]":
            raise PatternRefused(f"has a class at {start} of no characters")
        while not self.takes("]"):
            first = self.of_a_class(start)
            is_range = self.next == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", "")
            if not is_range:
                text += first if len(first) != 1 else _within_class(first)
                continue
            self.at += 1
            last = self.of_a_class(start)
            if len(first) != 1 or len(last) != 1 or first > last:
                raise PatternRefused(f"has a class at {start} with a `-` that is no range; write `\\-`")
            text += f"{_within_class(first)}-{_within_class(last)}"
        return f"{text}]", 1

    def of_a_class(self, start: int) -> str:
        """A character, or what stands for several."""
        c = self.next
        self.at += 1
        if not c:
            raise PatternRefused(f"has a `[` at {start} that nothing closes")
        if c == "[":
            raise PatternRefused(f"has a `[` at {self.at - 1} in a class; write `\\[`")
        if c != "\\":
            return c
        if (letter := self.next) in _WITHIN_CLASSES:
            self.at += 1
            return _WITHIN_CLASSES[letter]
        return self.escaped()

    def escaped(self) -> str:
        """The character that what follows a backslash stands for."""
        start, letter = self.at - 1, self.next
        self.at += 1
        if not letter:
            raise PatternRefused("ends with a backslash")
        if letter in _SYNTAX:
            return letter
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in "xu":
            count = 2 if letter == "x" else 4
            digits = self.pattern[self.at : self.at + count]
            point = int(digits, 16) if len(digits) == count and _HEX_DIGITS.issuperset(digits) else 0
            if point and not 0xD800 <= point < 0xE000:
                self.at += count
                return chr(point)
        raise PatternRefused(
            f"has `{self.pattern[start : start + 2]}` at {start}, which not every engine reads alike; write the "
            "characters that are meant"
        )


_OUTSIDE = {c: f"\\{c}" for c in "^$\\.*+?()[]{}|"} | {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_WITHIN = {c: f"\\{c}" for c in "^\\[]-&~"} | {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _plain(c: str) -> str:
    return _OUTSIDE.get(c, c)


def _within_class(c: str) -> str:
    return _WITHIN.get(c, c)
