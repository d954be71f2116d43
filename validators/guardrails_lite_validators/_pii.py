"""`pii`: structured personal data, told by its form, its check digits and the words beside it.

Every kind but e-mail addresses and links holds a digit, so one pass finds the groups of digits and each
group is tried as the start of the few forms that could begin there. A text without digits and without
an ``@`` costs that one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import Finding, Validator, validator
from guardrails_lite_validators._spans import outermost

ENTITIES: dict[str, str] = {
    "CREDIT_CARD": "a payment card number",
    "EMAIL_ADDRESS": "an e-mail address",
    "IBAN_CODE": "an international bank account number",
    "IP_ADDRESS": "an IP address",
    "PHONE_NUMBER": "a telephone number",
    "US_SSN": "a US social security number",
}
"""Entity types, named as Presidio names them, and what a finding says."""

WINDOW = 400


def pii(*, entities: Iterable[str] | None = None, threshold: float = 0.5) -> Validator:
    """Find personal data that has a form: addresses, numbers, identifiers.

    Names and street addresses have none; `presidio` and `gliner` find those with a model.

    Args:
        entities: Which types of `ENTITIES` to look for; default: all.
        threshold: The score, from 0 to 1, from which a finding counts. A valid check digit or a
            telling word nearby ("ssn", "IBAN", "Tel.") raises a score.

    Raises:
        ConfigError: an unknown entity type, or a threshold that is not from 0 to 1.
    """
    chosen = frozenset(
        (entities,) if isinstance(entities, str) else ENTITIES if entities is None else entities
    )
    unknown = chosen.difference(ENTITIES)
    if unknown or not chosen:
        raise ConfigError(
            f"entities={sorted(chosen)!r} of pii(...): expected some of {', '.join(sorted(ENTITIES))}"
        )
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of pii(...) must be from 0 to 1")
    params: dict[str, object] = {}
    if chosen != frozenset(ENTITIES):
        params["entities"] = sorted(chosen)
    if threshold != 0.5:
        params["threshold"] = threshold

    @validator(name="pii", window=WINDOW, params=params)
    def find(text: str) -> list[Finding]:
        return outermost(
            Finding(f"contains {ENTITIES[kind]}", span=(start, end), category=kind, score=score)
            for kind, start, end, score in _candidates(text)
            if kind in chosen and score >= threshold
        )

    return find


Candidate = tuple[str, int, int, float]


def _candidates(text: str) -> Iterator[Candidate]:
    from guardrails_lite_validators import _pii_forms as forms

    if "@" in text:
        yield from forms.emails(text)
    token_end = -1
    for found in forms.DIGITS.finditer(text):
        start = found.start()
        if start < token_end:
            continue
        before = text[start - 1] if start else ""
        if before.isalnum() or before == "_":
            start = forms.token_start(text, start)
        token_end = found.end()
        for form in forms.FORMS:
            yield from form(text, start, found.end())
