"""Nothing unchecked reaches the application: of a reply that says all that can be said, every string."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from guardrails_lite import Guard, GuardrailsError, Retry, block
from guardrails_lite.testing import HttpReply, LoopbackServer
from tests.clients import maximal
from tests.engine.conftest import word

PLANT = "plant7"
REPLY: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "service_tier": "auto",
    "system_fingerprint": "f",
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "note": "cheap"},
    "citations": ["https://x.example"],
    "search_results": [{"title": "A page", "url": "https://x.example"}],
    "provider": "p",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "native_finish_reason": "end",
            "sources": [{"title": "A page"}],
            "logprobs": {
                "content": [
                    {
                        "token": "Hi",
                        "bytes": [72, 105],
                        "logprob": 0,
                        "top_logprobs": [{"token": "Ho", "logprob": 0}],
                    }
                ],
                "refusal": None,
            },
            "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
            "message": {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "Hm.",
                "annotations": [
                    {"type": "url_citation", "url_citation": {"title": "A", "url": "https://x.example"}}
                ],
                "images": [{"image_url": {"url": "data:"}}],
                "note": "Beside.",
            },
        }
    ],
}
NOT_SCREENED = (
    r"id|object|model|service_tier|system_fingerprint|usage\..*",
    r"choices\[\]\.(finish_reason|native_finish_reason|content_filter_results\..*)",
    r"choices\[\]\.message\.role",
)
"""Where a text of a reply is passed on as it is, as `docs/explanation/security-model.md` says."""
RESPONSE: dict[str, Any] = {
    "id": "r1",
    "object": "response",
    "status": "completed",
    "model": "m",
    "service_tier": "auto",
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "note": "cheap"},
    "instructions": "Be kind.",
    "metadata": {"ticket": "t"},
    "user": "u",
    "tools": [{"type": "function", "name": "f", "description": "Finds.", "parameters": {"title": "Find"}}],
    "text": {"format": {"type": "text"}},
    "output_text": "Hi",
    "citations": ["https://x.example"],
    "billing": {"payer": "developer"},
    "output": [
        {
            "type": "reasoning",
            "id": "i1",
            "status": "completed",
            "encrypted_content": "AAAA",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "content": [{"type": "reasoning_text", "text": "Hm."}],
            "note": "Beside.",
        },
        {
            "type": "web_search_call",
            "id": "i2",
            "status": "completed",
            "action": {"type": "search", "query": "Hi", "sources": [{"url": "https://x.example"}]},
        },
        {
            "type": "message",
            "id": "i3",
            "role": "assistant",
            "status": "completed",
            "phase": "final_answer",
            "note": "Beside.",
            "content": [
                {
                    "type": "output_text",
                    "text": "Hi",
                    "note": "Beside.",
                    "annotations": [{"type": "url_citation", "title": "A", "url": "https://x.example"}],
                    "logprobs": REPLY["choices"][0]["logprobs"]["content"],
                }
            ],
        },
    ],
}
NOT_SCREENED_OF_A_RESPONSE = (
    r"id|object|status|model|service_tier|usage\..*",
    r"instructions|metadata\..*|user|tools\[\]\..*|text\..*",
    r"output\[\]\.(type|id|role|status|phase|encrypted_content)",
)
"""The same of a response: it also tells the request once more, in the caller's own words."""


@pytest.mark.parametrize("at", [pytest.param(at, id=maximal.shown(at)) for at in maximal.texts_in(REPLY)])
def test_a_text_at_any_place_of_a_reply_is_seen_or_left_out(at: maximal.Path) -> None:
    """With a rule on what comes back; but for the places that are listed."""
    shown = _shown(REPLY, at, lambda c: c.chat.completions.create(model="m", messages=[]))

    assert PLANT not in shown or _is_listed(at, NOT_SCREENED)


@pytest.mark.parametrize(
    "at",
    [pytest.param(at, id=f"{nth} {maximal.shown(at)}") for nth, at in enumerate(maximal.texts_in(RESPONSE))],
)
def test_a_text_at_any_place_of_a_response_is_seen_or_left_out(at: maximal.Path) -> None:
    """With a rule on what comes back; but for the places that are listed."""
    shown = _shown(RESPONSE, at, lambda c: c.responses.create(model="m", input="Hello."))

    assert PLANT not in shown or _is_listed(at, NOT_SCREENED_OF_A_RESPONSE)


def _shown(reply: dict[str, Any], at: maximal.Path, ask: Callable[[openai.OpenAI], BaseModel]) -> str:
    """All that a caller can see of *reply* with the plant at one place; nothing where the rule stops it."""
    guard = Guard(output=[block(word(PLANT))], retry=Retry(attempts=1))
    body = json.dumps(maximal.planted(reply, at, PLANT)).encode()
    with (
        LoopbackServer([HttpReply(body)]) as server,
        openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
        contextlib.suppress(GuardrailsError),
    ):
        return ask(guard.wrap(bare)).model_dump_json(warnings=False)
    return ""


def _is_listed(at: maximal.Path, listed: tuple[str, ...]) -> bool:
    return any(re.fullmatch(pattern, maximal.shown(at)) for pattern in listed)


def test_what_a_server_adds_that_is_no_text_is_passed_on() -> None:
    """Numbers and switches beside the choices stay, and so does everything without an output rule."""
    body = json.dumps({**REPLY, "took_ms": 7}).encode()
    with (
        LoopbackServer([HttpReply(body), HttpReply(body)]) as server,
        openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
    ):
        guarded = Guard(output=[block(word(PLANT))]).wrap(bare)
        reply = guarded.chat.completions.create(model="m", messages=[])
        assert (reply.model_extra or {})["took_ms"] == 7
        free = Guard().wrap(bare).chat.completions.create(model="m", messages=[])
        assert (free.model_extra or {})["citations"] == REPLY["citations"]
