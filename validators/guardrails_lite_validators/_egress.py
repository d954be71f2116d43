"""`egress`: values that must never leave, found through encodings, splitting, case and reversal.

Deterministic. The text is folded and compacted to its letters and digits, so spaces, dashes, line
breaks and look-alikes between them hide nothing; each protected value is sought in it as written and in
every encoding listed in `ENCODINGS`. A prompt is protected by runs of it: forty characters in a row,
compacted, in the same encodings.
"""

from __future__ import annotations

import base64
import codecs
import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._fold import fold
from guardrails_lite_validators._spans import outermost

SHORTEST = 6
SHINGLE = 40
_WIDEST = 4096


def _rot13(value: str) -> str:
    return codecs.encode(value, "rot13")


def _hexadecimal(value: str) -> str:
    return value.encode("utf-8", "surrogatepass").hex()


def _joined(form: str) -> Callable[[str], str]:
    return lambda value: "".join(form.format(byte) for byte in value.encode("utf-8", "surrogatepass"))


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "reversed": lambda value: value[::-1],
    "rot13": _rot13,
    "hexadecimal": _hexadecimal,
    "escapes": _joined("x{:02x}"),
    "unicode escapes": _joined("u00{:02x}"),
    "decimal": _joined("{}"),
    "binary": _joined("{:08b}"),
}
"""Character by character; base64 and base32 come beside them, at each alignment in a longer text."""


def egress(*, values: Iterable[str] = (), prompt: str | None = None) -> Validator:
    """Find registered secrets, canaries and pieces of a prompt in what is about to leave.

    The values are kept in memory and never printed: `repr` and the log say only how many there are.

    Args:
        values: Secrets, canaries, names: at least six letters or digits each.
        prompt: A text, such as the system prompt, no long run of which may appear.

    Raises:
        ConfigError: nothing to protect, a value that is too short to tell from chance, a single string.
    """
    if isinstance(values, str):
        raise ConfigError("values of egress(...) is a single string; expected a list. Put it in brackets.")
    listed = tuple(values)
    for position, value in enumerate(listed):
        if not isinstance(value, str) or len(compact(value)[0]) < SHORTEST:
            raise ConfigError(
                f"values[{position}] of egress(...) has fewer than {SHORTEST} letters or digits, "
                "so it would be found by chance. Leave it out or protect a longer form of it."
            )
    if prompt is not None and len(compact(prompt)[0]) < SHINGLE:
        raise ConfigError(
            f"prompt of egress(...) has fewer than {SHINGLE} letters and digits. Give it in `values` instead."
        )
    if not listed and prompt is None:
        raise ConfigError("egress() protects nothing; give it values=[...] or prompt=...")
    needles = functools.cache(lambda: frozenset(needle for value in listed for needle in encoded(value)))
    shingles = functools.cache(lambda: _shingles(prompt) if prompt is not None else frozenset())
    longest = max((16 * len(value) for value in listed), default=0)
    window = min(max(longest, 4 * SHINGLE if prompt is not None else 0) + 64, _WIDEST)
    private: dict[str, object] = {"values": listed} if listed else {}
    if prompt is not None:
        private["prompt"] = prompt

    @validator(name="egress", window=window, private=private)
    def find(text: str) -> list[Finding]:
        return outermost(_found(text, needles(), shingles(), window - 2))

    return find


def _found(text: str, needles: frozenset[str], shingles: frozenset[str], widest: int) -> Iterator[Finding]:
    folded, place = compact(text)
    for needle in needles:
        at = folded.find(needle)
        while at >= 0:
            span = place(at, at + len(needle))
            if span[1] - span[0] <= widest:
                yield Finding("contains a protected value", span=span, category="PROTECTED_VALUE", score=1.0)
            at = folded.find(needle, at + 1)
    if shingles:
        for anchor in _ANCHORS.finditer(folded):
            at = anchor.start()
            if folded[at : at + SHINGLE] in shingles:
                span = place(at, at + SHINGLE)
                if span[1] - span[0] <= widest:
                    yield Finding(
                        "repeats the protected prompt", span=span, category="PROTECTED_PROMPT", score=1.0
                    )


_ANCHORS = re.compile("[aeo3679]")
"""Runs are compared from these characters only, in the prompt as in the text: an eighth of the work."""


def encoded(value: str) -> Iterator[str]:
    """A value in each encoding, compacted as the text is."""
    for form in {value, value.lower(), value.upper(), value.strip()}:
        for encode in ENCODINGS.values():
            yield compact(encode(form))[0]
        for raw in (form, form[::-1], _rot13(form), _hexadecimal(form)):
            for inner in _aligned(raw):
                needle = compact(inner)[0]
                if len(needle) >= SHORTEST:
                    yield needle
        for outer in _aligned(base64.b64encode(form.encode("utf-8", "surrogatepass")).decode()):
            yield compact(outer)[0]


def _aligned(value: str) -> Iterator[str]:
    """Base64 and base32 of a value wherever it stands in a longer text, without the uncertain ends."""
    data = value.encode("utf-8", "surrogatepass")
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + data).decode().rstrip("=")
        tail = (lead + len(data)) % 3
        yield text[(0, 2, 3)[lead] : len(text) - (1 if tail else 0)]
        yield text.replace("+", "-").replace("/", "_")[(0, 2, 3)[lead] : len(text) - (1 if tail else 0)]
    for lead in range(5):
        text = base64.b32encode(b"\0" * lead + data).decode().rstrip("=")
        tail = (lead + len(data)) % 5
        yield text[(0, 2, 4, 5, 7)[lead] : len(text) - (1 if tail else 0)]


def _shingles(prompt: str) -> frozenset[str]:
    runs: set[str] = set()
    for form in (prompt, prompt.lower()):
        for text in (
            *(encode(form) for encode in ENCODINGS.values()),
            *_aligned(form),
            *_aligned(form[::-1]),
        ):
            folded = compact(text)[0]
            runs.update(
                folded[anchor.start() : anchor.start() + SHINGLE]
                for anchor in _ANCHORS.finditer(folded)
                if anchor.start() + SHINGLE <= len(folded)
            )
    return frozenset(runs)


def compact(text: str) -> tuple[str, Callable[[int, int], tuple[int, int]]]:
    """The letters and digits of a folded text, and the way back from a span of them."""
    folded = fold(text)

    @functools.cache
    def pieces() -> tuple[list[int], list[int]]:
        starts, origins = [0], [0]
        length = 0
        for found in _PIECE.finditer(folded.text):
            starts.append(length)
            origins.append(found.start())
            length += found.end() - found.start()
        return starts, origins

    def origin(offset: int) -> int:
        starts, origins = pieces()
        at = bisect_right(starts, offset) - 1
        return origins[at] + offset - starts[at]

    def place(start: int, end: int) -> tuple[int, int]:
        return folded.span(origin(start), origin(end - 1) + 1)

    return "".join(_PIECE.findall(folded.text)), place


_PIECE = re.compile(r"[^\W_]+")
