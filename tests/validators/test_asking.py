"""`judge` and `moderation`: validators that ask a model, over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from guardrails_lite import Blocked, ConfigError, Guard, block
from guardrails_lite.testing import HttpReply, LoopbackServer, ScriptedModel
from guardrails_lite.testing._server import send
from guardrails_lite.testing._wire import Listener, Peer, Request
from guardrails_lite_validators import judge, moderation

QUESTION = "Does it give medical advice?"
YES, NO = '{"yes": true, "sure": 0.9}', 'Sure:\n```json\n{"yes": false, "sure": 1}\n```'


def asking(client: OpenAI) -> Any:
    """Puts a prompt to a model."""

    def ask(prompt: str) -> str:
        said: Any = [{"role": "user", "content": prompt}]
        return client.chat.completions.create(model="small", messages=said).choices[0].message.content or ""

    return ask


def test_a_judge_says_yes_or_no() -> None:
    """The text goes to it between marks that it cannot know."""
    with LoopbackServer([YES, NO]) as server, OpenAI(base_url=server.base_url, api_key="k") as client:
        guard = Guard(output=[block(judge(asking(client), QUESTION))])
        with pytest.raises(Blocked, match="a model says yes to the question"):
            guard.run(ScriptedModel(["Take two."]), "Hi.")
        assert guard.run(ScriptedModel(["Ask a doctor."]), "Hi.").value == "Ask a doctor."
        prompts = [request.body["messages"][0]["content"] for request in server.requests]

    marks = [[line for line in prompt.splitlines() if line.startswith("====")] for prompt in prompts]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in marks)
    assert marks[0] != marks[1]
    assert QUESTION in prompts[0]


def test_what_a_judge_used_is_in_the_record() -> None:
    """Where it is given the whole completion, as an object or a dict."""
    with LoopbackServer([NO, NO]) as server, OpenAI(base_url=server.base_url, api_key="k") as client:

        def ask(prompt: str) -> Any:
            return client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": prompt}]
            )

        for form in (ask, lambda prompt: ask(prompt).model_dump()):
            guard = Guard(output=[block(judge(form, QUESTION))])
            record = guard.run(ScriptedModel(["Ask a doctor."]), "Hi.").record
            assert record.checks_usage is not None
            assert record.checks_usage.total_tokens > 0
            assert record.checks[0].usage == record.checks_usage


@pytest.mark.parametrize("answer", ["yes", "{}", '{"yes": "no"}', '{"yes": true, "sure": 7}', "", "[true]"])
def test_another_form_of_verdict_breaks_the_check(answer: str) -> None:
    """What cannot be read is no permission, and none of it is shown."""
    guard = Guard(output=[block(judge(lambda prompt: answer, QUESTION))])

    with pytest.raises(Blocked) as caught:
        guard.run(ScriptedModel(["Take two."]), "Hi.")

    assert caught.value.record is not None
    assert [check.result for check in caught.value.record.checks] == ["broken"]


def test_a_judge_may_be_async_and_unsure() -> None:
    """Below the threshold it is none."""

    async def ask(prompt: str) -> str:
        return '{"yes": true, "sure": 0.4}'

    guard = Guard(output=[block(judge(ask, QUESTION))])
    model = ScriptedModel(["Take two."])

    assert asyncio.run(guard.arun(model.acall, "Hi.")).value == "Take two."


class Moderation(Listener):
    """An endpoint that gives every text the same scores, and flags what is over one half."""

    def __init__(self, **scores: float) -> None:
        super().__init__(answer=self._verdict)
        flags = {name: score > 0.5 for name, score in scores.items()}
        result = {"flagged": any(flags.values()), "categories": flags, "category_scores": scores}
        self._told = json.dumps({"id": "m", "model": "omni", "results": [result]}).encode()

    def _verdict(self, peer: Peer, request: Request) -> None:
        send(peer, request, HttpReply(self._told, headers={"content-type": "application/json"}))

    @property
    def base_url(self) -> str:
        """What a client takes."""
        return f"http://127.0.0.1:{self.port}/v1"


def test_what_the_endpoint_flags_is_found() -> None:
    """By its own names; a category that was not asked for is none, and a threshold replaces the flags."""
    with (
        Moderation(violence=0.9, **{"self-harm": 0.3}) as server,
        OpenAI(base_url=server.base_url, api_key="k") as client,
    ):

        def found(text: str = "I will hurt you.", **terms: Any) -> list[tuple[str | None, float | None]]:
            return [(one.category, one.score) for one in moderation(client, **terms).find(text)]

        assert found() == [("MODERATION_VIOLENCE", 0.9)]
        assert found(categories=["self-harm"]) == []
        assert found(threshold=0.2) == [("MODERATION_SELF-HARM", 0.3), ("MODERATION_VIOLENCE", 0.9)]
        assert found(" ") == []
        told = [request.body for request in server.requests]

    assert told[0] == {"model": "omni-moderation-latest", "input": "I will hurt you."}
    assert len(told) == 3


def test_an_async_client_is_awaited() -> None:
    """And a guard acts on what it says."""

    async def main() -> None:
        with Moderation(violence=0.9) as server:
            async with AsyncOpenAI(base_url=server.base_url, api_key="k") as client:
                guard = Guard(input=[block(moderation(client), timeout_s=30)])
                with pytest.raises(Blocked, match="flagged by the moderation model"):
                    await guard.arun(ScriptedModel(["Hi."]).acall, "I will hurt you.")

    asyncio.run(main())


def test_an_endpoint_that_fails_is_a_broken_check() -> None:
    """The rule's `on_error` decides."""
    with (
        LoopbackServer() as server,
        OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        asked = moderation(client)
        with pytest.raises(Blocked):
            Guard(input=[block(asked)]).run(ScriptedModel(["Hi."]), "Hello.")
        outcome = Guard(input=[block(asked, on_error="open")]).run(ScriptedModel(["Hi."]), "Hello.")

    assert [check.result for check in outcome.record.checks] == ["broken"]


def test_settings_are_checked() -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match=r"takes a client with moderations\.create, not str"):
        moderation("key")
    with pytest.raises(ConfigError, match="must be a function from a prompt to an answer"):
        judge("model", QUESTION)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="must be a question"):
        judge(lambda prompt: YES, " ")
    with pytest.raises(ConfigError, match="from 0 to 1"):
        judge(lambda prompt: YES, QUESTION, threshold=2)
