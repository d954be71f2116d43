"""No prompt, reply, argument or secret in any byte of a record, log, error, traceback or repr."""

from __future__ import annotations

import gc
import io
import logging
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from guardrails_lite import (
    AuditLog,
    Blocked,
    Budget,
    Finding,
    Guard,
    Outcome,
    Retry,
    block,
    bound,
    reask,
    redact,
    structlog_sink,
    target,
    validator,
)
from guardrails_lite.testing import STYLES, ScriptedModel, Style, completion, tool_call
from tests.engine.conftest import NOW, word

SECRETS = {
    "prompt": "swordfish-prompt",
    "system": "swordfish-system",
    "reply": "swordfish-reply",
    "argument": "swordfish-argument",
    "key": "swordfish-key",
    "error": "swordfish-error",
    "user": "swordfish-user",
    "history": "swordfish-history",
}
MESSAGES = [
    {"role": "system", "content": SECRETS["system"]},
    {"role": "user", "content": SECRETS["history"]},
    {"role": "user", "content": SECRETS["prompt"]},
]


class Note(BaseModel):
    text: Annotated[str, block(word("-reply"))]


class Plain(BaseModel):
    number: int


def find(number: int) -> str:
    """Find something."""
    return str(number)


@validator
def angry(text: str) -> Iterator[Finding]:
    """Break, quoting the text, as careless code does."""
    raise ValueError(f"cannot judge {text}")


