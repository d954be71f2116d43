"""A text cut into overlapping windows of tokens, each of which a classifier can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from guardrails_lite_validators._surrogates import encodable


class Window(NamedTuple):
    """Tokens of one piece of a text, with those that the tokenizer adds around it."""

    start: int
    end: int
    tokens: Sequence[int]
    types: Sequence[int]


class Windows:
    """The tokenizer of a model, set to cut where the model's input ends. Many threads may use it at once."""

    def __init__(self, file: Path, *, size: int, overlap: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        room = size - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._tokenizer.enable_truncation(size, stride=min(overlap, max(room // 2, 0)))

    def of(self, text: str) -> list[Window]:
        """Cut *text*. Each character of it belongs to a window; a text without any token to none."""
        first = self._tokenizer.encode(encodable(text))
        cut = [
            Window(*_span(encoding), encoding.ids, encoding.type_ids)
            for encoding in (first, *first.overflowing)
            if not all(encoding.special_tokens_mask)
        ]
        if cut:
            cut[0] = cut[0]._replace(start=0)
            cut[-1] = cut[-1]._replace(end=len(text))
        return cut


def _span(encoding: Any) -> tuple[int, int]:
    offsets = [
        offset
        for offset, added in zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
        if not added
    ]
    return offsets[0][0], offsets[-1][1]
