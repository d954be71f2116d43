"""The search behind `pii`: which places of a text are tried, and as what.

One pass stops at the groups of digits; what could begin something is told by a few characters behind them.
Each place is judged by a bounded piece of text around it, whatever else the text holds.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from guardrails_lite_validators._identifiers import named
from guardrails_lite_validators._pieces import pieces_of
from guardrails_lite_validators._pii_accounts import cards, ibans, wallets
from guardrails_lite_validators._pii_addresses import emails, ipv4s, ipv6s, links, macs
from guardrails_lite_validators._pii_dates import births
from guardrails_lite_validators._pii_phones import phones

Candidate = tuple[str, int, int, float]

_LONG = 7
# What makes a shorter group of digits part of something longer, at its end.
_GOES_ON = re.compile(
    r"[ .\-/()+]{1,3}[0-9]| [A-Z](?![A-Za-z])|[ -][A-Z]{4}[ -]?[0-9]"
    r"|[A-Za-z][0-9A-Za-z]{2}|(?<=[0-9]{4})[A-Za-z]|\(A\)"
)
_JOINTS = ".-/"
_TYPESET = re.compile("[\u00a0\u2000-\u200a\u2010-\u2013\u202f\u205f\u2212\u3000\uff01-\uff5e]")
_AS_TYPED = (
    dict.fromkeys(map(chr, (0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)), " ")
    | dict.fromkeys(map(chr, (*range(0x2010, 0x2014), 0x2212)), "-")
    | {chr(0xFF01 + place): chr(0x21 + place) for place in range(94)}
)
"""Blanks and hyphens of typesetters, and full-width characters: each as the one that a keyboard has."""
_RUN = re.compile(r"[0-9]+(?:[ .\-/()]{1,3}[0-9]+){0,12}")
_SEPARATORS = dict.fromkeys(map(ord, " .-/()"))
_TOKEN = re.compile(r"[0-9A-Za-z_]{1,42}")
_LEAD = re.compile(r"(?<![0-9A-Za-z_])(?:[A-Za-z]{2}[ -]|[A-Za-z]-)$")
_LONGEST_TOKEN = 40


def candidates(text: str) -> Iterator[Candidate]:
    """Everything that may be personal data: entity, start, end and score."""
    if not text.isascii():
        for sign in frozenset(_TYPESET.findall(text)):  # few: quicker than one look at each character
            text = text.replace(sign, _AS_TYPED[sign])
    if "@" in text:
        yield from emails(text)
    if ("/" in text and "://" in text) or "www." in text:
        yield from links(text)
    if ":" in text:
        yield from ipv6s(text)
    yield from macs(text)
    groups = pieces_of(text).digits
    if not groups:
        return
    yield from births(text, groups)
    done = -1
    for start, end in groups:
        if start < done:
            continue
        before = text[start - 1] if start else " "
        if before in _JOINTS and start > 1 and text[start - 2].isdigit():
            continue  # a later part of a number that was tried from its beginning
        if end - start < _LONG and _GOES_ON.match(text, end) is None:
            continue
        if before.isalnum() or before == "_":
            done = yield from _word(text, start)
        else:
            yield from _number(text, start, end, before)


def _number(text: str, start: int, digits_end: int, before: str) -> Iterator[Candidate]:
    """What may begin at a group of digits that begins a word."""
    after = text[digits_end : digits_end + 1]
    run = _RUN.match(text, start)
    assert run is not None
    size = len(run.group().translate(_SEPARATORS))
    if after == ".":
        yield from ipv4s(text, start)
    if size < 7 and not after.isalpha():
        yield from _lettered(text, start, before)
        return
    if _is_joined(text, start):
        return
    if size >= 12:
        yield from cards(text, start)
    if size >= 7:
        yield from phones(text, start)
    if after.isalpha():
        yield from wallets(text, start)
    yield from _lettered(text, start, before)
    yield from named(text, start)


def _lettered(text: str, start: int, before: str) -> Iterator[Candidate]:
    """What begins with one or two letters set apart from the digits: ``AB 12 34 56 C``, ``X-1234567-L``."""
    lead = _LEAD.search(text, max(start - 3, 0), start) if before in " -" else None
    if lead is not None:
        yield from ibans(text, lead.start())
        yield from named(text, lead.start())


def _word(text: str, start: int) -> Generator[Candidate, None, int]:
    """What begins where the word begins that holds a group of digits; returns where that word ends."""
    first = start
    stop = max(start - _LONGEST_TOKEN, 0)
    while first > stop and (text[first - 1].isalnum() or text[first - 1] == "_"):
        first -= 1
    token = _TOKEN.match(text, first)
    if token is None:
        return start
    size = token.end() - first
    if _is_joined(text, first):
        return token.end()
    if text[first : first + 2].isalpha():
        yield from ibans(text, first)
    if size > 25:
        yield from wallets(text, first)
    if size <= _LONGEST_TOKEN:
        yield from named(text, first)
    return token.end()


def _is_joined(text: str, start: int) -> bool:
    """Whether what stands before makes this the middle of something longer."""
    if start < 2 or text[start - 1] not in ".-/,:":
        return False
    before = text[start - 2]
    if before.isdigit():
        return True
    return (
        text[start - 1] in "-/"
        and before.isalpha()
        and any(map(str.isdigit, text[max(start - 6, 0) : start - 1]))
    )
