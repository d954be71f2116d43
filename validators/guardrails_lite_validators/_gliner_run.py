"""Ask a GLiNER model for entities: a text in windows of words, behind the names of what is sought.

The input is that of the package ``gliner``: the names, each behind a mark, another mark, the words. A word
counts by its first token, and every run of words up to the model's width is a candidate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from guardrails_lite import ConfigError
from guardrails_lite_validators._gliner_folder import GlinerFolder
from guardrails_lite_validators._model_onnx import OnnxModel
from guardrails_lite_validators._surrogates import encodable

_WORD = re.compile(r"\w+(?:[-_]\w+)*|\S")
_INPUTS = ("input_ids", "attention_mask", "words_mask", "text_lengths", "span_idx", "span_mask")


class Entity(NamedTuple):
    """A run of words that the model takes for one of the names."""

    start: int
    end: int
    nth: int
    """Of the names that were asked for."""
    score: float


class Unread(NamedTuple):
    """A word of more tokens than the model takes."""

    start: int
    end: int


class GlinerModel:
    """A loaded model that is asked for the same names in every text. Many threads may use it at once."""

    def __init__(self, folder: GlinerFolder, names: Sequence[str]) -> None:
        from tokenizers import Tokenizer

        self._folder = folder
        self._names = tuple(names)
        self._run = OnnxModel(folder.export, takes=_INPUTS, what="a GLiNER model that classifies spans")
        self._tokenizer: Any = Tokenizer.from_file(str(folder.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        for mark in (folder.entity_mark, folder.text_mark):
            if self._tokenizer.token_to_id(mark) is None:
                raise ConfigError(
                    f"{str(folder.tokenizer)!r} of gliner(...) does not know the token {mark!r}"
                )
        self._prompt = [part for name in names for part in (folder.entity_mark, name)] + [folder.text_mark]
        taken = len(self._tokenizer.encode(self._prompt, is_pretokenized=True).ids)
        self._room = folder.most_tokens - taken
        """Tokens of the text that fit into one window."""
        if self._room < 1:
            raise ConfigError(
                f"the {len(names)} entities of gliner(...) take {taken} of the {folder.most_tokens} tokens "
                "that the model reads, so no text fits beside them: ask for fewer"
            )

    def windows(self, text: str) -> Iterator[list[re.Match[str]] | Unread]:
        """Cut *text* into runs of words that the model can read, the width of an entity shared by two."""
        words = list(_WORD.finditer(encodable(text)))
        tokens = [0] * len(words)
        if words:
            told = self._tokenizer.encode(
                [word[0] for word in words], is_pretokenized=True, add_special_tokens=False
            )
            for nth in told.word_ids:
                tokens[nth] += 1
        first = 0
        while first < len(words):
            last, taken = first, 0
            while (
                last < len(words)
                and last - first < self._folder.most_words
                and taken + tokens[last] <= self._room
            ):
                taken += tokens[last]
                last += 1
            if last == first:
                yield Unread(*words[first].span())
                first += 1
                continue
            yield words[first:last]
            if last == len(words):
                return
            first = last if tokens[last] > self._room else max(last - self._folder.width, first + 1)

    def entities(self, words: Sequence[re.Match[str]], threshold: float) -> Iterator[Entity]:
        """What the model finds in the words of one window; entities may overlap.

        Raises:
            ArithmeticError: it gives something else than finite numbers.
            ConfigError: its output has another form.
        """
        read = self._tokenizer.encode([*self._prompt, *(word[0] for word in words)], is_pretokenized=True)
        width, before = self._folder.width, len(self._prompt)
        spans = [(first, first + more) for first in range(len(words)) for more in range(width)]
        is_inside = [last < len(words) for _, last in spans]
        told = self._run(
            {
                "input_ids": [read.ids],
                "attention_mask": [[1] * len(read.ids)],
                "words_mask": [_numbers_of_words(read.word_ids, before)],
                "text_lengths": [[len(words)]],
                "span_idx": [
                    [span if inside else (0, 0) for span, inside in zip(spans, is_inside, strict=True)]
                ],
                "span_mask": [is_inside],
            },
            dimensions=4,
        )
        expected = (1, len(words), width, len(self._names))
        if told.shape != expected:
            raise ConfigError(
                f"{str(self._folder.export)!r} gives numbers of shape {told.shape}; expected {expected} for "
                f"{len(words)} words and {len(self._names)} entities"
            )
        rows = told[0].reshape(-1, len(self._names)).tolist()
        for (first, last), inside, row in zip(spans, is_inside, rows, strict=True):
            if not inside:
                continue
            for nth, logit in enumerate(row):
                if not math.isfinite(logit):
                    raise ArithmeticError("the model gave no finite numbers, so nothing is known of the text")
                score = 0.5 + math.tanh(logit / 2) / 2
                if score >= threshold:
                    yield Entity(words[first].start(), words[last].end(), nth, score)


def _numbers_of_words(word_ids: Sequence[int | None], before: int) -> list[int]:
    """For each token the number of the word that it begins, from 1; 0 for all others and for the prompt."""
    numbers: list[int] = []
    latest: int | None = None
    for nth in word_ids:
        begins = nth is not None and nth != latest and nth >= before
        numbers.append(nth - before + 1 if begins and nth is not None else 0)
        latest = nth
    return numbers
