"""What importing costs: nothing heavy, nothing opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guardrails_lite import AuditLog

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


@pytest.mark.parametrize(
    ("missing", "code", "extra"),
    [
        ("cryptography", "AuditLog('log', capture='redacted')", "audit"),
        ("cryptography", "AuditLog('log', capture='sealed')", "audit"),
        ("cryptography", "AuditLog('log', signing='ed25519')", "audit"),
        ("jinja2", "from guardrails_lite.review import desk", "review"),
        ("psycopg", "ship('log', 'postgresql://host/db')", "postgres"),
        ("redis", "RedisStore('redis://host')", "redis"),
        ("yaml", "Guard.from_file('guard.yaml')", "yaml"),
    ],
)
def test_an_extra_that_is_missing_is_named_with_the_command(
    missing: str, code: str, extra: str, tmp_path: Path
) -> None:
    """Where an optional package is first needed, the error says which extra brings it."""
    (tmp_path / "guard.yaml").touch()
    AuditLog(tmp_path / "log", signing="hmac-sha256").close()
    names = "from guardrails_lite import *; from guardrails_lite.audit.postgres import ship"
    probe = f"import sys; sys.modules[{missing!r}] = None\n{names}\n{code}\n"
    ran = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True)

    assert ran.returncode == 1
    assert f"pip install 'guardrails-lite[{extra}]'" in ran.stderr.splitlines()[-1]
