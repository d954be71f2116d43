"""`injection`: text that tries to take over the model.

Phrase rules in several languages and a small linear model, over every reading of a text (`_readings`). A
detector of injections is friction and a signal, never a guarantee: what the model may do is bounded by the
tools, the schema and the egress rules of a guard.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._fold import Reading
from guardrails_lite_validators._injection_model import shipped_model
from guardrails_lite_validators._injection_phrases import FAMILIES
from guardrails_lite_validators._injection_rules import Phrase, evidence, pairs_asked, passages
from guardrails_lite_validators._readings import SINGLES, Readings, readings_of
from guardrails_lite_validators._wording import Wording, wording_of

THRESHOLDS = {"user": 0.71, "tool": 0.55, "retrieved": 0.55}


def injection(*, source: str = "user", threshold: float | None = None) -> Validator:
    """Find attempts to override, extract or redirect the model's instructions.

    Args:
        source: Who wrote the text: ``"user"``, a person; ``"tool"``, a function; ``"retrieved"``, a page
            or a document. The last two should not give orders, so they are judged by a lower
            threshold::

                input=[block(injection(), roles="user"), block(injection(source="tool"), roles="tool")]
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
        version="9",
    )
    def find(text: str) -> list[Finding]:
        readings = readings_of(text, asked=_pairs_asked())
        findings: list[Finding] = []
        if readings.goes_on:
            says, category = "is encoded in more layers than are decoded", "INJECTION_ENCODED"
            findings.append(Finding(says, span=(0, len(text)), category=category, score=1.0))
        highest = 0.0
        shown: set[tuple[str, tuple[int, int]]] = set()
        for reading, wording in _each(readings):
            for score, phrases in _judged(wording, least):
                if score >= least:
                    highest = max(highest, score)
                    shown.update((family, reading.span(*span)) for family, span in phrases)
        score = round(highest, 3)
        for family, span in sorted(shown):
            category = f"INJECTION_{family.upper()}"
            findings.append(Finding(FAMILIES[family], span=span, category=category, score=score))
        if highest and not shown:
            says = "reads like an attack"
            findings.append(Finding(says, span=(0, len(text)), category="INJECTION", score=score))
        return findings

    return find


def _judged(wording: Wording, least: float) -> Iterator[tuple[float, list[Phrase]]]:
    """The score of the whole text and of each passage with a phrase, and the phrases there."""
    model, pairs = shipped_model(), wording.paired(_pairs_asked())
    phrases = list(evidence(wording, pairs=pairs))
    yield model.score(wording, [family for family, _ in phrases], pairs=pairs, least=least), phrases
    for passage, within in passages(wording.text, phrases):
        yield model.score(wording_of(passage), [family for family, _ in within], least=least), within


@functools.cache
def _pairs_asked() -> frozenset[tuple[str, str]]:
    """The pairs of words that the model or a phrase asks for: the words are gone through once for both."""
    return shipped_model().pairs | pairs_asked() | SINGLES


def _each(readings: Readings) -> Iterator[tuple[Reading, Wording]]:
    yield readings.plain, readings.wording
    for reading in readings.others:
        yield reading, wording_of(reading.text)
