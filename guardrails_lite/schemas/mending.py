"""Reading JSON that is almost JSON, with a ledger of every change.

The reader follows the JSON grammar and bends it in named places only: comments, trailing commas, other
quotes, unquoted keys, Python's literals, raw control characters, stray escapes. Each is an `Edit`. Three of
them are guesses (a missing comma, a quote inside a string, an unknown escape); they are marked lossy, with
the place they touched, and the schema decides whether that place may be guessed at.

What it never does: close what was not closed, invent a value, drop one, choose between two, or turn a
number that JSON does not have into one that it has. Each character is looked at a bounded number of times.
"""

from __future__ import annotations

import bisect
import json
import re
from dataclasses import dataclass, field
from typing import NoReturn

from guardrails_lite._nesting import MAX_DEPTH
from guardrails_lite.schemas.problems import Code, Edit, EditKind, Pointer
from guardrails_lite.schemas.reading import Fault, Refused, unquote

_SPACE = re.compile(r"[ \t\r\n]*")
_OTHER_SPACE = re.compile(r"[\f\v\u0085\u00a0\u2000-\u200b\u2028\u2029\u3000\ufeff]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_STRICT_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_WORDS = {
    "true": "true",
    "false": "false",
    "null": "null",
    "True": "true",
    "False": "false",
    "None": "null",
}
_NOT_NUMBERS = frozenset({"NaN", "nan", "Infinity", "inf", "Inf"})
_CLOSING = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
_PLAIN = {
    quote: re.compile(rf"[^{quote}\\\x00-\x1f\"\ud800-\udfff]+") for quote in ('"', "'", "\u201d", "\u2019")
}
_ESCAPES = frozenset('"\\/bfnrt')
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_NEXT_KEY = re.compile(r'"[^"\\\n]{0,200}"\s{0,20}:')
_MAX_REPEATED = 64
_MAX_GUESSES = 32
"""Past these a text is not almost JSON."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A value that was read, as strict JSON."""

    text: str
    """Strict JSON, without white space between tokens."""
    end: int
    """Where in the source the value ended."""
    edits: tuple[Edit, ...]
    guessed: tuple[Pointer, ...]
    """The places that lossy edits touched."""
    marks: tuple[tuple[int, int], ...] = field(repr=False)
    """Pairs of an offset in `text` and its offset in the source, rising."""

    def source(self, offset: int) -> int:
        """Where in the source an offset of `text` comes from."""
        at = bisect.bisect_right(self.marks, (offset, 1 << 60)) - 1
        return self.marks[max(at, 0)][1] if self.marks else 0


def mend(text: str, start: int = 0) -> Mended:
    """Read one value that begins at *start* (white space and comments may come first).

    Raises:
        Refused: there is no value there that can be read without inventing something.
    """
    return _Mender(text, start).value()


@dataclass(slots=True)
class _Level:
    """An object or array that is open."""

    closer: str
    name: str | int
    """The key or index of the member being read."""
    opened_at: int
    member_at: int = 0
    """Index in the output of the first piece of the member being read."""
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    repeated: bool = False
    count: int = 0


