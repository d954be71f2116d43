"""The rules of `injection`: what is asked of a text before a pattern is tried on it."""

from __future__ import annotations

import random
import re
from re import _constants as sre  # type: ignore[attr-defined]  # the parse tree of a pattern
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from guardrails_lite_validators._fold import fold
from guardrails_lite_validators._injection_rules import LOOK_BACK, PhraseRule, evidence, rules
from guardrails_lite_validators._wording import wording_of

CATEGORIES = {
    sre.CATEGORY_SPACE: " \n",
    sre.CATEGORY_NOT_SPACE: "ab.",
    sre.CATEGORY_WORD: "abz_9",
    sre.CATEGORY_NOT_WORD: " .-'",
    sre.CATEGORY_DIGIT: "5",
}


def _sample(tree: Any, draw: random.Random) -> str:
    """A text that a pattern may match; what looks around is left to chance."""
    told = ""
    for operator, argument in tree:
        match operator:
            case sre.LITERAL:
                told += chr(argument)
            case sre.ANY:
                told += draw.choice("ae  .")
            case sre.IN:
                told += _one(argument, draw)
            case sre.MAX_REPEAT | sre.MIN_REPEAT:
                least, most, inner = argument
                times = draw.randint(least, min(most, least + draw.choice((0, 1, 2, 6))))
                told += "".join(_sample(inner, draw) for _ in range(times))
            case sre.BRANCH:
                told += _sample(draw.choice(argument[1]), draw)
            case sre.SUBPATTERN:
                told += _sample(argument[3], draw)
            case sre.AT if argument is sre.AT_BOUNDARY and not told:
                told += draw.choice(("", " ", " "))
    return told


def _one(listed: Any, draw: random.Random) -> str:
    if listed[0][0] is sre.NEGATE:
        return draw.choice(" ab.")
    operator, argument = draw.choice(listed)
    if operator is sre.RANGE:
        return chr(draw.randint(*argument))
    return chr(argument) if operator is sre.LITERAL else draw.choice(CATEGORIES[argument])


@pytest.mark.parametrize(
    "rule", [rule for rule in rules() if rule.needs or rule.beside], ids=lambda rule: rule.family
)
def test_words_that_a_rule_needs_are_in_whatever_it_matches(rule: PhraseRule) -> None:
    """So a look at the words of a text spares the pattern and loses nothing."""
    draw = random.Random(11)
    side, *words = rule.beside or ("",)
    ahead = _parser.parse(rule.before.pattern) if rule.before is not None else ()
    behind = _parser.parse(rule.pattern.pattern, re.DOTALL)
    matched = 0
    for _ in range(300):
        anchor = draw.choice(rule.anchors)
        before = fold(_sample(ahead, draw) + draw.choice(("", " "))).text
        text = fold(f"{before}{anchor}{_sample(behind, draw)}").text
        at = len(before)
        if (at and text[at - 1].isalnum()) or rule.pattern.match(text, at + len(anchor)) is None:
            continue
        if rule.before is not None and rule.before.search(text, max(at - LOOK_BACK, 0), at) is None:
            continue
        matched += 1
        wording = wording_of(text)
        assert all(not needed.isdisjoint(wording.said) for needed in rule.needs), text
        beside = {(anchor, word) if side == ">" else (word, anchor) for word in words}
        assert not words or not beside.isdisjoint(wording.pairs), text
        assert rule.family in {family for family, _ in evidence(wording)}

    assert matched > 10
