"""`pii`: structured personal data, told by its form, its check digits and the words beside it.

Every kind but e-mail and web addresses holds a digit, so one pass finds the groups of digits that could
begin something, and each is tried as the start of the few forms of its shape. A text without digits costs
that one pass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._spans import outermost

WINDOW = 400
FORMS: dict[str, str] = {
    "CREDIT_CARD": "contains a payment card number",
    "CRYPTO": "contains an address of a cryptocurrency",
    "DATE_TIME": "contains a date of birth",
    "EMAIL_ADDRESS": "contains an e-mail address",
    "IBAN_CODE": "contains an international bank account number",
    "IP_ADDRESS": "contains an IP address",
    "MAC_ADDRESS": "contains a MAC address",
    "PHONE_NUMBER": "contains a telephone number",
    "URL": "contains a web address that may point to a person",
}
"""Entity types besides the identifiers of `_identifiers`, as Presidio names them, and what a finding says."""

Candidate = tuple[str, int, int, float]


def pii(
    *,
    entities: Iterable[str] | None = None,
    threshold: float = 0.5,
    mask: str | Callable[[str, str], str] = "type",
) -> Validator:
    """Find personal data with a fixed form: addresses, numbers, identifiers of some sixty countries.

    Names and street addresses have no fixed form; `presidio` finds those with a model.

    Args:
        entities: Which types to look for, as ``"EMAIL_ADDRESS"`` or ``"PL_PESEL"``; default: all.
        threshold: The score, from 0 to 1, from which a finding counts. A valid check digit or a telling
            word nearby ("ssn", "IBAN", "Tel.") raises a score.
        mask: What `redact` writes: ``"type"``, ``[EMAIL_ADDRESS]``; ``"partial"``, the value with all but
            its last four letters and digits as stars; or a function of the entity type and the value, such
            as `Pseudonyms.hide`.

    Raises:
        ConfigError: an unknown entity type or mask, or a threshold that is not from 0 to 1.
    """
    chosen = None if entities is None else _chosen(entities)
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of pii(...) must be from 0 to 1")
    if mask not in ("type", "partial") and not callable(mask):
        raise ConfigError(f"mask={mask!r} of pii(...) must be 'type', 'partial' or a function")
    masked = mask if callable(mask) else partial_mask if mask == "partial" else None
    given = {
        "entities": None if chosen is None else sorted(chosen),
        "threshold": threshold,
        "mask": mask if isinstance(mask, str) else getattr(mask, "__qualname__", type(mask).__name__),
    }
    defaults = {"entities": None, "threshold": 0.5, "mask": "type"}

    @validator(
        name="pii",
        window=WINDOW,
        params={key: value for key, value in given.items() if value != defaults[key]},
    )
    def find(text: str) -> list[Finding]:
        found = [
            candidate
            for candidate in _search()(text)
            if candidate[3] >= threshold and (chosen is None or candidate[0] in chosen)
        ]
        return _findings(text, found, masked) if found else []

    return find


@functools.cache
def _search() -> Callable[[str], Iterator[Candidate]]:
    """The search, whose tables are loaded with the first text."""
    from guardrails_lite_validators._pii_search import candidates

    return candidates


def _findings(text: str, found: list[Candidate], masked: Callable[[str, str], str] | None) -> list[Finding]:
    says = messages()
    return outermost(
        Finding(
            says[kind],
            span=(start, end),
            category=kind,
            score=score,
            replacement=None if masked is None else masked(kind, text[start:end]),
        )
        for kind, start, end, score in found
    )


@functools.cache
def messages() -> Mapping[str, str]:
    """Every entity type, and what a finding of it says."""
    from guardrails_lite_validators._identifiers import identifiers

    return MappingProxyType(FORMS | {row.entity: row.message for row in identifiers()})


def _chosen(entities: Iterable[str]) -> frozenset[str]:
    chosen = frozenset((entities,) if isinstance(entities, str) else entities)
    known = messages()
    if not chosen or not chosen <= known.keys():
        raise ConfigError(
            f"entities={sorted(chosen)!r} of pii(...): expected some of {', '.join(sorted(known))}"
        )
    return chosen


def partial_mask(entity: str, value: str) -> str:
    """*value* with stars for all but its last four letters and digits; for short values, for all of them."""
    left = sum(map(str.isalnum, value))
    shown = 4 if left >= 8 else 0
    parts = []
    for char in value:
        if char.isalnum():
            parts.append(char if left <= shown else "*")
            left -= 1
        else:
            parts.append(char)
    return "".join(parts)
