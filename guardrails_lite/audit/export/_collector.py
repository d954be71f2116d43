"""Sending to an OpenTelemetry collector: OTLP over HTTP, in JSON, with the standard library."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _otlp

BATCH: Final = 500
"""Calls in one request."""
_SIGNALS: Final = {"traces": _otlp.traces, "logs": _otlp.logs, "metrics": _otlp.metrics}


def send(
    entries: Iterable[Entry],
    endpoint: str,
    *,
    signals: Iterable[str] = ("traces", "logs", "metrics"),
    mapping: str = _otlp.NEWEST,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Send calls to a collector, and return how many were taken.

    Args:
        entries: Entries of finished calls.
        endpoint: The collector's base address, such as ``http://localhost:4318``; the path of each signal
            is added.
        signals: Of ``"traces"``, ``"logs"``, ``"metrics"``.
        mapping: One of `MAPPINGS`.
        headers: Sent along, such as a token.
        timeout_s: Seconds for one request.
        on_progress: Told how many calls have been taken, after each batch.

    Raises:
        ConfigError: no address, an unknown signal or mapping; or the collector did not take a batch. What was
            sent before stands; sending again sends it again.
    """
    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        raise ConfigError(
            f"endpoint={endpoint!r} of send(...) must be an address, such as http://localhost:4318"
        )
    chosen = list(signals)
    if unknown := [name for name in chosen if name not in _SIGNALS]:
        raise ConfigError(f"signals={unknown!r} of send(...): expected some of {', '.join(_SIGNALS)}")
    if mapping not in _otlp.MAPPINGS:
        raise ConfigError(f"mapping={mapping!r} of send(...): expected one of {', '.join(_otlp.MAPPINGS)}")
    sent = 0
    for batch in _batched(entries):
        for name in chosen:
            body = _SIGNALS[name](batch, _otlp.MAPPINGS[mapping])
            _post(f"{endpoint.rstrip('/')}/v1/{name}", body, headers or {}, timeout_s)
        sent += len(batch)
        if on_progress is not None:
            on_progress(sent)
    return sent


def _batched(entries: Iterable[Entry]) -> Iterable[tuple[Entry, ...]]:
    left = iter(entries)
    while batch := tuple(itertools.islice(left, BATCH)):
        yield batch


def _post(address: str, body: Any, headers: Mapping[str, str], timeout_s: float) -> None:
    request = urllib.request.Request(
        address,
        json.dumps(body).encode(),
        {"content-type": "application/json", **headers},
        method="POST",
    )
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            told = answer.read(65536)
    except urllib.error.HTTPError as error:
        error.close()
        raise ConfigError(
            f"{address} answered with status {error.code}, so nothing of this batch was taken"
        ) from None
    except OSError as error:
        raise ConfigError(f"{address} could not be reached ({type(error).__name__})") from None
    refused = _refused(told)
    if refused:
        raise ConfigError(f"{address} refused {refused} of the batch")


def _refused(told: bytes) -> int:
    """How many items the collector says it refused (``partialSuccess``)."""
    try:
        partial = json.loads(told).get("partialSuccess") or {}
        return max((int(value) for name, value in partial.items() if name.startswith("rejected")), default=0)
    except (ValueError, AttributeError, TypeError):
        return 0


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody: the log goes where it was told to."""

    def redirect_request(self, *args: Any) -> None:
        return None
