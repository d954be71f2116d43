"""What every test gets: nothing beyond this machine, no key of the developer's, one hypothesis profile."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repository",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],  # the machine may be busy; our own bounds are counted
)
settings.load_profile("repository")


# A client reads every authority of the system when it is made, which takes longer than most tests. Nothing
# here is asked over TLS, so one that vouches for nobody will do.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))


class NetworkUsed(BaseException):
    """A test tried to leave this machine. No `except Exception` of the code under test may hide it."""


def _stay_here(event: str, args: tuple[Any, ...]) -> None:
    match event:
        case "socket.connect" | "socket.sendto":
            host = args[1][0] if isinstance(args[1], tuple) else None
        case "socket.getaddrinfo" | "socket.gethostbyname":
            host = args[0]
        case _:
            return
    if host and not _is_here(host.decode() if isinstance(host, bytes) else host):
        raise NetworkUsed(
            f"{event} to {host!r}: tests are offline; use `guardrails_lite.testing.LoopbackServer`"
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests on this machine, but not where coverage is measured.

    CPython 3.11 lets another thread in while a hook hears that a thread gets its tracer, and refuses that
    other one its own: it never runs, and whoever waits for it waits for ever.
    """
    if not config.getoption("cov_source", None):
        sys.addaudithook(_stay_here)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may spend a developer's money or depend on where it points."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
