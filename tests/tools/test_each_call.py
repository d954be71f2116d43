"""A turn of which some calls are refused: let through together, or each for itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI, OpenAI

from guardrails_lite import Blocked, ConfigError, Exhausted, Finding, Guard, Retry, redact, tool, validator
from guardrails_lite._tools._history import History
from guardrails_lite.testing import STYLES, LoopbackServer, ScriptedModel, Style, completion, tool_call

NOW = Retry(attempts=1, reasks=1, wait=0)
ASKED = [{"role": "user", "content": "go on"}]


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def pay(cents: int) -> str:
    """Pay."""
    return f"paid {cents}"


PAY = tool(pay, effects="write", max_calls=2)
TOOLS = [tool(add, result=int), PAY]
GOOD = tool_call("add", {"a": 1, "b": 2}, id="good")
ALSO = tool_call("pay", {"cents": 7}, id="also")
BAD = tool_call("add", {"a": "one", "b": 2}, id="bad")
UNKNOWN = tool_call("sk-1234-wipe the disk", {"all": True}, id="unknown")


@pytest.fixture(params=STYLES, ids=str)
def style(request: pytest.FixtureRequest) -> Style:
    """One way to call a guard."""
    return request.param  # type: ignore[no-any-return]


def three() -> dict[str, Any]:
    """One bad call among three."""
    return completion("Let me see.", tool_calls=[GOOD, BAD, ALSO])


def names(calls: Any) -> list[str]:
    """The ids of the calls of a reply."""
    return [call.id for call in calls]


def test_together_one_bad_call_holds_back_the_others(style: Style) -> None:
    """None is let through, and the model is asked again about the whole turn."""
    right = completion(tool_calls=[GOOD, ALSO])
    model = ScriptedModel([completion(tool_calls=[GOOD, BAD, ALSO]), right], size=3)

    released, outcome = style.released(Guard(tools=TOOLS, retry=NOW), model, ASKED)

    assert names(outcome.reply.tool_calls) == ["good", "also"]
    assert "bad" not in json.dumps(released)
    answers = [message["content"] for message in model.calls[1].messages if message["role"] == "tool"]
    assert answers[1] == "Refused: wrong type.\n$.a: an integer"
    others = [answers[0], *answers[2:]]  # a stream is ended at the bad call, so there is no third
    assert set(others) == {"Not run: another tool call of this turn was refused."}
    assert len(answers) == (2 if style.is_stream else 3)


def test_each_the_good_calls_are_let_through_and_the_bad_one_is_answered(style: Style) -> None:
    """In the reply, in what is released, and in the history that goes on."""
    model = ScriptedModel([three()], size=3)

    released, outcome = style.released(Guard(tools=TOOLS, tool_calls="each", retry=NOW), model, ASKED)

    reply = outcome.reply
    assert names(reply.tool_calls) == ["good", "also"]
    assert [(call.id, call.name, call.reason) for call in reply.choices[0].refused] == [
        ("refused_0_bad", "add", "wrong type")
    ]
    given = json.dumps(released if style.is_stream else outcome.value)
    assert '"bad"' not in given
    assert given.count('"name": "add"') == 1
    assert [call.run() for call in reply.tool_calls] == [3, "paid 7"]
    said, answer = reply.history()
    assert said["content"] == "Let me see."
    assert names_of(said) == ["good", "also", "refused_0_bad"]
    assert answer == {
        "role": "tool",
        "tool_call_id": "refused_0_bad",
        "content": "Refused: wrong type.\n$.a: an integer",
    }
    assert [step.verdict for step in outcome.record.tools] == ["passed", "wrong type", "passed"]


def names_of(message: Any) -> list[str]:
    """The ids of the calls in a message."""
    return [call["id"] for call in message["tool_calls"]]


def test_each_where_none_is_right_asks_again(style: Style) -> None:
    """There is nothing to let through."""
    model = ScriptedModel([completion(tool_calls=[BAD, UNKNOWN]), completion(tool_calls=[GOOD])], size=3)

    outcome = style.call(Guard(tools=TOOLS, tool_calls="each", retry=NOW), model, ASKED)

    assert names(outcome.reply.tool_calls) == ["good"]
    assert outcome.record.outcome == "re-asked"
    with pytest.raises(Exhausted):
        style.call(
            Guard(tools=TOOLS, tool_calls="each", retry=Retry(reasks=0)),
            ScriptedModel([completion(tool_calls=[BAD])], size=3),
            ASKED,
        )


def test_each_is_approved_for_itself(style: Style) -> None:
    """A no is answered like any refusal; only when nothing is left is the call blocked."""
    asked: list[str] = []

    def ask(call: Any) -> bool:
        asked.append(call.id)
        return call.id == "yes"

    guard = Guard(tools=[add, tool(pay, approve=ask)], tool_calls="each", retry=NOW)
    yes, no = (tool_call("pay", {"cents": nth}, id=id) for nth, id in enumerate(("yes", "no")))

    outcome = style.call(guard, ScriptedModel([completion(tool_calls=[yes, no, BAD])], size=3), ASKED)

    assert names(outcome.reply.tool_calls) == ["yes"]
    assert [call.reason for call in outcome.reply.choices[0].refused] == ["denied", "wrong type"]
    assert asked == ["yes", "no"]
    with pytest.raises(Blocked) as caught:
        style.call(guard, ScriptedModel([completion(tool_calls=[no, BAD])], size=3), ASKED)
    assert caught.value.outcome == "tool denied"


def test_no_text_of_a_refused_call_is_in_the_history() -> None:
    """Its arguments and a name that is no tool's were never screened, so they go nowhere."""

    @validator
    def keys(text: str) -> list[Finding]:
        """Keys."""
        at = text.find("sk-")
        return [Finding("holds a key", span=(at, at + 7))] if at >= 0 else []

    good = tool_call("note", {"text": "sk-5678"}, id="good")
    bad = tool_call("note", {"text": ["sk-1234"]}, id="bad")

    def note(text: str) -> str:
        """Take a note."""
        return text

    guard = Guard(tools=[note], output=[redact(keys)], tool_calls="each", retry=NOW)
    outcome = guard.run(ScriptedModel([completion(tool_calls=[good, bad, UNKNOWN])]), ASKED)

    told = json.dumps([outcome.reply.history(), repr(outcome.reply)])
    assert "sk-" not in told
    assert "wipe" not in told
    assert [call.name for call in outcome.reply.choices[0].refused] == ["note", "unknown"]


