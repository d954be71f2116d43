"""Nothing unchecked reaches a model: of requests that no API describes, every string."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from guardrails_lite import Blocked, ConfigError, Finding, Guard, Retry, redact, validator
from guardrails_lite.testing import LoopbackServer
from tests.clients import maximal
from tests.clients.test_everything_sent import APIS, OUTSIDE, PLANT, SETTINGS

PASSED_ON = (
    *SETTINGS,
    *OUTSIDE,
    r"logit_bias\..*",
    r"tools\[\]\.(server_url|authorization|headers\..*|vector_store_ids\[\])",
)
"""What takes other forms than a word, and is not screened in any. Identifiers, kinds and images do not."""


@validator(window=12)
def plants(text: str) -> Iterator[Finding]:
    """The planted word."""
    for match in re.finditer(PLANT, text):
        yield Finding("was planted", span=match.span())


@pytest.fixture(scope="module")
def sent() -> Iterator[Any]:
    """What a wrapped client sends of a request, or how it says that it does not."""
    guard = Guard(input=[redact(plants)], retry=Retry(attempts=1), log=[])
    with (
        LoopbackServer(then='{"who": "Ada"}') as server,
        openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
    ):
        client: Any = guard.wrap(bare)

        def ask(api: str, body: Any) -> str:
            before = server.request_count
            create = client.chat.completions.create if api == "chat" else client.responses.create
            try:
                create(**body)
            except Blocked as error:
                return f"{error} {error.record!r}"
            except (ConfigError, TypeError, ValueError):  # it cannot be sent
                return ""
            assert server.request_count == before + 1
            return json.dumps(server.requests[-1].body)

        yield ask


@pytest.mark.parametrize("api", APIS)
def test_a_text_where_no_api_has_one_is_seen(sent: Any, api: str) -> None:
    """In a field of any object, and in a list or an object in the place of a text."""
    assert "Ada" in sent(api, APIS[api])

    holes = [
        maximal.shown(at)
        for at, odd in maximal.odd(APIS[api], PLANT)
        if not any(re.fullmatch(pattern, maximal.shown(at)) for pattern in PASSED_ON)
        and PLANT in sent(api, odd)
    ]

    assert holes == []
