"""The fault lab: what providers, networks and models do wrong, served one at a time."""

from __future__ import annotations

from guardrails_lite.testing.faults._catalogue import FAULTS
from guardrails_lite.testing.faults._fault import Fault, Variant
from guardrails_lite.testing.faults._matrix import Matrix, faults_matrix
from guardrails_lite.testing.faults._server import FaultServer
from guardrails_lite.testing.faults._trial import WAYS, Observation, Way

__all__ = [
    "FAULTS",
    "WAYS",
    "Fault",
    "FaultServer",
    "Matrix",
    "Observation",
    "Variant",
    "Way",
    "faults_matrix",
]
