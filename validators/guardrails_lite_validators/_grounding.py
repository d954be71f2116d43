"""`grounding`: numbers, dates, quotes, links and names in a reply that its context does not have.

Deterministic: it tells what was not given, not what is untrue. What the model worked out from the context
(a sum, a difference) was not given either.
"""

# ruff: noqa: E501 - tables of words and patterns read best with long rows

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from guardrails_lite import Call, ConfigError, Finding, Validator, validator

KINDS = {
    "date": "states a date that was not given",
    "link": "gives a link that was not given",
    "name": "names what was not named",
    "number": "states a number that was not given",
    "quote": "quotes what was not said",
}
_NUMBER = re.compile(
    r"(?<![\w.,])[-+\u2212]?\d{1,3}(?:[,' \u202f]\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:[.,]\d+)?(?![\w])"
)
_LINK = re.compile(r"(?i)(?:https?://|www\.)[^\s<>\"'`)\]}|\\]{3,300}")
_QUOTE = re.compile('["\u201c\u201e\u00ab]([^"\u201c\u201d\u201e\u00ab\u00bb]{12,300})["\u201d\u201c\u00bb]')
_NAME = re.compile(
    r"(?<![\w.])[^\W\d_a-zß-öø-ÿ][^\W\d_]{1,30}(?:[ -](?:(?:of|de|van|von|the|la|del) )?[^\W\d_a-zß-öø-ÿ][^\W\d_]{1,30}){1,3}"
)
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "|".join(rf"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_DATE = re.compile(
    rf"(?i)(?<!\w)(?:(?P<y1>\d{{4}})-(?P<m1>\d{{1,2}})-(?P<d1>\d{{1,2}})|(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m2>{_MONTH})\.?,? (?P<y2>\d{{4}})"
    rf"|(?P<m3>{_MONTH})\.? (?P<d3>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y3>\d{{4}}))(?!\w)"
)
_SPELLED = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
SMALLEST = 13
"""Whole numbers below it come up by counting, and are not looked at."""


def grounding(context: Iterable[str] | None = None, /, *, kinds: Iterable[str] | None = None) -> Validator:
    """Find numbers, dates, quotes, links and names that the context does not contain. For the output side.

    Numbers are compared by value (``1,200`` and ``1200``), dates in any of four formats, quotes without case
    and punctuation, and names word by word. Whole numbers up to twelve are ignored.

    Args:
        context: The texts that a reply may draw on; default: everything in the messages of the call.
        kinds: Which of `KINDS` to look for; default: all but ``"name"``, which is often wrong.

    Raises:
        ConfigError: an unknown kind, or a single string as the context.
    """
    if isinstance(context, str):
        raise ConfigError(
            "context of grounding(...) is a single string; expected a list. Put it in brackets."
        )
    chosen = (
        frozenset(KINDS) - {"name"}
        if kinds is None
        else frozenset((kinds,) if isinstance(kinds, str) else kinds)
    )
    if not chosen or not chosen <= KINDS.keys():
        raise ConfigError(
            f"kinds={sorted(chosen)!r} of grounding(...): expected some of {', '.join(sorted(KINDS))}"
        )
    texts = None if context is None else tuple(context)
    params = {} if kinds is None else {"kinds": sorted(chosen)}

    @validator(name="grounding", params=params, private=None if texts is None else {"context": texts})
    def find(text: str, call: Call) -> Iterator[Finding]:
        claims = [claim for claim in _claims(text) if claim[0] in chosen]
        if not claims:
            return
        given = _Given("\n".join(_said(call) if texts is None else texts))
        for kind, start, end, told in claims:
            if not given.has(kind, told):
                yield Finding(KINDS[kind], span=(start, end), category=f"UNGROUNDED_{kind.upper()}")

    return find


def _said(call: Call) -> Iterator[str]:
    """Every text in the messages of a call."""
    pending: list[object] = list(call.messages)
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)


def _claims(text: str) -> Iterator[tuple[str, int, int, str]]:
    """What a reply states: the kind, where, and the form in which it is compared."""
    taken = bytearray(len(text))
    for found in _LINK.finditer(text):
        _mark(taken, found)
        link = found.group().rstrip(".,;:!?")
        yield "link", found.start(), found.start() + len(link), _plain_link(link)
    for found in _DATE.finditer(text):
        _mark(taken, found)
        yield "date", *found.span(), _date(found)
    for found in _NUMBER.finditer(text):
        if taken[found.start()] or _is_list_mark(text, found):
            continue
        value = _number(found.group())
        if not value.isdigit() or len(value) > 2 or int(value) >= SMALLEST:
            yield "number", *found.span(), value
    for found in _QUOTE.finditer(text):
        if len(found[1].split()) >= 3:
            yield "quote", *found.span(1), _folded(found[1])
    for found in _NAME.finditer(text):
        yield "name", *found.span(), _folded(found.group())


def _is_list_mark(text: str, found: re.Match[str]) -> bool:
    before = text[max(found.start() - 8, 0) : found.start()].rstrip(" \t")
    return text[found.end() : found.end() + 1] in (".", ")") and before[-1:] in ("", "\n")


def _mark(taken: bytearray, found: re.Match[str]) -> None:
    start, end = found.span()
    taken[start:end] = b"\1" * (end - start)


def _number(text: str) -> str:
    plain = re.sub(r"(?<=\d)[,' \u202f](?=\d{3}(?!\d))", "", text.lstrip("+-\u2212")).replace(",", ".")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0") or "0"


def _date(found: re.Match[str]) -> str:
    year, month, day = (
        next(found[f"{part}{form}"] for form in "123" if found[f"{part}{form}"]) for part in "ymd"
    )
    number = (
        int(month)
        if month.isdigit()
        else next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(month[:3].lower()))
    )
    return f"{int(year):04}-{number:02}-{int(day):02}"


def _plain_link(link: str) -> str:
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", link.lower()).rstrip("/")


def _folded(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower()))


class _Given:
    """What the context has, each kind in the form in which it is compared; worked out when asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[str, frozenset[str] | str] = {}

    def has(self, kind: str, told: str) -> bool:
        if kind not in self._known:
            self._known[kind] = self._all(kind)
        if kind == "name":
            return all(word in self._known[kind] for word in told.split())
        return told in self._known[kind]

    def _all(self, kind: str) -> frozenset[str] | str:
        if kind == "quote":
            return _folded(self._text)
        if kind == "name":
            return frozenset(_folded(self._text).split())
        if kind == "link":
            return frozenset(
                _plain_link(found.group().rstrip(".,;:!?")) for found in _LINK.finditer(self._text)
            )
        if kind == "date":
            return frozenset(map(_date, _DATE.finditer(self._text)))
        spelled = (str(_SPELLED.index(word)) for word in self._text.lower().split() if word in _SPELLED)
        return frozenset((*(_number(found.group()) for found in _NUMBER.finditer(self._text)), *spelled))
