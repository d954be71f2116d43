"""Write the list of common words by which spaced, reversed and rotated text is told from other text.

    python validators/training/lexicon.py PATH/TO/dev.jsonl

The words are counted over all rows, attacks and benign alike, so the list knows nothing of labels. Those
of the grammars come behind them.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

from attacks import attacks
from ordinary import ordinary

TARGET = Path(__file__).parents[1] / "guardrails_lite_validators" / "words.txt"
MOST = 3000
LEAST_TEXTS = 3
SHORT = frozenset({"a", "i"}).union(
    re.findall("..", "amanasatbebydogohehiifinisitmemynoofokonorsotoupusweai")
)
"""Of words with one or two letters, those that are words: the others are pieces of something else."""


def words_of(texts: list[str], *, least: int) -> list[str]:
    """The words in most texts first; of words in as many texts, by the alphabet."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(re.findall(r"(?<![\w'])[a-z]+(?![\w'])", text.lower())))
    known = [
        word
        for word, times in counts.items()
        if times >= least and (word in SHORT if len(word) < 3 else len(set(word)) > 1)
    ]
    return sorted(known, key=lambda word: (-counts[word], word))


def _is_compound(word: str, common: list[str]) -> bool:
    """Whether a rarer word is two common ones that were written together."""
    return word not in common and any(
        word[:at] in common and word[at:] in common for at in range(4, len(word) - 3)
    )


def main() -> None:
    rows = [json.loads(row) for row in Path(sys.argv[1]).read_text("utf-8").split("\n") if row]
    words = words_of([row["text"] for row in rows], least=LEAST_TEXTS)[:MOST]
    draw = random.Random(1)
    own = [text for _, text in (*attacks(draw, each=400), *ordinary(draw, each=400))]
    words = list(dict.fromkeys(words + words_of(own, least=1)))
    words = [word for word in words if not _is_compound(word, words[:1000])]
    TARGET.write_text("\n".join(words) + "\n", "utf-8")
    print(f"{len(words)} words, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
