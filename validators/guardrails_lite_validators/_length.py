"""`length`: how long a text may be."""

from __future__ import annotations

from collections.abc import Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator

_TOO_MANY = {
    "max_chars": "is longer than the characters allowed",
    "max_words": "has more words than allowed",
    "max_lines": "has more lines than allowed",
}
_TOO_FEW = {
    "min_chars": "is shorter than the characters asked for",
    "min_words": "has fewer words than asked for",
    "min_lines": "has fewer lines than asked for",
}


def length(
    *,
    max_chars: int | None = None,
    min_chars: int | None = None,
    max_words: int | None = None,
    min_words: int | None = None,
    max_lines: int | None = None,
    min_lines: int | None = None,
) -> Validator:
    """Find a text that is too long or too short.

    Characters are code points, words are separated by white space, lines are what `str.splitlines` returns.
    The limit itself is allowed. The validator needs the whole text, so a streamed reply is held back for it.

    Raises:
        ConfigError: no limit at all, a limit below zero, or a minimum above its maximum.
    """
    limits: dict[str, int] = {
        name: value
        for name, value in (
            ("max_chars", max_chars),
            ("min_chars", min_chars),
            ("max_words", max_words),
            ("min_words", min_words),
            ("max_lines", max_lines),
            ("min_lines", min_lines),
        )
        if value is not None
    }
    if not limits:
        raise ConfigError("length() needs a limit, such as length(max_chars=4000)")
    for name, value in limits.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigError(f"{name}={value!r} of length(...) must be a whole number, 0 or more")
    for unit in ("chars", "words", "lines"):
        low, high = limits.get(f"min_{unit}", 0), limits.get(f"max_{unit}")
        if high is not None and low > high:
            raise ConfigError(f"length(min_{unit}={low}, max_{unit}={high}): no text can satisfy both")

    @validator(name="length", params=limits)
    def find(text: str) -> Iterator[Finding]:
        sizes = {"chars": len(text)}
        if limits.keys() & {"max_words", "min_words"}:
            sizes["words"] = len(text.split())
        if limits.keys() & {"max_lines", "min_lines"}:
            sizes["lines"] = len(text.splitlines())
        for name, limit in limits.items():
            side, _, unit = name.partition("_")
            if side == "max" and sizes[unit] > limit:
                yield Finding(_TOO_MANY[name], category="LENGTH")
            elif side == "min" and sizes[unit] < limit:
                yield Finding(_TOO_FEW[name], category="LENGTH")

    return find