CALLS = st.lists(
    st.builds(
        lambda name, arguments, id: tool_call(name, arguments, id=id),
        st.sampled_from(["add", "pay", "sub", "add "]),
        st.sampled_from(
            ['{"a": 1, "b": 2}', '{"a": 3, "b": 4}', '{"cents": 1}', '{"cents": 2}', '{"a": ', "{}"]
        ),
        st.sampled_from(["a", "b", "c", "", "refused_0_a"]),
    ),
    min_size=1,
    max_size=6,
)


@given(CALLS, st.sampled_from(["together", "each"]), st.booleans())
def test_whatever_is_called_the_history_is_one_that_the_provider_accepts(
    calls: list[dict[str, Any]], policy: Any, stored: bool
) -> None:
    """Each call is answered once, what is let through is right, and the guard takes the history back."""
    guard = Guard(tools=TOOLS, tool_calls=policy, retry=NOW)
    model = ScriptedModel([completion(tool_calls=calls)], then=completion(tool_calls=[GOOD]))

    reply = guard.run(model, ASKED).reply
    messages: list[Any] = [*ASKED, *reply.history()]
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps(call.run())}
        for call in reply.tool_calls
    ]
    if stored:
        messages = json.loads(json.dumps(messages))

    history = History.of(messages)
    assert not history.strays + history.repeats + history.unanswered
    assert [past.id for past in history.calls] == names(reply.tool_calls)
    assert len(set(names_of(messages[1]))) == len(messages[1]["tool_calls"])
    assert all(call.value is not None for call in reply.tool_calls)
    assert [call["id"] for call in reply.raw["choices"][0]["message"]["tool_calls"]] == names(
        reply.tool_calls
    )
    again = ScriptedModel(["All done."])
    assert guard.run(again, messages).reply.text == "All done."
    assert again.calls[0].messages == messages


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_client_gets_the_right_calls_only(api: str, streamed: bool) -> None:
    """In its own type, whole or streamed, of either API."""
    with LoopbackServer([completion(tool_calls=[GOOD, BAD, UNKNOWN, ALSO])]) as server:
        guard = Guard(tools=TOOLS, tool_calls="each", retry=NOW)
        with OpenAI(base_url=server.base_url, api_key="k") as client, guard.wrap(client) as wrapped:
            if api == "chat":
                got: Any = wrapped.chat.completions.create(model="m", messages=ASKED, stream=streamed)  # type: ignore[call-overload]
            else:
                got = wrapped.responses.create(model="m", input="go on", stream=streamed)
            told = [item.model_dump() for item in got] if streamed else [got.model_dump()]

    text = json.dumps(told)
    assert '"good"' in text
    assert '"also"' in text
    for word in ("bad", "unknown", "wipe", "one"):
        assert f'"{word}' not in text


def test_an_async_client_too() -> None:
    """The same engine, awaited."""
    import asyncio

    async def run() -> list[str]:
        with LoopbackServer([three()]) as server:
            guard = Guard(tools=TOOLS, tool_calls="each", retry=NOW)
            async with (
                AsyncOpenAI(base_url=server.base_url, api_key="k") as client,
                guard.wrap(client) as wrapped,
            ):
                got = await wrapped.chat.completions.create(model="m", messages=ASKED)  # type: ignore[arg-type]
                return names(got.choices[0].message.tool_calls)

    assert asyncio.run(run()) == ["good", "also"]


def test_the_setting_is_part_of_the_guard() -> None:
    """It prints, it changes the policy, and what it cannot be is said."""
    guard = Guard(tools=[add], tool_calls="each")

    assert repr(guard) == "Guard(tools=[add], tool_calls='each')"
    assert guard.digest != Guard(tools=[add]).digest
    with pytest.raises(ConfigError, match="must be 'together' or 'each'"):
        Guard(tools=[add], tool_calls="some")  # type: ignore[call-overload]