class ProviderError(Exception):
    """What a client raises: it quotes the request and the key."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status_code = 400
        self.response = SimpleNamespace(headers={})
        self.body = {"error": {"message": message, "code": f"{message} with spaces"}}


BAD_CALL = completion(tool_calls=[tool_call(SECRETS["argument"], {SECRETS["argument"]: SECRETS["argument"]})])
WRONG_CALL = completion(tool_calls=[tool_call("find", {"number": SECRETS["argument"], SECRETS["key"]: 1})])
BROKEN_CALL = completion(tool_calls=[tool_call("find", '{"number": "' + SECRETS["argument"])])
REPLY = f"the answer is {SECRETS['reply']}"
WRONG = f'{{"number": "{SECRETS["reply"]}", "{SECRETS["key"]}": 1}}'

CASES: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "passed": ({}, [REPLY]),
    "masked": ({"input": [redact(word("swordfish"))], "output": [redact(word("swordfish"))]}, [REPLY]),
    "blocked input": ({"input": [block(word("-prompt"))]}, []),
    "blocked output": ({"output": [block(word("-reply"))]}, [REPLY]),
    "re-asked": ({"output": [reask(word("-reply"))]}, [REPLY, "x -reply", "y -reply"]),
    "broken check": ({"input": [block(angry)]}, []),
    "broken output check": ({"output": [block(angry)]}, [REPLY]),
    "schema": ({"schema": Plain}, [WRONG, WRONG]),
    "schema in prose": ({"schema": Plain}, [REPLY, f"{REPLY} {{", f"[{REPLY}"]),
    "field": ({"schema": Note}, [f'{{"text": "{SECRETS["reply"]}"}}']),
    "unknown tool": ({"tools": [find]}, [BAD_CALL, BAD_CALL]),
    "wrong argument": ({"tools": [find]}, [WRONG_CALL, WRONG_CALL]),
    "broken argument": ({"tools": [find]}, [BROKEN_CALL, BROKEN_CALL]),
    "provider error": ({}, [ProviderError(f"bad request: {SECRETS['error']}")]),
    "connection error": ({}, [ConnectionError(SECRETS["error"])] * 3),
    "truncated": ({}, [completion(REPLY, finish_reason="length")]),
    "refused": ({}, [completion(None, refusal=SECRETS["reply"])]),
    "filtered": ({}, [completion(REPLY, finish_reason="content_filter")]),
    "budget": ({"budget": Budget(tokens=1)}, [REPLY]),
    "exhausted": ({"fallback": [target(model="m-2")]}, [ConnectionError(SECRETS["error"])] * 6),
}


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_nothing_of_the_text_is_in_anything_that_is_kept_or_shown(
    case: str, style: Style, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every ending, every style: the record, both logs, the error, its traceback, every repr."""
    settings, script = CASES[case]
    records: list[Any] = []
    log = AuditLog(tmp_path / "audit")
    guard = Guard(name="g", retry=NOW, log=[log, records.append, structlog_sink()], **settings)
    shown = io.StringIO()
    caplog.set_level(logging.DEBUG)
    model = ScriptedModel(script)
    with bound(user=SECRETS["user"], tenant="acme"):
        try:
            outcome: Outcome[Any] = style.call(guard, model, MESSAGES, model="m-1")
            print(
                repr(outcome),
                repr(outcome.reply),
                repr(outcome.record),
                repr(outcome.reply.tool_calls),
                file=shown,
            )
        except Exception as error:
            traceback.print_exception(error, file=shown)
            print(
                repr(error), str(error), vars(error).keys(), repr(getattr(error, "findings", "")), file=shown
            )
            print(repr(getattr(error, "record", "")), file=shown)
    log.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "audit").rglob("*") if path.is_file())
    told = shown.getvalue() + caplog.text + repr([record.to_dict() for record in records]) + repr(guard)

    for name, secret in SECRETS.items():
        assert secret.encode() not in kept, f"the {name} is in the log"
        assert secret not in told, f"the {name} is shown"
    assert len(records) == 1, "one record a call, however it ended"


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_retry_object_or_a_target_shows_no_secret(style: Style) -> None:
    """Settings print; what they close over does not."""
    fallback = target(lambda messages, **params: SECRETS["reply"])

    assert SECRETS["reply"] not in repr(Guard(fallback=[fallback], retry=Retry(wait=lambda attempt: 0.0)))


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("window", [None, 20], ids=["held", "windowed"])
def test_log_probabilities_do_not_spell_out_what_was_masked(style: Style, window: int | None) -> None:
    """The tokens beside a text are that text again."""
    reply = completion(SECRETS["reply"])
    reply["choices"][0]["logprobs"] = {"content": [{"token": SECRETS["reply"], "logprob": -0.1}]}
    chunk = {
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": SECRETS["reply"]},
                "logprobs": reply["choices"][0]["logprobs"],
                "finish_reason": None,
            }
        ]
    }
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    guard = Guard(output=[redact(word(SECRETS["reply"], window=window))])

    released, outcome = style.released(
        guard, ScriptedModel([[chunk, end] if style.is_stream else reply]), "hi"
    )

    assert SECRETS["reply"] not in repr(released) + repr(outcome.value)


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("window", [None, 20], ids=["held", "windowed"])
@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_screened_like_any_text(style: Style, window: int | None, name: str) -> None:
    """What a compatible server tells of the model's thoughts passes the same rules, and is not lost."""
    reply = completion("fine")
    reply["choices"][0]["message"][name] = f"I saw {SECRETS['reply']} there"
    parts = [f"I saw {SECRETS['reply'][:9]}", f"{SECRETS['reply'][9:]} there"]
    thoughts = [{"choices": [{"index": 0, "delta": {name: part}, "finish_reason": None}]} for part in parts]
    said = {"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]}
    guard = Guard(output=[redact(word(SECRETS["reply"], window=window))])

    released, outcome = style.released(
        guard, ScriptedModel([[*thoughts, said] if style.is_stream else reply]), "hi"
    )

    assert SECRETS["reply"][:9] not in repr(released) + repr(outcome.value)
    assert outcome.reply.choices[0].reasoning == "I saw [REDACTED] there"
    assert "I saw [REDACTED] there" in repr(released if style.is_stream else outcome.value)


def test_reasoning_streams_at_once_where_nothing_is_checked() -> None:
    """Without output rules it is passed on as it comes."""
    thoughts = [
        {"choices": [{"index": 0, "delta": {"reasoning": part}, "finish_reason": None}]}
        for part in ("so", " on")
    ]
    said = {"choices": [{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]}
    stream = Guard().stream(lambda messages: iter([*thoughts, said]), "hi")

    assert next(stream)["choices"][0]["delta"] == {"reasoning_content": "so"}
    assert [piece["choices"][0]["delta"] for piece in stream] == [
        {"reasoning_content": " on"},
        {"content": "fine"},
        {},
    ]


class Secret(str):
    """A text of which can be told whether it is still held."""


@pytest.mark.parametrize("how", ["raises at once", "raises while it is read"])
def test_a_broken_check_leaves_no_text_to_the_garbage_collector(how: str) -> None:
    """Its error holds the text by its traceback: nothing may hold the error, not even a cycle."""

    @validator
    def breaks(text: str) -> Any:
        def found() -> Iterator[Finding]:
            raise ValueError(how)
            yield Finding("never")

        return found() if how == "raises while it is read" else next(found())

    guard = Guard(input=[block(breaks, on_error="open")], log=[])
    secret = Secret("swordfish")
    held = weakref.ref(secret)
    messages = [{"role": "user", "content": secret}]
    gc.disable()
    try:
        outcome = guard.run(lambda messages: "fine", messages)
        del secret, messages
        assert held() is None
    finally:
        gc.enable()
    assert outcome.record.checks[0].result == "broken"


SAID = {"role": "assistant", "content": "fine"}
BESIDE: dict[str, Any] = {
    "speech": {**SAID, "audio": {"id": "a", "data": "aGk=", "expires_at": 0, "transcript": SECRETS["reply"]}},
    "thoughts under two names": {**SAID, "reasoning_content": "so", "reasoning": SECRETS["reply"]},
    "thoughts that are no text": {**SAID, "reasoning": {"said": SECRETS["reply"]}},
    "a part that is no text": {
        **SAID,
        "content": [{"type": "thinking", "thinking": SECRETS["reply"]}, {"type": "text", "text": "fine"}],
    },
    "a part that is a string": {**SAID, "content": ["fine", SECRETS["reply"]]},
    "a field of a part": {**SAID, "content": [{"type": "text", "text": "fine", "more": SECRETS["reply"]}]},
    "a value that the server parsed": {**SAID, "parsed": {"text": SECRETS["reply"]}},
    "calls that are no list": {**SAID, "tool_calls": {"name": SECRETS["reply"]}},
    "a refusal that is no text": {**SAID, "refusal": [SECRETS["reply"]]},
    "a field of a call": {
        **SAID,
        "tool_calls": [{**tool_call("find", {"number": 1}), "custom": {"input": SECRETS["reply"]}}],
    },
    "a field of a function": {
        **SAID,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "find", "arguments": '{"number": 1}', "parsed": SECRETS["reply"]},
            }
        ],
    },
}


