"""`topic`: text that is about something else than a user's examples, told without a model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words

_WORD = re.compile(r"[^\W\d_]{3,}")
_GRAM = 5
FEWEST_WORDS = 3

Vector = Mapping[str, float]


def topic(examples: Iterable[str], /, *, threshold: float = 0.9) -> Validator:
    """Find text that shares next to no words or pieces of words with any of the examples.

    The score is one minus the cosine similarity to the nearest example. It can tell a recipe from a question
    about invoices, but makes no finer distinctions; `evaluation.calibrate` sets the threshold on your own
    traffic. Texts with fewer than three longer words are not judged.

    Args:
        examples: Texts on the topic, twenty or more, as differently worded as your users are.
        threshold: The score, from 0 to 1, from which a text is off the topic.

    Raises:
        ConfigError: no examples, or a threshold that is not from 0 to 1.
    """
    given = tuple_of_words("topic", "examples", examples)
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of topic(...) must be from 0 to 1")
    counts = [_counts(text) for text in given]
    in_how_many = Counter(piece for each in counts for piece in each)
    rare = {piece: math.log(1 + len(counts) / times) for piece, times in in_how_many.items()}
    vectors = [_vector(each, rare) for each in counts]

    @validator(
        name="topic",
        params={"threshold": threshold} if threshold != 0.9 else {},
        private={"examples": given},
    )
    def find(text: str) -> Iterator[Finding]:
        if len(_WORD.findall(text)) < FEWEST_WORDS:
            return
        vector = _vector(_counts(text), rare)
        score = 1 - max(_likeness(vector, each) for each in vectors)
        if score >= threshold:
            yield Finding("is about something else", category="OFF_TOPIC", score=round(max(score, 0.0), 3))

    return find


def _counts(text: str) -> Counter[str]:
    """Words, and pieces of longer words, so that "invoices" and "invoicing" have something in common."""
    pieces = Counter[str]()
    for word in _WORD.findall(text.lower()[:20_000]):
        pieces[word] += 2
        pieces.update(word[at : at + _GRAM] for at in range(len(word) - _GRAM + 1))
    return pieces


def _vector(counts: Counter[str], rare: Mapping[str, float]) -> Vector:
    unseen = max(rare.values(), default=1.0)
    weights = {piece: (1 + math.log(times)) * rare.get(piece, unseen) for piece, times in counts.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {piece: weight / length for piece, weight in weights.items()}


def _likeness(one: Vector, other: Vector) -> float:
    if len(one) > len(other):
        one, other = other, one
    return sum(weight * other[piece] for piece, weight in one.items() if piece in other)