class _Mender:
    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.at = start
        self.out: list[str] = []
        self.sources: list[int] = []
        self.edits: list[Edit] = []
        self.guessed: list[Pointer] = []
        self.levels: list[_Level] = []
        self.repeats = 0
        self.begun = False
        """A comma or a colon was read: it is JSON, if broken, and not a bracket in prose."""

    def value(self) -> Mended:
        while True:
            self.space()
            if self.begins_container():
                continue
            if self.levels and self.text.startswith(self.levels[-1].closer, self.at):
                self.close()
            else:
                self.scalar()
            if self.after_value():
                break
        marks = []
        length = 0
        for piece, source in zip(self.out, self.sources, strict=True):
            marks.append((length, source))
            length += len(piece)
        return Mended("".join(self.out), self.at, tuple(self.edits), tuple(self.guessed), tuple(marks))

    # -- the grammar ---------------------------------------------------------------------------------

    def begins_container(self) -> bool:
        """Enter an object or array; True when a member should be read next."""
        opener = self.text[self.at : self.at + 1]
        if opener not in ("{", "["):
            return False
        if len(self.levels) >= MAX_DEPTH:
            self.refuse("too deep", f"at most {MAX_DEPTH} levels of nesting")
        self.levels.append(_Level("}" if opener == "{" else "]", "" if opener == "{" else 0, len(self.out)))
        self.emit(opener)
        self.at += 1
        self.space()
        if self.text.startswith(self.levels[-1].closer, self.at):
            return False
        self.begin_member()
        return True

    def close(self) -> None:
        self.emit(self.levels.pop().closer)
        self.at += 1

    def after_value(self) -> bool:
        """Go on to the next member, closing what closes; True when the whole value is read."""
        while self.levels:
            level = self.levels[-1]
            self.end_member(level)
            before = self.at
            self.space()
            here = self.text[self.at : self.at + 1]
            if here == level.closer:
                self.close()
                continue
            if here == "":
                self.refuse("cut off", "a complete value: it ends before it is closed")
            comma = self.at
            if here == ",":
                self.begun = True
                self.at += 1
                self.space()
                if self.text.startswith(level.closer, self.at):
                    self.note("trailing comma", comma)
                    self.close()
                    continue
            elif level.closer == "}" and _NEXT_KEY.match(self.text, self.at):
                self.guess("missing comma", before)
            else:
                self.refuse("not json", f"a comma or {level.closer!r}")
            self.emit(",")
            if isinstance(level.name, int):
                level.name += 1
            self.begin_member()
            return False
        return True

    def begin_member(self) -> None:
        level = self.levels[-1]
        level.member_at = len(self.out)
        level.count += 1
        if level.closer == "]":
            return
        self.space()
        quoted = self.text[self.at : self.at + 1] in _CLOSING
        if quoted:
            self.string(is_key=True)
        else:
            word = _WORD.match(self.text, self.at)
            if word is None:
                self.refuse("cut off" if self.at >= len(self.text) else "not json", "a property name")
            self.note("unquoted key", self.at)
            self.emit(json.dumps(word.group()))
            self.at = word.end()
        level.name = unquote("".join(self.out[level.member_at :]))
        level.repeated = level.name in level.members
        self.space()
        if not self.text.startswith(":", self.at):
            self.refuse("cut off" if self.at >= len(self.text) else "not json", "a colon after the name")
        self.begun = True
        self.emit(":")
        self.at += 1

    def end_member(self, level: _Level) -> None:
        """Remember the member; drop it if it repeats an earlier one exactly."""
        if level.closer != "}" or level.count == 0:
            return
        name = str(level.name)
        member = (level.member_at, len(self.out))
        if not level.repeated:
            level.members[name] = member
            return
        self.repeats += 1
        first = level.members[name]
        same = "".join(self.out[slice(*first)]) == "".join(self.out[slice(*member)])
        if not same or self.repeats > _MAX_REPEATED:
            self.at = self.sources[level.member_at]
            self.refuse("duplicate key", "each property once")
        self.note("repeated member", self.sources[level.member_at])
        # The comma before the member goes with it.
        del self.out[level.member_at - 1 :]
        del self.sources[level.member_at - 1 :]
        level.repeated = False

    def scalar(self) -> None:
        here = self.text[self.at : self.at + 1]
        if here in _CLOSING and here:
            self.string(is_key=False)
            return
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            self.number(number.group())
            return
        word = _WORD.match(self.text, self.at)
        if word is not None and word.group() in _WORDS:
            literal = _WORDS[word.group()]
            if literal != word.group():
                self.note("python literal", self.at)
            self.emit(literal)
            self.at = word.end()
            return
        if (word is not None and word.group() in _NOT_NUMBERS) or self.text.startswith("-I", self.at):
            self.refuse("not finite", "finite numbers")
        if here == "":
            self.refuse("cut off", "a complete value: it ends before it is closed")
        self.refuse("not json", "a JSON value")

    def number(self, token: str) -> None:
        end = self.at + len(token)
        after = self.text[end : end + 1]
        strict = token.removeprefix("+")
        if strict.startswith((".", "-.")):
            strict = strict.replace(".", "0.", 1)
        strict = re.sub(r"\.(?!\d)", ".0", strict)
        if not _STRICT_NUMBER.match(strict) or after.isalnum() or after in ("_", "."):
            self.refuse("not json", "a JSON number")
        if abs(float(strict)) == float("inf"):
            self.refuse("not finite", "finite numbers")
        if strict != token:
            self.note("number form", self.at)
        self.emit(strict)
        self.at = end

    def string(self, *, is_key: bool) -> None:
        text, opened_at = self.text, self.at
        opener = text[opened_at]
        quote = _CLOSING[opener]
        if opener != '"':
            self.note("quotes", opened_at)
        pieces = ['"']
        at = opened_at + 1
        while True:
            plain = _PLAIN[quote].match(text, at)
            if plain is not None:
                pieces.append(plain.group())
                at = plain.end()
            here = text[at : at + 1]
            if here == "":
                self.at = len(text)
                self.refuse("cut off", "a complete string: it ends before it is closed")
            self.at = at
            if here == quote:
                if self.ends_string(at + 1, is_key=is_key):
                    break
                self.guess("inner quote", at)
                pieces.append('\\"' if quote == '"' else quote)
                at += 1
            elif here == "\\":
                piece, at = self.escape(at)
                pieces.append(piece)
            elif here == '"':
                pieces.append('\\"')
                at += 1
            elif "\ud800" <= here <= "\udfff":
                self.refuse("lone surrogate", "text without lone surrogates")
            else:
                self.note("control character", at)
                pieces.append(json.dumps(here)[1:-1])
                at += 1
        pieces.append('"')
        self.emit("".join(pieces), opened_at)
        self.at = at + 1

    def ends_string(self, after: int, *, is_key: bool) -> bool:
        """Whether a closing quote before *after* closes its string, by what comes next."""
        after = _SPACE.match(self.text, after).end()  # type: ignore[union-attr]  # it matches anything
        follows = self.text[after : after + 1]
        if not self.levels or follows in ("", ",", "}", "]", "/", "#"):
            return True
        if is_key or follows == ":":
            return True
        return self.levels[-1].closer == "}" and _NEXT_KEY.match(self.text, after) is not None

    def escape(self, at: int) -> tuple[str, int]:
        """The strict form of the escape at *at*, and where it ends."""
        text = self.text
        kind = text[at + 1 : at + 2]
        if kind in _ESCAPES and kind:
            return text[at : at + 2], at + 2
        if kind == "u":
            unit = _HEX.match(text, at + 2)
            if unit is None:
                self.refuse("not json", "four hexadecimal digits after \\u")
            code = int(unit.group(), 16)
            if 0xD800 <= code < 0xDC00 and text.startswith("\\u", at + 6):
                low = _HEX.match(text, at + 8)
                if low is not None and 0xDC00 <= int(low.group(), 16) < 0xE000:
                    return text[at : at + 12], at + 12
            if 0xD800 <= code < 0xE000:
                self.refuse("lone surrogate", "text without lone surrogates")
            return text[at : at + 6], at + 6
        if kind == "'":
            self.note("escape", at)
            return "'", at + 2
        if kind == "":
            self.at = len(text)
            self.refuse("cut off", "a complete string: it ends before it is closed")
        self.guess("escape", at)
        return "\\\\", at + 1

    def space(self) -> None:
        """Skip white space and comments."""
        text = self.text
        while True:
            self.at = _SPACE.match(text, self.at).end()  # type: ignore[union-attr]  # it matches anything
            if text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                if end < 0:
                    self.refuse("cut off", "a comment that is closed")
                end += 2
            elif text.startswith(("//", "#"), self.at) and self.levels:
                end = text.find("\n", self.at)
                end = len(text) if end < 0 else end
            else:
                blank = _OTHER_SPACE.match(text, self.at)
                if blank is None:
                    return
                mark = self.at == 0 and text.startswith("\ufeff")
                self.note("byte order mark" if mark else "white space", self.at)
                self.at = blank.end()
                continue
            self.note("comment", self.at)
            self.at = end

    # -- the ledger ----------------------------------------------------------------------------------

    def emit(self, piece: str, source: int | None = None) -> None:
        self.out.append(piece)
        self.sources.append(self.at if source is None else source)

    def note(self, kind: EditKind, offset: int) -> None:
        self.edits.append(Edit(kind, offset))

    def guess(self, kind: EditKind, offset: int) -> None:
        if len(self.guessed) >= _MAX_GUESSES:
            self.refuse("not json", "valid JSON")
        self.edits.append(Edit(kind, offset, lossless=False))
        self.guessed.append(tuple(level.name for level in self.levels))

    def refuse(self, code: Code, expectation: str) -> NoReturn:
        begun = self.begun or (code == "cut off" and bool(self.levels))
        raise Refused(Fault(code, self.at, expectation, begun))
