"""Find the threshold that a validator needs on a user's own traffic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from guardrails_lite._rates import Rate
from guardrails_lite._validators import Validator
from guardrails_lite.evaluation._evaluate import as_dict


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what it costs and brings."""

    threshold: float
    """The lowest threshold that keeps to the target."""
    validator: Validator
    """The validator with that threshold."""
    false_positive_rate: Rate
    """Of the benign texts, those that it still flags. They chose the threshold, so expect a little more on
    others; the interval says how much more is likely."""
    recall: Rate
    """Of the positive texts, those that it flags; of none where none were given."""
    curve: tuple[tuple[float, Rate, Rate], ...]
    """Each threshold at which something changes, with its false-positive rate and its recall."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data, without the curve."""
        return {
            "validator": repr(self.validator),
            "threshold": self.threshold,
            "false_positive_rate": as_dict(self.false_positive_rate),
            "recall": as_dict(self.recall),
        }


def calibrate(
    make: Callable[[float], Validator],
    benign: Iterable[str],
    *,
    target_fpr: float,
    positive: Iterable[str] = (),
) -> Calibration:
    """Choose the lowest threshold at which at most *target_fpr* of the benign texts are flagged.

    Args:
        make: Makes the validator with a threshold from 0 to 1:
            ``lambda threshold: injection(threshold=threshold)``.
        benign: Texts of your own traffic in which nothing should be found: a few hundred at least, for
            with *n* texts no rate below about 3/*n* can be shown.
        target_fpr: The share of them, from 0 to 1, that may be flagged.
        positive: Texts in which something should be found, to see what is left of the recall.

    Raises:
        ValueError: no benign text, a target that is not from 0 to 1, a validator without scores, or one
            whose target no threshold reaches.
    """
    if not 0 <= target_fpr <= 1:
        raise ValueError(f"target_fpr={target_fpr!r} of calibrate(...) must be from 0 to 1")
    benign, positive = list(benign), list(positive)
    if not benign:
        raise ValueError("calibrate(...) needs benign texts; give it some of your own traffic")
    widest = make(0.0)
    scores = sorted(_top_scores(widest, benign), reverse=True)
    of_positive = sorted(_top_scores(widest, positive), reverse=True)
    curve = tuple(
        (
            threshold,
            Rate(sum(score >= threshold for score in scores), len(benign)),
            Rate(sum(score >= threshold for score in of_positive), len(positive)),
        )
        for threshold in sorted({*scores, *of_positive})
        if threshold > 0
    )
    allowed = math.floor(target_fpr * len(benign) + 1e-9)  # 0.29 * 100 is a little less than 29
    for threshold in _candidates(scores, allowed):
        validator = make(threshold)
        rate = Rate.of(bool(validator(text)) for text in benign)
        if rate.hits <= allowed:
            recall = Rate.of(bool(validator(text)) for text in positive)
            return Calibration(threshold, validator, rate, recall, curve)
    raise ValueError(
        f"no threshold of {widest.name} up to 1 flags as few of the benign texts as target_fpr={target_fpr!r}"
    )


def _top_scores(validator: Validator, texts: Iterable[str]) -> list[float]:
    """The highest score in each text; 0 where nothing is found."""
    tops = []
    for text in texts:
        found = validator(text)
        scores = [finding.score for finding in found if finding.score is not None]
        if found and not scores:
            raise ValueError(f"{validator.name} gives no scores, so it has no threshold to calibrate")
        tops.append(max(scores, default=0.0))
    return tops


def _candidates(scores: list[float], allowed: int) -> list[float]:
    """Thresholds from the lowest that could do upwards: each just above a score of a benign text."""
    over = scores[allowed] if allowed < len(scores) else 0.0
    above = sorted({score for score in scores if score >= over})
    steps = [round(min(score + 0.001, 1.0), 3) for score in above] if over > 0 else [0.0, 0.001]
    return [*dict.fromkeys([*steps, 1.0])]
