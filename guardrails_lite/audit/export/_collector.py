"""Sending to an OpenTelemetry collector: OTLP over HTTP, in JSON, with the standard library."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit._unreached import why
from guardrails_lite.audit.export import _otlp
from guardrails_lite.audit.export._facts import batches

SIGNALS: Final = ("traces", "logs", "metrics")


def send(
    entries: Iterable[Entry],
    endpoint: str,
    *,
    signals: Iterable[str] = SIGNALS,
    mapper: str = _otlp.NEWEST,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Send calls to a collector, and return how many were taken.

    Args:
        entries: Entries of finished calls.
        endpoint: The collector's base address, such as ``http://localhost:4318``; the path of each signal
            is added.
        signals: Some of `SIGNALS`.
        mapper: One of `MAPPERS`, for the traces.
        headers: Sent along, such as a token.
        timeout_s: Seconds for one request.
        on_progress: Told how many calls have been taken, after each batch.

    Raises:
        ConfigError: no address, an unknown signal or mapper; or the collector did not take a batch. What was
            sent before stands; sending again sends it again.
    """
    address = urlsplit(endpoint)
    if "@" in address.netloc:  # it would stand in every message about the address
        raise ConfigError("endpoint of send(...) has a user or a password; send a token by headers={...}")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigError(
            f"endpoint={endpoint!r} of send(...) must be an address, such as http://localhost:4318"
        )
    chosen = list(signals)
    if unknown := [name for name in chosen if name not in SIGNALS]:
        raise ConfigError(f"signals={unknown!r} of send(...): expected some of {', '.join(SIGNALS)}")
    if mapper not in _otlp.MAPPERS:
        raise ConfigError(f"mapper={mapper!r} of send(...): expected one of {', '.join(_otlp.MAPPERS)}")
    told: dict[str, Callable[[list[Entry]], Any]] = {
        "traces": functools.partial(_otlp.traces, mapper=_otlp.MAPPERS[mapper]),
        "logs": _otlp.logs,
        "metrics": _otlp.metrics,
    }
    sent = 0
    for batch in batches(entries):
        for name in chosen:
            _post(f"{endpoint.rstrip('/')}/v1/{name}", told[name](batch), headers or {}, timeout_s)
        sent += len(batch)
        if on_progress is not None:
            on_progress(sent)
    return sent


def _post(address: str, body: Any, headers: Mapping[str, str], timeout_s: float) -> None:
    import http.client
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        """Follows nobody: the log goes where it was told to."""

        def redirect_request(self, *args: Any) -> None:
            return None

    request = urllib.request.Request(
        address,
        json.dumps(body).encode(),
        {"content-type": "application/json", **headers},
        method="POST",
    )
    opener = urllib.request.build_opener(Stay)
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            told = answer.read(65536)
    except urllib.error.HTTPError as error:
        error.close()
        raise ConfigError(
            f"{address} answered with status {error.code}, so nothing of this batch was accepted"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise ConfigError(f"{address} could not be reached ({why(error)})") from None
    except (ValueError, TypeError):  # its message would quote the header
        raise ConfigError(
            f"a header for {address} has a line break or is not text, so it cannot be sent"
        ) from None
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
