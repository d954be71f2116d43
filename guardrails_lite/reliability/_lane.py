"""What is known of the way to one model: its circuit, its limits, its pause, and who waits."""

from __future__ import annotations

from typing import Any

from guardrails_lite.reliability._breaker import Circuit
from guardrails_lite.reliability._meter import Meter
from guardrails_lite.reliability._pause import Pause
from guardrails_lite.reliability._queue import Queue
from guardrails_lite.reliability._retry_budget import Allowance


class Lane:
    """The state of one model at one endpoint under one account."""

    __slots__ = ("allowance", "circuit", "first_content_s", "meter", "pause", "queue", "throttled")

    def __init__(self) -> None:
        self.circuit = Circuit()
        self.meter = Meter()
        self.pause = Pause()
        self.allowance = Allowance()
        self.queue = Queue()
        self.first_content_s: list[float] = []
        """How long the first content of the recent calls took."""
        self.throttled = 0
        """How many rate limits came without saying for how long, one after another."""

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        parts = (self.circuit, self.meter, self.pause, self.allowance, self.queue)
        return [*(part.dump() for part in parts), self.first_content_s, self.throttled]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        circuit, meter, pause, allowance, queue, self.first_content_s, self.throttled = dumped
        self.circuit.load(circuit)
        self.meter.load(meter)
        self.pause.load(pause)
        self.allowance.load(allowance)
        self.queue.load(queue)
