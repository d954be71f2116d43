"""How the phrases of prompt injection are found in a text.

A rule is tried right behind each of its anchors in the folded text (see `_fold`), so a text without
anchors costs one look at its words. `_injection_phrases` says how a rule is written, and has those in
English; `_injection_languages` has the others.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from guardrails_lite_validators._fold import fold
from guardrails_lite_validators._injection_languages import SPACED, UNSPACED
from guardrails_lite_validators._injection_phrases import ENGLISH, MARKED_WORDS, SIGNS
from guardrails_lite_validators._wording import Wording


@dataclass(frozen=True, slots=True)
class PhraseRule:
    """One phrase and the family it belongs to."""

    family: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str] = field(repr=False)
    """Matched where an anchor ends."""
    before: re.Pattern[str] | None = field(default=None, repr=False)
    """Must be found in the `LOOK_BACK` characters before the anchor."""
    needs: tuple[frozenset[str], ...] = ()
    """Groups of words: one word of each group must be in the text."""
    beside: tuple[str, ...] = ()
    """Words of which one must stand beside the anchor, after ``>`` if it follows and ``<`` if it leads."""


LOOK_BACK = 120
REACH = 200
"""So many characters on either side of a phrase are looked at for the ends of its sentence."""

Phrase = tuple[str, tuple[int, int]]
"""The family of a phrase, and its span."""


def evidence(wording: Wording, *, pairs: Set[tuple[str, str]] | None = None) -> Iterator[Phrase]:
    """The family and span of each phrase in a folded text.

    Args:
        wording: The text.
        pairs: Its pairs of words, where they are at hand; any but `pairs_asked` may be missing.
    """
    text, said = wording.text, wording.said
    if pairs is None:
        pairs = wording.pairs
    by_anchor, anchors = _by_anchor()
    spoken = anchors & said
    missing = _missing(said) if spoken else 0
    for anchor in spoken:
        for needs, beside, rule in by_anchor[anchor]:
            if needs & missing or (beside and beside.isdisjoint(pairs)):
                continue
            match, before = rule.pattern.match, rule.before
            for at in wording.places(anchor):
                found = match(text, at + len(anchor))
                if found is None:
                    continue
                start = at
                if before is not None:
                    lead = before.search(text, max(at - LOOK_BACK, 0), at)
                    if lead is None:
                        continue
                    start = lead.start()
                yield rule.family, (start, found.end())
    if not text.isascii():
        for script in _scripts(text):
            for family, parts, pattern in _unspaced().get(script, ()):
                if any(part in text for part in parts) and (found := pattern.search(text)):
                    yield family, found.span()
    for mark, signs in _signs():
        for family, sign, pattern in signs if mark in text else ():
            if sign in text and (found := pattern.search(text)):
                yield family, found.span(found.lastindex or 0)
    if not said.isdisjoint(_words_in_marks()):
        for family, needed, pattern in _marked_words():
            if not said.isdisjoint(needed) and (found := pattern.search(text)):
                yield family, found.span()


def passages(text: str, phrases: Sequence[Phrase]) -> Iterator[tuple[str, list[Phrase]]]:
    """The sentences in which the phrases of a longer text stand, with the phrases in them.

    A page hides an order among a thousand harmless words; the sentence that gives it is judged by itself.
    """
    if not phrases or len(text) <= REACH:
        return
    ordered = sorted(phrases, key=lambda phrase: phrase[1])
    first = stop = 0
    for _, (start, end) in ordered:
        if end <= stop:
            continue
        begin = max(start - REACH, 0)
        for ending in _ENDING.finditer(text, begin, start):
            begin = ending.end()
        ending_after = _ENDING.search(text, end, end + REACH)
        stop = ending_after.end() if ending_after is not None else min(end + REACH, len(text))
        while ordered[first][1][0] < begin:
            first += 1
        within = [phrase for phrase in _until(stop, ordered, first) if phrase[1][1] <= stop]
        yield text[begin:stop], within


def _until(stop: int, ordered: Sequence[Phrase], first: int) -> Iterator[Phrase]:
    for place in range(first, len(ordered)):
        if ordered[place][1][0] >= stop:
            return
        yield ordered[place]


_ENDING = re.compile(r"[.!?:;]['\")\]]?\s|\n")


@functools.cache
def rules() -> tuple[PhraseRule, ...]:
    """The tables, compiled when a text first needs them."""
    return tuple(itertools.starmap(_rule, ENGLISH + SPACED))


def _rule(family: str, listed: str, pattern: str, before: str) -> PhraseRule:
    words, *groups = (group.split() for group in listed.split(" / "))
    beside = [group for group in groups if group[0] in "<>"]
    return PhraseRule(
        family,
        tuple(dict.fromkeys(fold(word).text for word in words)),
        re.compile(r"(?![^\W_])" + pattern, re.DOTALL),
        re.compile(before, re.DOTALL) if before else None,
        tuple(frozenset(group) for group in groups if group not in beside),
        tuple(*beside),
    )


_Tried = tuple[int, frozenset[tuple[str, str]], PhraseRule]


@functools.cache
def _by_anchor() -> tuple[dict[str, tuple[_Tried, ...]], frozenset[str]]:
    """What is tried at each anchor, and the anchors.

    With a rule go the groups that it needs, a bit for each group, and the pairs of words of which one must
    be said, if it asks for any.
    """
    groups = _groups()
    table: dict[str, tuple[_Tried, ...]] = {}
    for rule in rules():
        needs = sum(1 << groups.index(needed) for needed in rule.needs)
        side, *words = rule.beside or ("",)
        for anchor in rule.anchors:
            beside = frozenset((anchor, word) if side == ">" else (word, anchor) for word in words)
            table[anchor] = (*table.get(anchor, ()), (needs, beside, rule))
    return table, frozenset(table)


@functools.cache
def pairs_asked() -> frozenset[tuple[str, str]]:
    """The pairs of words that some rule asks for."""
    tried = itertools.chain.from_iterable(_by_anchor()[0].values())
    return frozenset().union(*(beside for _, beside, _ in tried))


def _missing(said: frozenset[str]) -> int:
    """The groups of which no word is said, a bit for each."""
    bits, words = _bits()
    there = 0
    for word in words & said:
        there |= bits[word]
    return ~there


@functools.cache
def _groups() -> tuple[frozenset[str], ...]:
    """Each group of words that some rule needs."""
    return tuple(dict.fromkeys(group for rule in rules() for group in rule.needs))


@functools.cache
def _bits() -> tuple[dict[str, int], frozenset[str]]:
    """The words of the groups, with a bit for each group that a word belongs to."""
    bits: dict[str, int] = {}
    for place, group in enumerate(_groups()):
        for word in group:
            bits[word] = bits.get(word, 0) | 1 << place
    return bits, frozenset(bits)


def _scripts(text: str) -> set[int]:
    """The blocks of `_SCRIPTS` that a text has letters of."""
    return {
        first
        for char in set(text)
        if char > "\u03ff"
        for first, last in _SCRIPTS
        if first <= ord(char) <= last
    }


_SCRIPTS = (
    (0x400, 0x52F),
    (0x600, 0x6FF),
    (0x900, 0x97F),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xAC00, 0xD7A3),
)
"""Cyrillic, Arabic, Devanagari, kana, Chinese characters, Hangul: the first and the last of each."""


@functools.cache
def _unspaced() -> dict[int, list[tuple[str, tuple[str, ...], re.Pattern[str]]]]:
    """The patterns by script; Latin letters alone stand for none."""
    by_script: dict[int, list[tuple[str, tuple[str, ...], re.Pattern[str]]]] = {}
    for family, parts, pattern in UNSPACED:
        folded = re.compile(re.sub(r"[^\x00-\x7f]+", _in_any_case, pattern), re.DOTALL)
        listed = [shown for part in parts.split() for shown in _cases(part)]
        for script in _scripts("".join(listed)):
            here = tuple(part for part in listed if part.isascii() or script in _scripts(part))
            by_script.setdefault(script, []).append((family, here, folded))
    return by_script


def _cases(word: str) -> list[str]:
    """A word folded as written small, capitalised, and large: Cyrillic capitals look like other letters."""
    return list(dict.fromkeys(fold(shown).text for shown in (word, word.capitalize(), word.upper())))


def _in_any_case(found: re.Match[str]) -> str:
    cases = _cases(found.group())
    return f"(?:{'|'.join(cases)})" if len(cases) > 1 else cases[0]


@functools.cache
def _signs() -> tuple[tuple[str, tuple[tuple[str, str, re.Pattern[str]], ...]], ...]:
    """The signs by a character that they have in common, since most texts have none of these."""
    by_mark: dict[str, list[tuple[str, str, re.Pattern[str]]]] = {}
    for family, sign, pattern in SIGNS:
        mark = next((char for char in "<[_" if char in sign), "")
        by_mark.setdefault(mark, []).append((family, sign, re.compile(pattern, re.DOTALL)))
    return tuple((mark, tuple(signs)) for mark, signs in by_mark.items())


@functools.cache
def _marked_words() -> tuple[tuple[str, frozenset[str], re.Pattern[str]], ...]:
    return tuple(
        (family, frozenset(words.split()), re.compile(pattern, re.DOTALL))
        for family, words, pattern in MARKED_WORDS
    )


@functools.cache
def _words_in_marks() -> frozenset[str]:
    return frozenset().union(*(words for _, words, _ in _marked_words()))
