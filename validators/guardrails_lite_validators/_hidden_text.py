"""`hidden_text`: characters that a model reads and a person does not see.

Legitimate use is left alone: emoji with joiners, selectors and flags; joiners in Indic, Arabic and
Persian words; zero-width breaks in Khmer, Thai and Lao; direction marks beside right-to-left letters;
a byte-order mark at the start. Accents are not hidden and are never touched.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._spans import outermost

KINDS = ("bidi", "confusable", "control", "selector", "surrogate", "tag", "zero_width")
_NEAR = 64
_LONGEST_WORD = 40

_MESSAGES = {
    "bidi": "hides or reorders text with direction marks",
    "confusable": "mixes look-alike letters of another script into a word",
    "control": "has control characters that do not show",
    "selector": "has variation selectors where they select nothing",
    "surrogate": "has half of a surrogate pair, which is no character",
    "tag": "has invisible tag characters",
    "zero_width": "has zero-width characters that join nothing",
}


def hidden_text(*, kinds: Iterable[str] = KINDS) -> Validator:
    """Find invisible and look-alike characters; redacting removes them and keeps what was visible.

    Args:
        kinds: Which of ``"bidi"``, ``"confusable"`` (Cyrillic or Greek letters inside a Latin word),
            ``"control"``, ``"selector"``, ``"surrogate"``, ``"tag"`` and ``"zero_width"``.

    Raises:
        ConfigError: an unknown kind, or none.
    """
    chosen = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    unknown = set(chosen).difference(KINDS)
    if unknown or not chosen:
        raise ConfigError(f"kinds={chosen!r} of hidden_text(...): expected some of {', '.join(KINDS)}")

    @validator(
        name="hidden_text",
        window=2 * _NEAR + 66,
        params={} if set(chosen) == set(KINDS) else {"kinds": sorted(chosen)},
    )
    def find(text: str) -> list[Finding]:
        return outermost(
            Finding(
                _MESSAGES[kind], span=span, category=f"HIDDEN_{kind.upper()}", score=0.9, replacement=shown
            )
            for kind, span, shown in hidden_parts(text)
            if kind in chosen
        )

    return find


def hidden_parts(text: str) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Each hidden part: its kind, its span, and what a reader would have seen there."""
    is_ascii = text.isascii()
    if is_ascii and not text.encode("ascii").translate(None, _IN_SIGHT):
        return
    tables = _tables()
    for found in tables.control.finditer(text):
        yield "control", found.span(), ""
    if is_ascii:
        return
    first = tables.any_suspect.search(text)
    for found in tables.suspect.finditer(text, first.start()) if first is not None else ():
        start, end = found.span()
        kind = found.lastgroup or ""
        if tables.harmless[kind](text, start, end):
            continue
        yield kind, (start, end), ""
    done = 0
    for found in tables.lookalike.finditer(text):
        at = found.start()
        if at >= done and not (at > _LONGEST_WORD and text[at - _LONGEST_WORD - 1 : at].isalpha()):
            start, done = _word_around(text, at)
            word = text[start:done]
            shown = word.translate(tables.lookalikes)
            if 3 <= len(word) <= _LONGEST_WORD and shown.isascii() and _imitates(text, word, start, done):
                yield "confusable", (start, done), shown


_IN_SIGHT = bytes((*range(9, 14), *range(32, 127)))
"""The characters of ASCII that show, or that lay text out; a text of these alone is done with one look."""


def _imitates(text: str, word: str, start: int, end: int) -> bool:
    """Whether a word of look-alikes has Latin letters, or stands among Latin words only."""
    if any(map(str.isascii, word)):
        return True
    near = text[max(start - _NEAR, 0) : start] + text[end : end + _NEAR]
    return len(word) > 3 and _LATIN.search(near) is not None and _OWN_SCRIPT.search(near) is None


_LATIN = re.compile("[a-z]{3}")
_OWN_SCRIPT = re.compile("[\u0370-\u03ff\u0400-\u04ff]")


def _word_around(text: str, at: int) -> tuple[int, int]:
    start, end = at, at + 1
    while start > 0 and at - start <= _LONGEST_WORD and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and end - start <= _LONGEST_WORD and text[end].isalpha():
        end += 1
    return start, end


