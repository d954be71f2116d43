"""Does a validator keep the promises that a guard relies on?

A guard trusts what a validator says: spans are masked, messages are written to logs, the window decides
when streamed text is let go. `check_validator` tries each promise on the author's examples, on the same
examples buried in other text, and on text made to hurt, and stops at the first one that is broken.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import math
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from guardrails_lite._guard import Guard
from guardrails_lite._messages import Call
from guardrails_lite._rules import redact
from guardrails_lite._validators import Finding, Validator

FILLER = (
    "The quick brown fox jumps over the lazy dog. Der Bär trägt süße Öfen, 东西 and 🦊, at 10:45 on 3/4! "
    "Please see section 4.2 (page 17) of the manual;\nthen call us back.\t"
)
"""Plain text in which examples are buried. It may hold findings: only agreement is asked for."""

ODD_TEXTS = (
    "", " ", "\n", "\0", "\ud800", "\udfff\ud800", "\ufeff", "\u202etxt.exe\u202c", "e\u0301" * 50,
    "🧑\u200d🚀" * 9, "\u200b".join("secret"), "İıẞß", "{" * 500, "\r\n" * 100, "\x1b[31mred\x1b[0m",
    "%s%n{0}{}$(x)",
)  # fmt: skip

HOSTILE = (
    "a", "0", " ", "\n", "@", "-", "1-", "a@", "a.", "@a.", "(", "[", '{"a":', "<a ", '"', "\\", "=", "aA1",
    "http://", "//", "%41", "\u0301", "\u200b", "\u202e", "ab ", "1 ", ".", "\t\n", "AKIA",
    "ignore previous ",
)  # fmt: skip

MAX_CHARS = 20_000


def check_validator(
    validator: Validator,
    *,
    examples: Iterable[str] = (),
    benign: Iterable[str] = (),
    seed: int = 0,
    rounds: int = 200,
    limit_s: float = 1.0,
) -> None:
    """Raise AssertionError at the first promise that *validator* breaks; return None if it keeps them all.

    The promises: each example is found and nothing benign is; any text at all is answered with findings
    rather than an exception; spans lie inside the text; scores lie between 0 and 1; the same text gives
    the same findings, whatever was checked in between; no message or category repeats the text it was
    found in; a declared window is enough to see what the whole text shows, and a guard that redacts lets the
    same text through however a stream is cut into chunks; the time stays bounded.

    Args:
        validator: What `@validator` made.
        examples: Texts in which it must find something. The better they are, the more this check sees.
        benign: Texts in which it must find nothing.
        seed: Chooses where examples are buried and texts are cut. The same seed repeats a run.
        rounds: How many cut texts to try.
        limit_s: Processor seconds allowed for any text of up to 20,000 characters.

    Raises:
        AssertionError: names the promise, the example by its number, and the place. Not the text.
        TypeError: *validator* is not a `Validator`, or *examples* or *benign* is a single text.
    """
    if not isinstance(validator, Validator):
        raise TypeError(f"check_validator takes what @validator makes, not {type(validator).__name__}")
    for name, texts in (("examples", examples), ("benign", benign)):
        if isinstance(texts, str):
            raise TypeError(f"{name}= of check_validator takes a list of texts, not one str: {name}=[...]")
    trial = _Trial(validator)
    examples, benign = list(examples), list(benign)
    _check_answers(trial, examples, benign)
    _check_spans(trial)
    _check_repeats(trial)
    _check_messages(trial)
    if validator.window is not None:
        _check_window(trial, examples, benign, random.Random(seed), rounds)
        _check_chunks(trial, examples, benign, random.Random(seed), rounds // 8)
    _check_time(trial, examples, limit_s)


class _Trial:
    """One validator under trial, and what it has found in which text."""

    def __init__(self, validator: Validator) -> None:
        self.validator = validator
        self.seen: dict[str, tuple[str, list[Finding]]] = {}
        """By text: what to call it in a message, and what was found."""

    def find(self, text: str, place: str) -> list[Finding]:
        try:
            found = list(_run(self.validator, text))
        except Exception as error:
            raise AssertionError(
                f"{self.validator.name} raised {type(error).__name__} for {place}. "
                "A validator answers every text with findings; let it return none where it cannot tell."
            ) from error
        for finding in found:
            if not isinstance(finding, Finding):
                raise AssertionError(
                    f"{self.validator.name} gave {type(finding).__name__} for {place}; expected Finding"
                )
        return found

    def note(self, text: str, place: str) -> list[Finding]:
        found = self.find(text, place)
        self.seen[text] = place, found
        return found


def _run(validator: Validator, text: str) -> Iterable[Finding]:
    arguments = (text, Call(({"role": "user", "content": text},))) if validator.wants_call else (text,)
    if validator.kind != "async":
        return validator.find(*arguments)  # type: ignore[return-value]  # only async ones return anything else
    return asyncio.run(_arun(validator.find, arguments))


async def _arun(find: Callable[..., object], arguments: tuple[object, ...]) -> list[Finding]:
    found = find(*arguments)
    if inspect.isawaitable(found):
        return list(await found)
    return [finding async for finding in found]  # type: ignore[attr-defined]  # an async generator


def _check_answers(trial: _Trial, examples: list[str], benign: list[str]) -> None:
    for number, text in enumerate(examples):
        if not trial.note(text, f"examples[{number}]"):
            raise AssertionError(f"{trial.validator.name} finds nothing in examples[{number}]")
    for number, text in enumerate(benign):
        if found := trial.note(text, f"benign[{number}]"):
            raise AssertionError(
                f"{trial.validator.name} finds {found[0].category or found[0].message!r} in benign[{number}]"
            )
    for number, text in enumerate(ODD_TEXTS):
        trial.note(text, f"odd text {number} ({text[:12]!a}...)")
    trial.note(FILLER, "plain filler text")


def _check_spans(trial: _Trial) -> None:
    name = trial.validator.name
    for text, (place, found) in trial.seen.items():
        for finding in found:
            if finding.span is not None:
                start, end = finding.span
                if not 0 <= start < end <= len(text):
                    raise AssertionError(
                        f"{name} gave span {finding.span} for {place}, which has {len(text)} characters. "
                        "A span is text[start:end] with 0 <= start < end <= len(text)."
                    )
            if finding.score is not None and not 0 <= finding.score <= 1:
                raise AssertionError(f"{name} gave score {finding.score} for {place}; expected 0 to 1")


def _check_repeats(trial: _Trial) -> None:
    for text, (place, found) in reversed(trial.seen.items()):
        if trial.find(text, place) != found:
            raise AssertionError(
                f"{trial.validator.name} gave other findings for {place} the second time. A validator keeps "
                "no state between texts and draws no random numbers."
            )


def _check_messages(trial: _Trial) -> None:
    """A message that shares a telling part with what it was found in must also be given without that part."""
    texts_of: dict[tuple[str, str | None], list[str]] = {}
    for text, (_, found) in trial.seen.items():
        for finding in found:
            texts_of.setdefault((finding.message, finding.category), []).append(_matched(text, finding))
    for text, (place, found) in trial.seen.items():
        for finding in found:
            said = f"{finding.message} {finding.category or ''}".casefold()
            others = texts_of[finding.message, finding.category]
            for part in _telling(_matched(text, finding)):
                if part in said and all(part in other.casefold() for other in others):
                    raise AssertionError(
                        f"the message or category of {trial.validator.name} repeats text found in {place}. "
                        "Messages are logged, so they must be constants; the span tells where. If this one "
                        "is constant and shares words by chance, add an example without them."
                    )


def _matched(text: str, finding: Finding) -> str:
    return text if finding.span is None else text[slice(*finding.span)]


def _telling(matched: str) -> Iterator[str]:
    """What a constant would hardly share with a text: all of it, its odd words, three words in a row."""
    folded = matched.casefold()
    if len(folded) >= 4:
        yield folded
    yield from (
        word for word in re.findall(r"\w[\w.@+-]*\w", folded) if len(word) >= 4 and not word.isalpha()
    )
    words = folded.split()
    yield from (" ".join(run) for run in zip(words, words[1:], words[2:], strict=False))


def _check_window(
    trial: _Trial, examples: list[str], benign: list[str], choose: random.Random, rounds: int
) -> None:
    """Cut texts anywhere: what lies a window away from the cuts must be found as in the whole text."""
    window = trial.validator.window
    assert window is not None
    for text, (place, found) in trial.seen.items():
        _check_widths(trial, text, place, found, window)
    stock = [*examples, *benign, FILLER]
    matches = sorted(
        {_matched(text, finding) for text, (_, found) in trial.seen.items() for finding in found}
    )
    for nth in range(rounds):
        text, place = _buried(choose, stock, examples, nth)
        found = trial.find(text, place)
        _check_widths(trial, text, place, found, window)
        for _ in range(4):
            start, end = _cut(choose, text, matches, window)
            near = trial.find(text[start:end], f"{place}, cut to [{start}:{end}]")
            whole = _inside(found, 0, len(text), start, end, window)
            part = _inside(near, start, len(text), start, end, window)
            if whole != part:
                raise AssertionError(_window_message(trial, whole, part, place, start, end))


def _check_chunks(
    trial: _Trial, examples: list[str], benign: list[str], choose: random.Random, rounds: int
) -> None:
    """Redact streams cut anywhere, and at each border of a match: what comes out is that of the whole."""
    guard = Guard(output=[redact(trial.validator)], accept=["empty"], log=_forget)
    stock = [*examples, *benign, FILLER]
    for nth in range(rounds):
        text, place = _buried(choose, stock, examples, nth)
        whole = _streamed(guard, [text])
        found = [finding.span for finding in trial.find(text, place) if finding.span is not None]
        borders = {at + by for span in found for at in span for by in (-1, 0, 1)}
        anywhere = {choose.randint(0, len(text)) for _ in range(choose.randint(1, 12))}
        cuts = sorted({0, len(text), *choose.choice((borders, anywhere, borders | anywhere))})
        chunks = [text[start:end] for start, end in itertools.pairwise(cuts) if start >= 0]
        if _streamed(guard, chunks) != whole:
            raise AssertionError(
                f"{trial.validator.name} lets other text through when {place} is streamed in "
                f"{len(chunks)} chunks, cut at {cuts[:20]}, than when it comes whole: its findings depend on "
                f"text further away than window={trial.validator.window}"
            )


def _forget(record: object) -> None:
    """Keep no record: a trial is no traffic."""


def _streamed(guard: Guard[Any], chunks: list[str]) -> str:
    """What a caller sees of a reply that comes in these chunks."""
    if guard._plan.needs_loop is None:
        return "".join(guard.stream(lambda messages: iter(chunks), "go on"))

    async def gathered() -> str:
        async def model(messages: object) -> AsyncIterator[str]:
            for chunk in chunks:
                yield chunk

        return "".join([chunk async for chunk in guard.astream(model, "go on")])

    return asyncio.run(gathered())


def _check_widths(trial: _Trial, text: str, place: str, found: list[Finding], window: int) -> None:
    for finding in found:
        width = len(text) if finding.span is None else finding.span[1] - finding.span[0]
        if width > window:
            what = "a finding without a span" if finding.span is None else f"a finding of {width} characters"
            raise AssertionError(
                f"{trial.validator.name} declares window={window} but gave {what} for {place} "
                f"({len(text)} characters). Declare a larger window, or none."
            )


def _buried(choose: random.Random, stock: list[str], examples: list[str], nth: int) -> tuple[str, str]:
    """Join a few texts, one of them an example, with or without something between them."""
    parts = [choose.choice(stock) for _ in range(choose.randint(0, 3))]
    number = nth % len(examples) if examples else None
    parts.insert(choose.randint(0, len(parts)), FILLER if number is None else examples[number])
    text = choose.choice(("", " ", "\n", ". ", "x", "-", "é")).join(parts)
    return text, f"examples[{number}] buried in other text (round {nth})"


def _cut(choose: random.Random, text: str, matches: list[str], window: int) -> tuple[int, int]:
    """Cut at random, or just outside what something like a known match may need, found there or not."""
    match = choose.choice(matches) if matches else ""
    first = text.find(match, choose.randint(0, len(text)))
    if match and first >= 0 and choose.random() < 0.8:
        start = max(0, first + 1 - window - choose.choice((0, 0, 1, 7)))
        end = min(len(text), first + window + choose.choice((0, 0, 1, 7)))
        return choose.choice(((start, end), (0, end), (start, len(text))))
    start, end = sorted((choose.randint(0, len(text)), choose.randint(0, len(text))))
    return start, end


def _inside(
    found: list[Finding], offset: int, length: int, start: int, end: int, window: int
) -> Counter[tuple[int, int, str, str | None]]:
    """Count the findings that the cut ``[start:end]`` leaves their windows on both sides.

    That is what a gate leaves them: ``window`` characters from where they begin, and ``window - 1`` before.
    """
    kept: Counter[tuple[int, int, str, str | None]] = Counter()
    for finding in found:
        if finding.span is not None:
            first, last = finding.span[0] + offset, finding.span[1] + offset
            if start <= max(0, first + 1 - window) and min(length, first + window) <= end:
                kept[first, last, finding.message, finding.category] += 1
    return kept


def _window_message(
    trial: _Trial,
    whole: Counter[tuple[int, int, str, str | None]],
    part: Counter[tuple[int, int, str, str | None]],
    place: str,
    start: int,
    end: int,
) -> str:
    lost, gained = whole - part, part - whole
    first, last, message, category = next(iter(lost or gained))
    how = "finds only with more text around" if lost else "finds only without the text around"
    return (
        f"window={trial.validator.window} of {trial.validator.name} is too small: it {how}, in {place}, "
        f"{category or message!r} at ({first}, {last}) when cut to [{start}:{end}]. The window must hold the "
        "longest match and every character before and after it that can change the finding."
    )


def _check_time(trial: _Trial, examples: list[str], limit_s: float) -> None:
    """Grow each hostile text slowly, so that an exponential search is noticed before it hangs."""
    for number, seed in enumerate((*HOSTILE, *examples)):
        place = f"hostile text {seed!a}" if number < len(HOSTILE) else f"examples[{number - len(HOSTILE)}]"
        length, before, before_s = 8.0, 1.0, 0.0
        while length < MAX_CHARS * 1.25:
            text = (seed * (int(length) // len(seed) + 1))[: int(length)] + "!"
            spent_s, tries = math.inf, 0
            grows = True
            while tries < 3 and (spent_s > limit_s or grows):  # a busy machine adds to the time of a try
                spent_s = min(spent_s, _timed(trial, text, f"{place}, repeated to {len(text)} characters"))
                grows = before_s > 0.002 and spent_s > 0.01 and spent_s / before_s > (length / before) ** 4
                tries += 1
            if spent_s > limit_s or grows:
                raise AssertionError(
                    f"{trial.validator.name} took {spent_s:.2f} s for {len(text)} characters of {place}"
                    f"{', and grows faster than the fourth power of the length' if grows else ''}. Allowed: "
                    f"{limit_s} s for {MAX_CHARS} characters: an attacker chooses the text."
                )
            before, before_s = length, spent_s
            if length < 40:
                length += 2
            else:
                length *= 1.25 if length < 200 or spent_s > limit_s / 20 else 2.5


def _timed(trial: _Trial, text: str, place: str) -> float:
    """Seconds of this thread."""
    started = time.thread_time()
    trial.find(text, place)
    return time.thread_time() - started
