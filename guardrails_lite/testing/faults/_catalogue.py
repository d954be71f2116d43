"""The whole catalogue of faults, by id."""

from __future__ import annotations

from guardrails_lite.testing.faults._body import BODY_FAULTS
from guardrails_lite.testing.faults._connection import CONNECTION_FAULTS
from guardrails_lite.testing.faults._fault import Fault
from guardrails_lite.testing.faults._status import STATUS_FAULTS
from guardrails_lite.testing.faults._stream import STREAM_FAULTS
from guardrails_lite.testing.faults._system import SYSTEM_FAULTS

FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (*STATUS_FAULTS, *CONNECTION_FAULTS, *BODY_FAULTS, *STREAM_FAULTS, *SYSTEM_FAULTS)
}
