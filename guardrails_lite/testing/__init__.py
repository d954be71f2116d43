"""What tests of guarded code need: a scripted model, a real server, and checks for validators and guards.

Import two more modules by their own names: `guardrails_lite.testing.faults` for what providers and networks
do wrong, and `guardrails_lite.testing.kit` for what models get wrong about your own schema and tools.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardrails_lite.testing._check import check_validator
    from guardrails_lite.testing._examples import check_examples
    from guardrails_lite.testing._model import ModelCall, ScriptedModel, ScriptExhausted
    from guardrails_lite.testing._process import LoopbackProcess
    from guardrails_lite.testing._server import HttpReply, LoopbackServer, Wire
    from guardrails_lite.testing._shapes import (
        assembled,
        chunks,
        completion,
        error_body,
        tool_call,
        with_choices,
    )
    from guardrails_lite.testing._styles import STYLES, Style
    from guardrails_lite.testing._wire import Peer, Request

_HOMES = {
    "HttpReply": "_server",
    "LoopbackProcess": "_process",
    "LoopbackServer": "_server",
    "ModelCall": "_model",
    "Peer": "_wire",
    "Request": "_wire",
    "STYLES": "_styles",
    "ScriptExhausted": "_model",
    "ScriptedModel": "_model",
    "Style": "_styles",
    "Wire": "_server",
    "assembled": "_shapes",
    "check_examples": "_examples",
    "check_validator": "_check",
    "chunks": "_shapes",
    "completion": "_shapes",
    "error_body": "_shapes",
    "tool_call": "_shapes",
    "with_choices": "_shapes",
}

__all__ = [
    "STYLES",
    "HttpReply",
    "LoopbackProcess",
    "LoopbackServer",
    "ModelCall",
    "Peer",
    "Request",
    "ScriptExhausted",
    "ScriptedModel",
    "Style",
    "Wire",
    "assembled",
    "check_examples",
    "check_validator",
    "chunks",
    "completion",
    "error_body",
    "tool_call",
    "with_choices",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
