"""What a request declares by itself is enforced: types, formats, tools."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from pydantic import BaseModel, field_validator

from clients.keyed import KINDS, MESSAGES, chat_text, every, using
from guardrails_lite import (
    Exhausted,
    Guard,
    Retry,
)
from guardrails_lite.testing import LoopbackServer, completion, tool_call


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int

    @field_validator("age")
    @classmethod
    def _is_odd(cls, age: int) -> int:
        if age % 2 == 0:
            raise ValueError("must be odd")
        return age


ODD, EVEN = '{"name": "Ada", "age": 37}', '{"name": "Ada", "age": 36}'


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_parse_asks_again_until_the_type_itself_is_satisfied(kind: type[Any], api: str) -> None:
    """The type given to `parse` is enforced with all its validators, also around fences."""
    with LoopbackServer([EVEN, f"```json\n{ODD}\n```"]) as server:

        def parse(client: Any) -> Any:
            if api == "chat":
                return client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person)
            return client.responses.parse(model="m", input="hi", text_format=Person)

        reply = using(kind, server, parse)
        parsed = reply.choices[0].message.parsed if api == "chat" else reply.output_parsed
        assert parsed == Person(name="Ada", age=37)
        assert server.request_count == 2


def test_a_type_that_is_never_satisfied_ends_without_a_value_in_the_error() -> None:
    """The client's own ValidationError would quote the reply; ours does not."""
    with LoopbackServer(then='{"name": "Secretly", "age": 36}') as server:
        with pytest.raises(Exhausted) as caught:
            using(
                openai.OpenAI,
                server,
                lambda c: c.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person),
            )
        assert caught.value.outcome == "schema failed"
        assert "Secretly" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_response_format_is_enforced_though_the_guard_declares_nothing() -> None:
    """A JSON Schema of the request holds the reply, in `create` too."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with LoopbackServer(['{"n": "x"}', '{"n": 1}']) as server:
        reply = using(
            openai.OpenAI,
            server,
            lambda c: c.chat.completions.create(model="m", messages=MESSAGES, response_format=form),
        )
        assert reply.choices[0].message.content == '{"n": 1}'
        assert server.request_count == 2


TOOL: dict[str, Any] = {
    "name": "add",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
WRONG, RIGHT = (completion(None, tool_calls=[tool_call("add", {"n": n})]) for n in ("x", 1))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_wrong_call_of_a_responses_tool_is_asked_again(streamed: bool) -> None:
    """The refused call and why go back as items, and the caller sees the right call only."""
    with LoopbackServer([WRONG, RIGHT]) as server:
        got = using(
            openai.OpenAI,
            server,
            lambda c: (
                every(
                    c.responses.create(
                        model="m", input="hi", tools=[{"type": "function", **TOOL}], stream=True
                    )
                )
                if streamed
                else c.responses.create(model="m", input="hi", tools=[{"type": "function", **TOOL}])
            ),
        )
        response = got[-1].response if streamed else got
        assert [item.arguments for item in response.output] == ['{"n": 1}']
        again = server.requests[1].body
        assert again["tools"] == [{"type": "function", **TOOL}]
        kinds = [item.get("type", item.get("role")) for item in again["input"]]
        assert kinds == ["user", "function_call", "function_call_output"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    "guard", [Guard(retry=Retry(attempts=1)), Guard(schema=Person)], ids=["bare", "schema"]
)
@pytest.mark.parametrize(
    "tools",
    [{}, {"tools": []}, {"tools": [{"type": "web_search"}]}],
    ids=["none", "an empty list", "the provider's"],
)
def test_a_call_of_a_request_without_tools_is_refused(
    tools: dict[str, Any], guard: Guard[Any], api: str, streamed: bool
) -> None:
    """A request that offers no tool is answered by none, declared or not; the model is asked again."""
    with LoopbackServer([RIGHT, ODD]) as server:

        def ask(client: Any) -> Any:
            resource = client.chat.completions if api == "chat" else client.responses
            said: Any = {"messages": MESSAGES} if api == "chat" else {"input": "hi"}
            got = resource.create(model="m", **said, **tools, **({"stream": True} if streamed else {}))
            return every(got) if streamed else got

        got = using(openai.OpenAI, server, ask, guard)
        if api == "responses":
            text = (got[-1].response if streamed else got).output_text
        else:
            text = chat_text(got) if streamed else got.choices[0].message.content
        assert text == ODD
        assert server.request_count == 2


def test_a_stored_prompt_may_bring_tools_of_its_own() -> None:
    """What it offers is not known here, so a call that answers it is let through."""
    with LoopbackServer([RIGHT]) as server:
        prompt: Any = {"id": "pmpt_1"}
        got = using(
            openai.OpenAI,
            server,
            lambda c: c.responses.create(model="m", input="hi", prompt=prompt),
            Guard(retry=Retry(attempts=1)),
        )
        assert [item.name for item in got.output] == ["add"]
