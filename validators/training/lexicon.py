"""Write the list of common words by which spaced, reversed and rotated text is told from other text.

    python validators/training/lexicon.py PATH/TO/dev.jsonl

The words are counted over all rows, attacks and benign alike, so the list knows nothing of labels.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

TARGET = Path(__file__).parents[1] / "guardrails_lite_validators" / "words.txt"
MOST = 3000
LEAST_TEXTS = 3
SHORT = frozenset({"a", "i"}).union(
    re.findall("..", "amanasatbebydogohehiifinisitmemynoofokonorsotoupusweai")
)
"""Of words with one or two letters, those that are words: the others are pieces of something else."""


def words_of(texts: list[str]) -> list[str]:
    """The words in most texts first; of words in as many texts, by the alphabet."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(re.findall(r"(?<![\w'])[a-z]+(?![\w'])", text.lower())))
    known = [
        word
        for word, times in counts.items()
        if times >= LEAST_TEXTS and (word in SHORT if len(word) < 3 else len(set(word)) > 1)
    ]
    return sorted(known, key=lambda word: (-counts[word], word))[:MOST]


def main() -> None:
    rows = [json.loads(row) for row in Path(sys.argv[1]).read_text("utf-8").split("\n") if row]
    words = words_of([row["text"] for row in rows])
    TARGET.write_text("\n".join(words) + "\n", "utf-8")
    print(f"{len(words)} words, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
