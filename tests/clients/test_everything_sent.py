"""Nothing unchecked reaches a model: of a request that says all that can be said, every string."""

from __future__ import annotations

import inspect
import re
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import Completions
from openai.resources.responses import Responses

from guardrails_lite import Guard, GuardrailsError, Retry, block, redact
from guardrails_lite.testing import LoopbackServer
from tests.clients import maximal
from tests.engine.conftest import word

PLANT = "plant7"
SETTINGS = (
    r"(model|modalities\[\]|reasoning_effort|verbosity|service_tier|tool_choice|truncation|include\[\])",
    r"(audio|reasoning|stream_options)\..*|prompt_cache_retention",
)
OUTSIDE = (r"extra_(headers|query)\..*",)
"""What travels outside of the body."""
NOT_SCREENED = (
    *SETTINGS,
    *OUTSIDE,
    # identifiers, kinds and states
    r"(messages|input)\[\]\.(role|type|status|id|tool_call_id|call_id|server_label)",
    r"messages\[\]\.(audio|tool_calls\[\])\.(id|type)|messages\[\]\.content\[\]\.(type|file\.file_id)",
    r"input\[\]\.[a-z]+(\[\])?\.(type|file_id)",
    r"(prediction|web_search_options)\..*type|prompt\.(id|variables\.page\.type)",
    r"previous_response_id|conversation\.id",
    # images, sounds and files
    r"(messages|input)\[\]\.content\[\]\.([a-z_]+\.)?(url|image_url|data|file_data)|input\[\]\.result",
    # keys and places of the provider's tools
    r"tools\[\]\.(server_url|authorization|headers\..*|vector_store_ids\[\])",
)
"""Where a text of a request is not screened, as `docs/explanation/security-model.md` says."""
PARAMETERS = {
    "chat": inspect.signature(Completions.create).parameters.keys(),
    "responses": inspect.signature(Responses.create).parameters.keys(),
}
APIS = {  # an older client lacks some
    api: {name: value for name, value in body.items() if name in PARAMETERS[api]}
    for api, body in (("chat", maximal.CHAT), ("responses", maximal.RESPONSES))
}


def _ask(api: str, body: dict[str, Any], guard: Guard[Any]) -> tuple[str, str]:
    """What was sent, if anything was, and what the call ended with."""
    with LoopbackServer(then='{"who": "Ada"}') as server:
        with (
            openai.OpenAI(api_key="k", base_url=server.base_url) as client,
            guard.wrap(client) as wrapped,
        ):
            create: Any = wrapped.chat.completions.create if api == "chat" else wrapped.responses.create
            try:
                create(**body)
                error = ""
            except (GuardrailsError, TypeError, ValueError) as failed:
                error = str(failed)
        sent = [f"{request.body!r} {request.headers!r} {request.path}" for request in server.requests]
        return "".join(sent), error


@pytest.mark.parametrize("api", APIS)
def test_the_requests_tried_say_all_that_can_be_said(api: str) -> None:
    """They have every parameter of the client, and nothing in them stops them."""
    left_out = maximal.CHAT_LEFT_OUT if api == "chat" else maximal.RESPONSES_LEFT_OUT
    assert PARAMETERS[api] - left_out <= APIS[api].keys()

    sent, error = _ask(api, APIS[api], Guard(input=[block(word(PLANT))]))

    assert (bool(sent), error) == (True, "")


@pytest.mark.parametrize("verb", [block, redact], ids=lambda verb: verb.__name__)
@pytest.mark.parametrize(
    ("api", "at"),
    [
        pytest.param(api, at, id=f"{api} {maximal.shown(at)}")
        for api, body in APIS.items()
        for at in maximal.texts_in(body)
    ],
)
def test_a_text_at_any_place_of_a_request_is_seen(api: str, at: maximal.Path, verb: Any) -> None:
    """One rule keeps the request here, the other masks it or keeps it; but for the places that are listed."""
    guard = Guard(input=[verb(word(PLANT))], retry=Retry(attempts=1))

    sent, error = _ask(api, maximal.planted(APIS[api], at, PLANT), guard)

    if any(re.fullmatch(pattern, maximal.shown(at)) for pattern in NOT_SCREENED):
        assert PLANT in sent or "stopped" not in error
    else:
        assert PLANT not in sent
        assert sent or error
