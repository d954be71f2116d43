"""Commands whose optional parts are not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from guardrails_lite.cli import main


@pytest.mark.parametrize(
    ("missing", "command", "remedy"),
    [
        ("guardrails_lite_validators", ["demo"], "pip install guardrails-lite-validators"),
        ("starlette", ["review", "audit"], "pip install 'guardrails-lite[review]'"),
        ("uvicorn", ["review", "audit"], "pip install 'guardrails-lite[review]'"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    missing: str,
    command: list[str],
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line on standard error, and nothing is begun."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(command) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert remedy in told.err
