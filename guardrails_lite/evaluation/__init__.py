"""How well a guard or a validator performs on examples: rates with intervals, cost, comparison, thresholds.

The command ``guardrails-lite eval`` prints what these functions return.
"""

from __future__ import annotations

from guardrails_lite._rates import Rate
from guardrails_lite.evaluation._calibrate import Calibration, calibrate
from guardrails_lite.evaluation._compare import Comparison, compare
from guardrails_lite.evaluation._evaluate import Evaluation, Seen, evaluate
from guardrails_lite.evaluation._examples import Example, read_examples
from guardrails_lite.evaluation._report import html_report

__all__ = [
    "Calibration",
    "Comparison",
    "Evaluation",
    "Example",
    "Rate",
    "Seen",
    "calibrate",
    "compare",
    "evaluate",
    "html_report",
    "read_examples",
]
