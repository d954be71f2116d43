"""What importing costs: nothing heavy, nothing opened."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import sys
events = []
sys.addaudithook(lambda event, args: events.append(event) if event.startswith("socket.") else None)
import {module}
heavy = {heavy!r}
print(sorted(name for name in heavy if name in sys.modules), events)
"""

NEVER = ["openai", "httpx", "httpx2", "presidio_analyzer", "spacy", "jsonschema", "structlog"]
NOT_BY_THE_CORE = [*NEVER, "asyncio", "pydantic", "sqlite3", "tenacity", "guardrails_lite_validators"]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("guardrails_lite", NOT_BY_THE_CORE),
        ("guardrails_lite_validators", NEVER),
        ("guardrails_lite.testing", NEVER),
        ("guardrails_lite.cli", NEVER),
    ],
)
def test_importing_is_light_and_opens_nothing(module: str, heavy: list[str]) -> None:
    """What is heavy loads when it is first needed, and no socket is opened that nobody asked for."""
    probe = subprocess.run(
        [sys.executable, "-I", "-c", PROBE.format(module=module, heavy=heavy)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert probe.stdout.strip() == "[] []"
