"""A small linear model of what attacks sound like: words, pairs of words, families of phrases.

The score is the logistic of a weighted sum, so every verdict can be taken apart into words. The weights
are whole numbers in a text file of less than 100 kB; `validators/training/train.py` writes it, byte for
byte the same from the same data, and its README says from which data.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from importlib.resources import files

from guardrails_lite_validators._wording import Wording

SCALE = 32
"""A weight of 1.0 is written as this number."""
FEWEST = 8
"""Texts with fewer words and pairs than this are weighed as if they had as many."""


@dataclass(frozen=True, slots=True)
class Model:
    """The weights of a linear model."""

    bias: int
    families: Mapping[str, int] = field(repr=False)
    terms: Mapping[str | tuple[str, str], int] = field(repr=False)
    """By word, or by two words in a row."""
    _words: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _pairs: Mapping[tuple[str, str], int] = field(init=False, repr=False, compare=False)
    _known: tuple[frozenset[str], frozenset[tuple[str, str]]] = field(init=False, repr=False, compare=False)
    """The terms as sets, which remember the hashes of pairs; a mapping works them out each time."""

    def __post_init__(self) -> None:
        words = {term: weight for term, weight in self.terms.items() if isinstance(term, str)}
        pairs = {term: weight for term, weight in self.terms.items() if not isinstance(term, str)}
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_pairs", pairs)
        object.__setattr__(self, "_known", (frozenset(words), frozenset(pairs)))

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs of words that it weighs."""
        return self._known[1]

    def score(
        self,
        wording: Wording,
        families: Collection[str],
        *,
        pairs: Set[tuple[str, str]] | None = None,
        least: float = 0.0,
    ) -> float:
        """How much a text of these words, with phrases of these families, sounds like an attack: 0 to 1.

        Args:
            wording: The text.
            families: The families of its phrases.
            pairs: Its pairs of words, where they are at hand; those that it does not weigh may be missing.
            least: A score of less than this may come out as 0, which is quicker.
        """
        said, (words_known, pairs_known) = wording.said, self._known
        told = sum(map(self._words.__getitem__, words_known & said))
        paired = wording.paired(pairs_known) if pairs is None else pairs
        told += sum(map(self._pairs.get, paired, itertools.repeat(0)))
        total = self.bias
        if families:
            total += sum(self.families.get(family, 0) for family in set(families))
        # How many pairs there are is counted only where the best that it could be is enough.
        best = len(said) - 1 if told > 0 else len(wording.words)
        if least > 0 and _logistic(total + told / math.sqrt(max(len(said) + best, FEWEST))) < least:
            return 0.0
        return _logistic(total + told / math.sqrt(max(len(said) + len(wording.pairs), FEWEST)))


def _logistic(total: float) -> float:
    return 1 / (1 + math.exp(-max(min(total / SCALE, 30), -30)))


def terms_of(words: Sequence[str]) -> Set[str | tuple[str, str]]:
    """The words and pairs of words of a text, each once."""
    return {*words, *itertools.pairwise(words)}


def term_of(name: str) -> str | tuple[str, str]:
    """A word, or two with a space between them, as `terms_of` gives it."""
    first, _, second = name.partition(" ")
    return (first, second) if second else first


@functools.cache
def shipped_model() -> Model:
    """The model that comes with this package."""
    return read_model(files("guardrails_lite_validators").joinpath("injection_model.txt").read_text("utf-8"))


def read_model(text: str) -> Model:
    """Read a model as `train.py` writes it: a weight and what it weighs on each line."""
    bias = 0
    families: dict[str, int] = {}
    terms: dict[str | tuple[str, str], int] = {}
    for line in text.splitlines():
        if line.startswith("//"):
            continue
        weight, _, name = line.partition(" ")
        if name == "*":
            bias = int(weight)
        elif name.startswith("#"):
            families[name[1:]] = int(weight)
        else:
            terms[term_of(name)] = int(weight)
    return Model(bias, families, terms)
