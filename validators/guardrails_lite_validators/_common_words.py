"""Common words of many languages: what tells language from other rows of letters."""

from __future__ import annotations

import functools
from importlib.resources import files


@functools.cache
def common_words() -> dict[str, int]:
    """Common words and their ranks, the most common first; `training/lexicon.py` wrote the list."""
    listed = files("guardrails_lite_validators").joinpath("words.txt").read_text("utf-8").split()
    return {word: rank for rank, word in enumerate(listed)}
