"""Nothing unchecked reaches the application: of a reply that says all that can be said, every string."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import openai
import pytest

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
                        "bytes": [72],
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
    r"choices\[\]\.(finish_reason|native_finish_reason|logprobs\..*|content_filter_results\..*)",
    r"choices\[\]\.message\.role",
)
"""Where a text of a reply is passed on as it is, as `docs/explanation/security-model.md` says."""


@pytest.mark.parametrize("at", [pytest.param(at, id=maximal.shown(at)) for at in maximal.texts_in(REPLY)])
def test_a_text_at_any_place_of_a_reply_is_seen_or_left_out(at: maximal.Path) -> None:
    """With a rule on what comes back; but for the places that are listed."""
    guard = Guard(output=[block(word(PLANT))], retry=Retry(attempts=1))
    body = json.dumps(maximal.planted(REPLY, at, PLANT)).encode()
    shown = ""
    with (
        LoopbackServer([HttpReply(body)]) as server,
        openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
        contextlib.suppress(GuardrailsError),
    ):
        shown = guard.wrap(bare).chat.completions.create(model="m", messages=[]).model_dump_json()

    listed = any(re.fullmatch(pattern, maximal.shown(at)) for pattern in NOT_SCREENED)
    assert listed or PLANT not in shown


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
