"""Validators for guardrails-lite. Most take microseconds and need neither a model nor a network.

Each public function returns a `Validator`; put a verb around it::

    from guardrails_lite import Guard, block, redact
    from guardrails_lite_validators import injection, pii, secrets

    guard = Guard(input=[redact(pii()), block(injection())], output=[redact(secrets())])

Importing this package loads none of them: a detector's module is imported when its name is first used,
and its tables when it first sees a text.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guardrails_lite_validators._classifier import classifier
    from guardrails_lite_validators._code import code
    from guardrails_lite_validators._competitors import competitors
    from guardrails_lite_validators._egress import egress
    from guardrails_lite_validators._exfiltration import exfiltration
    from guardrails_lite_validators._gliner import gliner
    from guardrails_lite_validators._grounding import grounding
    from guardrails_lite_validators._hidden_text import hidden_text
    from guardrails_lite_validators._injection import injection
    from guardrails_lite_validators._judge import judge
    from guardrails_lite_validators._keywords import keywords
    from guardrails_lite_validators._language import language
    from guardrails_lite_validators._length import length
    from guardrails_lite_validators._moderation import moderation
    from guardrails_lite_validators._output_injection import output_injection
    from guardrails_lite_validators._pii import pii
    from guardrails_lite_validators._presidio import presidio
    from guardrails_lite_validators._profanity import profanity
    from guardrails_lite_validators._pseudonyms import Pseudonyms
    from guardrails_lite_validators._readability import readability
    from guardrails_lite_validators._refusal import refusal
    from guardrails_lite_validators._regex import regex
    from guardrails_lite_validators._secrets import secrets
    from guardrails_lite_validators._similarity import similarity
    from guardrails_lite_validators._spotlight import datamark, spotlight
    from guardrails_lite_validators._sql import sql
    from guardrails_lite_validators._topic import topic
    from guardrails_lite_validators._urls import urls

__all__ = [
    "Pseudonyms",
    "classifier",
    "code",
    "competitors",
    "datamark",
    "egress",
    "exfiltration",
    "gliner",
    "grounding",
    "hidden_text",
    "injection",
    "judge",
    "keywords",
    "language",
    "length",
    "moderation",
    "output_injection",
    "pii",
    "presidio",
    "profanity",
    "readability",
    "refusal",
    "regex",
    "secrets",
    "similarity",
    "spotlight",
    "sql",
    "topic",
    "urls",
]

_HOME = {name: f"_{name.lower()}" for name in __all__} | {"datamark": "_spotlight"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from guardrails_lite._arguments import by_name

    made: Any = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    value = by_name(made)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