@pytest.mark.parametrize("shape", ["dict", "object"])
@pytest.mark.parametrize("window", [None, 20], ids=["held", "windowed"])
@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("beside", BESIDE)
def test_what_is_read_of_no_message_is_not_in_what_is_returned(
    beside: str, style: Style, window: int | None, shape: str
) -> None:
    """Whatever a server puts into a message or a delta: what no rule has seen does not reach the caller."""
    message = BESIDE[beside]
    ends = {
        "index": 0,
        "finish_reason": "tool_calls" if isinstance(message.get("tool_calls"), list) else "stop",
    }
    if style.is_stream:
        delta, rest = {**ends, "delta": message, "finish_reason": None}, {**ends, "delta": {}}
        script: Any = [{"object": "chat.completion.chunk", "choices": [each]} for each in (delta, rest)]
    else:
        script = {"object": "chat.completion", "choices": [{**ends, "message": message}]}
    if shape == "object":
        from openai._models import construct_type
        from openai.types.chat import ChatCompletion, ChatCompletionChunk

        kind = ChatCompletionChunk if style.is_stream else ChatCompletion
        made = [construct_type(type_=kind, value=each) for each in (script if style.is_stream else [script])]
        script = made if style.is_stream else made[0]
    guard = Guard(output=[redact(word(SECRETS["reply"], window=window))], tools=[find])

    released, outcome = style.released(
        guard, lambda messages, **_: iter(script) if style.is_stream else script, "hi"
    )

    assert "fine" in repr(released) + repr(outcome.value)
    assert SECRETS["reply"] not in repr(released) + repr(outcome.value) + repr(outcome.reply.raw)
    if beside == "speech" and not style.is_stream:
        assert "aGk=" not in repr(outcome.value), "what is heard says the same"
        assert outcome.record.unscreened == ("audio",)


def test_speech_of_which_a_rule_changes_nothing_is_passed_on() -> None:
    """Its transcript is checked like any text; the sound is recorded as not screened."""
    spoken = {"id": "a", "data": "aGk=", "expires_at": 0, "transcript": "fine"}
    reply = completion(None)
    reply["choices"][0]["message"]["audio"] = spoken
    guard = Guard(output=[block(word("swordfish"))], retry=NOW)

    outcome = guard.run(lambda messages: reply, "hi")

    assert outcome.value["choices"][0]["message"]["audio"] == spoken
    assert outcome.record.unscreened == ("audio",)
    spoken["transcript"] = SECRETS["reply"]
    with pytest.raises(Blocked):
        guard.run(lambda messages: reply, "hi")


@pytest.mark.parametrize("window", [None, 20], ids=["held", "windowed"])
@pytest.mark.parametrize("shape", ["dict", "object"])
def test_a_message_among_the_chunks_is_released_like_a_delta(shape: str, window: int | None) -> None:
    """Some servers stream a whole message at once; what is held of it is not shown by its own field."""
    chunk: Any = {
        "choices": [{"index": 0, "message": {"content": SECRETS["reply"]}, "finish_reason": "stop"}]
    }
    if shape == "object":
        from openai._models import construct_type
        from openai.types.chat import ChatCompletionChunk

        chunk = construct_type(type_=ChatCompletionChunk, value=chunk)
    guard = Guard(output=[redact(word(SECRETS["reply"], window=window))])

    released = list(guard.stream(lambda messages: iter([chunk]), "hi"))

    assert "[REDACTED]" in repr(released)
    assert SECRETS["reply"] not in repr(released)
