"""`injection`: text that tries to take over the model.

Phrase rules of several families, in several languages, on folded text. A detector of injections is
friction and a signal, never a guarantee: what the model may do is bounded by the tools, the schema and
the egress rules of a guard.
"""

from __future__ import annotations

from collections.abc import Iterator

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import Finding, Validator, validator
from guardrails_lite_validators._injection_rules import FAMILIES, phrase_rules
from guardrails_lite_validators._readings import readings_of

THRESHOLDS = {"user": 0.7, "untrusted": 0.5}


def injection(*, source: str = "user", threshold: float | None = None) -> Validator:
    """Find attempts to override, extract or redirect the model's instructions.

    Args:
        source: ``"user"`` for what a person types, ``"untrusted"`` for tool results, web pages and
            documents, which have no business giving orders and are judged by a lower threshold::

                input=[block(injection(), roles="user"), block(injection(source="untrusted"), roles="tool")]
        threshold: The score, from 0 to 1, from which a text is reported, in place of the source's own.

    Raises:
        ConfigError: an unknown source, or a threshold that is not from 0 to 1.
    """
    if source not in THRESHOLDS:
        raise ConfigError(f"source={source!r} of injection(...) must be one of {', '.join(THRESHOLDS)}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of injection(...) must be from 0 to 1")
    least = THRESHOLDS[source] if threshold is None else threshold
    params = {} if source == "user" else {"source": source}

    @validator(
        name="injection",
        params=params if threshold is None else {**params, "threshold": threshold},
    )
    def find(text: str) -> Iterator[Finding]:
        evidence = list(_evidence(text))
        doubt = 1.0
        for weight in {family: weight for family, weight, _ in sorted(evidence)}.values():
            doubt *= 1 - weight
        score = 1 - doubt
        if not evidence or score < least:
            return
        for family, _, span in evidence:
            yield Finding(
                FAMILIES[family], span=span, category=f"INJECTION_{family.upper()}", score=round(score, 3)
            )

    return find


def _evidence(text: str) -> Iterator[tuple[str, float, tuple[int, int]]]:
    readings = readings_of(text)
    for reading in (readings.plain, *readings.others):
        for rule in phrase_rules():
            if any(gate in reading.text for gate in rule.gates):
                found = rule.pattern.search(reading.text)
                if found is not None:
                    yield rule.family, rule.weight, reading.span(*found.span())
