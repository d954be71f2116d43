"""The fault lab: what providers, networks and models do wrong, served one at a time."""

from __future__ import annotations

from guardrails_lite.testing.faults._body import BODY_FAULTS
from guardrails_lite.testing.faults._connection import CONNECTION_FAULTS
from guardrails_lite.testing.faults._fault import Fault, Variant
from guardrails_lite.testing.faults._matrix import Matrix, faults_matrix
from guardrails_lite.testing.faults._server import FaultServer
from guardrails_lite.testing.faults._status import STATUS_FAULTS
from guardrails_lite.testing.faults._stream import STREAM_FAULTS
from guardrails_lite.testing.faults._system import SYSTEM_FAULTS
from guardrails_lite.testing.faults._trial import WAYS, Observation, Way

FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (*STATUS_FAULTS, *CONNECTION_FAULTS, *BODY_FAULTS, *STREAM_FAULTS, *SYSTEM_FAULTS)
}
"""The whole catalogue, by id."""

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
