"""Is a guard still right about texts that somebody has judged?"""

from __future__ import annotations

import os
from typing import Any

from guardrails_lite._guard import Guard
from guardrails_lite._validators import Validator


def check_examples(guard: Guard[Any] | Validator, path: str | os.PathLike[str]) -> None:
    """Raise AssertionError where *guard* misses, or flags wrongly, one of the labelled examples in a file.

    The file is what ``guardrails-lite log regression`` makes of reviewers' verdicts, or any other that
    ``guardrails-lite eval`` reads. No model is called, and no record is written.

    Args:
        guard: The guard to test, or a validator.
        path: JSON lines, each with a text and a label; `read_examples` says what else.

    Raises:
        AssertionError: names every line that is decided wrongly, by its number and its rule, without its
            text; or the file holds no examples.
        ValueError: a line is no example.
        OSError: the file cannot be read.
        RuntimeError: a rule is async and an event loop is running; call it in a thread there.
    """
    from guardrails_lite.evaluation import evaluate, read_examples

    examples = list(read_examples(path))
    if not examples:
        raise AssertionError(f"{os.fspath(path)} holds no examples, so nothing was tested")
    wrong = []
    for seen in evaluate(guard, examples).seen:
        what = examples[seen.example].rule or "the guard"
        if seen.broken:
            wrong.append(f"line {seen.line}: {what} broke")
        elif seen.positive and not seen.looked_at:
            wrong.append(f"line {seen.line}: {what} should find something, and no rule of the guard looks")
        elif seen.flagged != seen.positive:
            does = "flags what it should let pass" if seen.flagged else "misses what it should find"
            wrong.append(f"line {seen.line}: {what} {does}")
    if wrong:
        raise AssertionError(
            f"{len(wrong)} of {len(examples)} examples in {os.fspath(path)} are decided wrongly. "
            "Mend the rule, or judge the call again.\n" + "\n".join(wrong)
        )
