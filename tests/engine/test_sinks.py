"""The application's own logging: one event a call."""

from __future__ import annotations

import logging
import sys
import types

import pytest

from guardrails_lite import Guard, structlog_sink


@pytest.mark.parametrize("half_loaded", [False, True], ids=["", "structlog half loaded"])
def test_a_call_is_one_event_of_the_standard_logger(
    half_loaded: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also while structlog is being imported: a stream may be collected, and recorded, right then."""
    if half_loaded:
        monkeypatch.setitem(sys.modules, "structlog", types.ModuleType("structlog"))
    caplog.set_level(logging.INFO, logger="guardrails_lite")

    Guard(name="g", log=structlog_sink()).run(lambda messages: "Oslo", "What is Norway's capital?")

    [event] = caplog.records
    assert (event.levelname, event.getMessage()) == ("INFO", "guarded call")
    told = vars(event)
    assert (told["guard"], told["outcome"], told["attempts"]) == ("g", "passed", 1)
    assert "Oslo" not in repr(told)
    assert "Norway" not in repr(told)


def test_a_logger_of_the_applications_own_is_used() -> None:
    """With its processors."""
    import structlog

    told = structlog.testing.LogCapture()
    sink = structlog_sink(structlog.wrap_logger(logging.getLogger("of the application"), processors=[told]))

    Guard(name="g", log=sink).run(lambda messages: "Oslo", "What is Norway's capital?")

    [event] = told.entries
    assert (event["log_level"], event["event"], event["guard"]) == ("info", "guarded call", "g")
