"""`regex`: patterns of the user's own, in bounded time.

Python's `re` backtracks, so one careless pattern can stall a service. Two things bound it here: a
pattern in which an unbounded repeat contains another one is refused when the validator is made (that
is where exponential time comes from), and a match is tried within `window` characters of its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as sre  # type: ignore[attr-defined]  # the only public-enough parse tree of a pattern
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._spans import outermost

_LONGEST_WINDOW = 100_000


def regex(
    patterns: str | Iterable[str],
    /,
    *,
    category: str | None = None,
    message: str = "matches a forbidden pattern",
    window: int | None = None,
    flags: int = 0,
) -> Validator:
    """Find what any of the patterns matches (`re` syntax).

    Where every pattern has a longest match, the window is worked out from the patterns, and streams
    flow. Otherwise give `window`, or the whole reply is held. Matches are sought at every position, so
    overlapping ones are all found.

    Args:
        patterns: One pattern or several.
        category: The category of the findings; a redaction then reads ``[CATEGORY]``.
        message: What the finding says. It is logged, so it must not quote a text.
        window: The most characters a match and one on either side may take. A match is cut there.
        flags: Flags of `re`, such as ``re.IGNORECASE``.

    Raises:
        ConfigError: a pattern that does not compile, that matches the empty text, or that nests
            unbounded repeats, as ``(a+)+`` does.
    """
    sources = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    if not sources:
        raise ConfigError("regex(...) needs at least one pattern")
    compiled = [_compiled(source, flags) for source in sources]
    widest = max(_reach(source, flags) for source in sources)
    if window is None and widest <= _LONGEST_WINDOW:
        window = widest
    reach = None if window is None else max(window - 2, 1)
    given = {"category": category, "message": message, "flags": flags}
    defaults = {"category": None, "message": "matches a forbidden pattern", "flags": 0}

    @validator(
        name="regex",
        window=window,
        params={"patterns": list(sources)}
        | {key: value for key, value in given.items() if value != defaults[key]},
        private={"patterns": sources},
    )
    def find(text: str) -> Iterator[Finding]:
        yield from outermost(
            Finding(message, span=span, category=category)
            for pattern in compiled
            for span in _spans(pattern, text, reach)
        )

    return find


def _spans(pattern: re.Pattern[str], text: str, reach: int | None) -> Iterator[tuple[int, int]]:
    if reach is None:
        yield from (found.span() for found in pattern.finditer(text))
        return
    found = pattern.search(text)
    while found is not None:
        start, end = found.span()
        if end - start > reach:
            cut = pattern.match(text, start, start + reach)
            end = cut.end() if cut is not None else start
        if end > start:
            yield start, end
        found = pattern.search(text, start + 1)


def _compiled(source: str, flags: int) -> re.Pattern[str]:
    try:
        pattern = re.compile(source, flags)
        tree = _parser.parse(source, flags)
    except (re.error, TypeError, RecursionError, OverflowError) as error:
        raise ConfigError(f"pattern {source!r} of regex(...) does not compile: {error}") from error
    if _nests_repeats(tree, inside=False):
        raise ConfigError(
            f"pattern {source!r} of regex(...) repeats a part that repeats without bound, which can take "
            "exponential time. Bound one of them, as in (a{1,20}), or use a possessive repeat, as in (a++)."
        )
    if pattern.match("") is not None:
        raise ConfigError(f"pattern {source!r} of regex(...) matches the empty text, so it would match all")
    return pattern


def _reach(source: str, flags: int) -> int:
    """The longest match with everything its lookarounds and boundaries may read."""
    tree = _parser.parse(source, flags)
    return int(tree.getwidth()[1]) + 2 + 2 * sum(_assertion_widths(tree))


def _assertion_widths(tree: Any) -> Iterator[int]:
    for operator, argument in tree:
        if operator in (sre.ASSERT, sre.ASSERT_NOT):
            yield int(argument[1].getwidth()[1])
        for part in _parts(argument):
            yield from _assertion_widths(part)


def _nests_repeats(tree: Any, *, inside: bool) -> bool:
    for operator, argument in tree:
        unbounded = operator in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[1] > 64
        if unbounded and inside:
            return True
        if operator in (getattr(sre, "ATOMIC_GROUP", None), getattr(sre, "POSSESSIVE_REPEAT", None)):
            continue
        if any(_nests_repeats(part, inside=inside or unbounded) for part in _parts(argument)):
            return True
    return False


def _parts(argument: object) -> Iterator[Any]:
    """The sub-patterns in the argument of one parsed operator."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, Sequence) and not isinstance(argument, str):
        for item in argument:
            yield from _parts(item)