class _Tables:
    """Patterns that are compiled when a text first needs them."""

    def __init__(self) -> None:
        # Colours of terminal output are shown as colours; concealing (8) is not.
        self.control = re.compile(
            r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufff9-\ufffb]"
            r"(?:(?<!\x1b)|(?!\[(?!8m)(?:\d{1,3};){0,4}\d{0,3}m))"
            r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufff9-\ufffb]{0,63}"
        )
        # One class is far quicker to look for than five by turns, and most texts have none of them.
        self.any_suspect = re.compile(
            "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff"
            "\ufe00-\ufe0f\ufeff\uffa0\U0001d173-\U0001d17a\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
        )
        self.suspect = re.compile(
            "(?P<tag>[\U000e0000-\U000e007f]{1,64})"
            "|(?P<selector>[\ufe00-\ufe0f\U000e0100-\U000e01ef]{1,64})"
            "|(?P<zero_width>[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f"
            "\u3164\ufeff\uffa0\U0001d173-\U0001d17a]{1,64})"
            "|(?P<bidi>[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]{1,64})"
            "|(?P<surrogate>[\ud800-\udfff]{1,64})"
        )
        self.lookalikes = str.maketrans(LOOKALIKES)
        self.lookalike = re.compile(f"[{''.join(LOOKALIKES)}]")
        self.harmless: dict[str, Callable[[str, int, int], bool]] = {
            "tag": _is_flag,
            "selector": _selects,
            "zero_width": _joins,
            "bidi": _directs,
            "surrogate": _never,
        }


@functools.cache
def _tables() -> _Tables:
    return _Tables()


LOOKALIKES = {
    **dict(zip("аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅ", "aeopcyxijshdqwABEKMHOPCTYXIJS", strict=True)),
    **dict(zip("οαινυρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oaivupABEZHIKMNOPTYX", strict=True)),
}
"""Cyrillic and Greek letters that print like a Latin one."""


def _never(text: str, start: int, end: int) -> bool:
    return False


def _is_flag(text: str, start: int, end: int) -> bool:
    """England, Scotland, Wales and the like: a black flag, a region in tags, the closing tag."""
    region = "".join(chr(ord(tag) - 0xE0000) for tag in text[start : end - 1])
    return (
        start > 0
        and text[start - 1] == "\U0001f3f4"
        and text[end - 1] == "\U000e007f"
        and 4 <= len(region) <= 6
        and region.isalnum()
    )


def _selects(text: str, start: int, end: int) -> bool:
    """One selector after a symbol, an emoji, a keycap's digit or an ideograph."""
    if end - start > 1 or start == 0:
        return False
    base = text[start - 1]
    if base in "0123456789#*":
        return text[end : end + 1] == "\u20e3"
    return not base.isascii() and not base.isspace()


def _joins(text: str, start: int, end: int) -> bool:
    mark, before, after = text[start:end], text[max(start - 1, 0) : start], text[end : end + 1]
    if end - start > 1:
        return False
    if mark == "\ufeff":
        return start == 0
    if mark == "\u00ad":
        # One soft hyphen in a word is hyphenation; one after each letter is hiding.
        near = text[max(start - 2, 0) : start] + text[end : end + 2]
        return before.isalpha() and after.isalpha() and "\u00ad" not in near
    if mark in "\u200c\u200d":
        return _is_joined_script(before) or (mark == "\u200d" and _is_emoji(before) and _is_emoji(after))
    if mark == "\u200b":
        if not before.strip() and not after.strip():
            return True  # it parts nothing: left over from a formula that was copied
        return _is_unspaced_script(before) or _is_unspaced_script(after)
    if mark == "\u180e":
        return "\u1820" <= before <= "\u18aa"
    if mark in "\u115f\u1160\u3164\uffa0":
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    return False


def _is_joined_script(char: str) -> bool:
    """Arabic, Syriac, N'Ko, Indic, Sinhala, Tibetan, Myanmar, Khmer, Mongolian."""
    return bool(char) and (
        "\u0600" <= char <= "\u08ff"
        or "\u0900" <= char <= "\u0dff"
        or "\u0f00" <= char <= "\u109f"
        or "\u1780" <= char <= "\u18af"
        or "\ufb50" <= char <= "\ufdff"
        or "\ufe70" <= char <= "\ufefe"
    )


def _is_unspaced_script(char: str) -> bool:
    """Scripts that write no spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, CJK."""
    return bool(char) and (
        "\u0e00" <= char <= "\u0fff"
        or "\u1000" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
        or "\u3040" <= char <= "\u9fff"
        or "\u0900" <= char <= "\u0dff"
    )


def _is_emoji(char: str) -> bool:
    return bool(char) and (
        "\U0001f000" <= char <= "\U0001faff"
        or "\u2190" <= char <= "\u2bff"
        or char in "\ufe0f\u20e3\u00a9\u00ae\u3030\u303d"
    )


_RTL = re.compile(
    "[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def _directs(text: str, start: int, end: int) -> bool:
    """A mark beside right-to-left letters; an override never, for no keyboard writes one."""
    if set(text[start:end]) & {"\u202d", "\u202e"}:
        return False
    return end - start <= 4 and bool(_RTL.search(text, max(start - _NEAR, 0), end + _NEAR))
