"""The failure kit: broken replies made for a user's own schema and tools."""

from __future__ import annotations

from guardrails_lite.testing.kit._broken import broken_replies
from guardrails_lite.testing.kit._kit import Caught, KitReport, failure_kit
from guardrails_lite.testing.kit._reply import Api, BrokenReply

__all__ = ["Api", "BrokenReply", "Caught", "KitReport", "broken_replies", "failure_kit"]
