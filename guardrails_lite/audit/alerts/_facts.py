"""Facts: what rules can ask about, and under which names.

A fact is one thing that happened, with its fields. Its service says of which kind it is: a call, one of its
checks or sends, another entry of the log, an hour beside the week before it, or what a verification found.
No fact has text of a call, because neither the log nor its index has any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

PRODUCT: Final = "guardrails-lite"
"""``logsource.product`` of every rule."""

WHO: Final[tuple[str, ...]] = (
    "guard",
    "digest",
    "mode",
    "style",
    "model",
    "outcome",
    "user",
    "key",
    "tenant",
)
"""The fields of a call that its checks and sends have too."""
_NEW: Final = ("new_guard", "new_digest", "new_model", "new_user", "new_key", "new_tenant")

SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "call": (
        *("call", "stream", "n", "error", "blocked", "found", "us", "attempts", "kept", "log_age_s"),
        *("tokens", "tokens_in", "tokens_out", "cost_usd", "input_chars", "output_chars"),
        *WHO,
        *_NEW,
    ),
    "check": ("call", "rule", "side", "attempt", "result", "action", "us", "error", *WHO),
    "send": ("call", "target", "sent_model", "number", "result", "status", "us", "cost_usd", *WHO),
    "event": ("type", "id", "call", "stream", "n"),
    "hour": (
        *("of", "value", "hours_before", "complete", "calls", "blocked", "block_rate", "tokens", "cost_usd"),
        *("usual_calls", "usual_block_rate", "usual_tokens", "usual_cost_usd"),
        *("calls_ratio", "block_ratio", "tokens_ratio", "cost_ratio"),
        *("calls_z", "tokens_z", "cost_z", "calls_peak_ratio", "tokens_peak_ratio", "cost_peak_ratio"),
    ),
    "integrity": ("state", "problems", "first", "records", "streams", "key"),
}
"""``logsource.service``, and the fields that its facts have."""

LOOKED_UP: Final = frozenset((*_NEW, "log_age_s"))
"""Fields that only a fact has whose rules ask for them: they are dear."""

_OPEN: Final = {"call": "tag.", "check": "tag.", "send": "tag.", "event": "data."}
"""The beginning of fields that are named by whoever wrote them."""


class Fact(NamedTuple):
    """Something that happened, as rules see it."""

    service: str
    at: int
    """When, nanoseconds since the epoch."""
    place: str
    """Names it, the same on every day and in every index."""
    fields: Mapping[str, Any]


def has_field(service: str, name: str) -> bool:
    """Whether facts of *service* can have the field *name*."""
    begins = _OPEN.get(service)
    return name in SERVICES[service] or (begins is not None and name.startswith(begins) and name != begins)


def flat(data: Mapping[str, Any], before: str = "data.") -> dict[str, Any]:
    """The members of an entry as fields: nested ones by dots, lists with their length beside them."""
    fields: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            fields |= flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            fields[f"{before}{name}"] = [one for one in value if not isinstance(one, (Mapping, list))]
            fields[f"{before}{name}.count"] = len(value)
        else:
            fields[f"{before}{name}"] = value
    return fields
