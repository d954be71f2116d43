"""What a model asked tools to do is kept with what it said, under the same key and by the same rules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pytest

from guardrails_lite import (
    AuditLog,
    Blocked,
    Guard,
    GuardrailsError,
    Retry,
    block,
    bound,
    redact,
    tool,
)
from guardrails_lite.audit import Erased, KeptText, bundle, erase, find_subject, replay, reveal
from guardrails_lite.audit._content import Box, Content, content_of
from guardrails_lite.cli import main
from guardrails_lite.testing import (
    STYLES,
    LoopbackServer,
    ScriptedModel,
    Style,
    chunks,
    completion,
    tool_call,
)
from tests.audit.test_originals import SECRET, WHY, hidden
from tests.audit.test_privacy import everything
from tests.engine.conftest import word

pytest.importorskip("cryptography")

ASKED = [{"role": "user", "content": "Tell them."}]
MASKED = "[SECRET]"
Form = Literal["redacted", "original"]


def send(to: str, words: str) -> str:
    """Send words to somebody."""
    return f"sent to {to}"


def asks(words: str, *, name: str = "send", text: str | None = None) -> dict[str, Any]:
    """A reply that asks for one call."""
    arguments = {"to": "ada", "words": words}
    return completion(text, tool_calls=[tool_call(name, arguments, id="call_1")])


def guard(log: Any, **more: Any) -> Guard[Any]:
    """One that masks the secret in what the model says, and offers a tool."""
    told: dict[str, Any] = {"output": [redact(hidden)], "tools": [send], "retry": Retry(reasks=1, wait=0)}
    return Guard(log=log, **{**told, **more})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog(tmp_path / "log", capture="sealed") as held:
        yield held


def of_reply(log: AuditLog, form: Form) -> list[KeptText]:
    """What is kept of the replies of the last call."""
    entry = list(log.records())[-1]
    return [kept for kept in reveal(log, entry.id, **WHY, texts=form) if kept.side == "output"]


def words_of(kept: KeptText) -> str:
    """What a kept call of the tool was to send."""
    return str(json.loads(kept.text)["words"])


# --- what is kept ---


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_call_is_kept_as_it_ran_and_as_it_was_asked_for(log: AuditLog, style: Style) -> None:
    """In every style: the arguments behind the mask, and by name the originals, with attempt and id."""
    style.call(guard(log), ScriptedModel([asks(f"it is {SECRET}")], size=5), ASKED)

    (left,), (said,) = of_reply(log, "redacted"), of_reply(log, "original")
    assert (left.part, left.name, words_of(left)) == ("tool call", "send", f"it is {MASKED}")
    assert (said.part, said.name, words_of(said)) == ("tool call", "send", f"it is {SECRET}")
    assert (said.id, said.attempt) == ("call_1", 1)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI], ids=["sync", "async"])
def test_calls_over_the_wire_are_kept(log: AuditLog, kind: Any, stream: bool, api: str) -> None:
    """Of both APIs, whole and streamed, by either client; results that come with a request are there too."""
    with LoopbackServer([asks(f"it is {SECRET}"), asks("more")]) as server:
        client = guard(log).wrap(kind(base_url=server.base_url, api_key="k"))
        _ask(client, api, [*ASKED, *BEFORE[api]], stream)

    assert [words_of(kept) for kept in of_reply(log, "redacted")] == [f"it is {MASKED}"]
    (said,) = of_reply(log, "original")
    assert (said.name, said.id, words_of(said)) == ("send", "call_1", f"it is {SECRET}")
    (entry,) = log.records()
    sent = [kept.text for kept in reveal(log, entry.id, **WHY) if kept.side == "input"]
    assert {"send", "bob", "before", "3 letters"} <= set(sent)


_CALL: dict[str, Any] = {"name": "send", "arguments": '{"to": "bob", "words": "before"}'}
BEFORE: dict[str, list[Any]] = {
    "chat": [
        {"role": "assistant", "tool_calls": [{"id": "c-0", "type": "function", "function": _CALL}]},
        {"role": "tool", "tool_call_id": "c-0", "content": "3 letters"},
    ],
    "responses": [
        {"type": "function_call", "call_id": "c-0", **_CALL},
        {"type": "function_call_output", "call_id": "c-0", "output": "3 letters"},
    ],
}


def _ask(client: Any, api: str, asked: Any, stream: bool) -> None:
    create = client.chat.completions.create if api == "chat" else client.responses.create
    given = {"messages" if api == "chat" else "input": asked, "model": "m", "stream": stream}

    async def whole() -> None:
        async with client:
            got = await create(**given)
            if stream:
                async for _ in got:
                    pass

    if isinstance(client, openai.AsyncOpenAI):
        asyncio.run(whole())
        return
    with client:
        got = create(**given)
        if stream:
            for _ in got:
                pass


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_refused_call_is_an_original_with_its_attempt(log: AuditLog, style: Style) -> None:
    """Nobody was let see it, so what the rules left has only the call that was made in its place."""
    broken = completion(tool_calls=[tool_call("send", {"to": SECRET}, id="call_0")])
    style.call(guard(log), ScriptedModel([broken, asks("fine")], size=400), ASKED)

    assert [words_of(kept) for kept in of_reply(log, "redacted")] == ["fine"]
    said = [(kept.attempt, kept.id, json.loads(kept.text)) for kept in of_reply(log, "original")]
    assert said == [(1, "call_0", {"to": SECRET}), (2, "call_1", {"to": "ada", "words": "fine"})]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_refused_call_beside_others_is_no_kept_text(log: AuditLog, style: Style) -> None:
    """Where each call stands for itself, the refused one was not shown to a rule."""
    both = completion(
        tool_calls=[tool_call("send", {"to": SECRET}, id="c-1"), tool_call("send", {"to": "a", "words": "b"})]
    )
    style.call(guard(log, tool_calls="each"), ScriptedModel([both], size=400), ASKED)

    assert [words_of(kept) for kept in of_reply(log, "redacted")] == ["b"]
    assert [json.loads(kept.text).get("to") for kept in of_reply(log, "original")] == [SECRET, "a"]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_call_that_a_rule_stopped_is_an_original(log: AuditLog, style: Style) -> None:
    """As with a reply's text: of what went to nobody, what was said is kept, and nothing else."""
    with pytest.raises(Blocked):
        style.call(guard(log, output=[block(hidden)]), ScriptedModel([asks(SECRET)], size=5), ASKED)

    assert of_reply(log, "redacted") == []
    assert [words_of(kept) for kept in of_reply(log, "original")] == [SECRET]


def test_a_denied_call_is_an_original(log: AuditLog) -> None:
    """What a person refused to have done can be read afterwards."""
    asked = guard(log, tools=[tool(send, approve=lambda call: False)])
    with pytest.raises(Blocked):
        asked.run(ScriptedModel([asks("no")]), ASKED)

    assert [words_of(kept) for kept in of_reply(log, "original")] == ["no"]
    assert of_reply(log, "redacted") == []


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_reasoning_is_kept_as_the_rules_left_it(log: AuditLog, style: Style) -> None:
    """Masked like the text that it comes before."""
    thought = {"reasoning_content": f"The word is {SECRET}."}
    reply: Any = completion("Done.")
    reply["choices"][0]["message"] |= thought
    if style.is_stream:
        reply = [*chunks("Done.")]
        reply[0]["choices"][0]["delta"] |= thought
    style.call(guard(log, tools=[]), ScriptedModel([reply]), ASKED)

    left = [(kept.part, kept.text) for kept in of_reply(log, "redacted")]
    assert left == [("reasoning", f"The word is {MASKED}."), ("text", "Done.")]
    assert of_reply(log, "original")[0].text == f"The word is {SECRET}."


def test_a_name_that_no_rule_has_seen_is_not_kept(tmp_path: Path) -> None:
    """The name of a tool that was not offered is the model's word, and so is an id: rules see neither."""
    reply = completion(tool_calls=[tool_call(SECRET, {"a": 1}, id=f"id-{SECRET}")])
    with AuditLog(tmp_path / "log", capture="redacted") as log:
        guard(log, tools=[]).run(lambda messages: reply, ASKED)
        (kept,) = of_reply(log, "redacted")
        assert (kept.name, kept.id, kept.text) == (None, None, '{"a": 1}')
        Guard(log=log).run(lambda messages: reply, ASKED)
        (kept,) = of_reply(log, "redacted")
        assert (kept.name, kept.id) == (SECRET, f"id-{SECRET}")


def test_arguments_are_in_one_box_only_where_the_rules_left_them(log: AuditLog) -> None:
    """However long they are, the box of the originals names their place, and the id that it adds."""
    sizes = []
    for words in ("x" * 40, "x" * 400_000):
        guard(log).run(ScriptedModel([asks(words)]), ASKED)
        original = content_of(list(log.records())[-1].data).original
        assert original is not None
        sizes.append(int(original.ref.split(":")[2]))
        assert [words_of(kept) for kept in of_reply(log, "original")] == [words]
    assert sizes[0] == sizes[1]


def test_a_turn_of_very_many_calls_is_no_burden(log: AuditLog) -> None:
    """It is refused, and kept as it was asked for."""
    many = [tool_call("send", {"to": str(nth), "words": "x"}) for nth in range(20_000)]
    with pytest.raises(GuardrailsError):
        guard(log, retry=Retry(reasks=0)).run(ScriptedModel([completion(tool_calls=many)]), ASKED)
    assert len(of_reply(log, "original")) == 20_000


@pytest.mark.parametrize("arguments", ["", "{", "\ud800", '{"a": "\\ud800"}', "\x1b[2J\u202e", "[" * 5000])
def test_arguments_of_any_form_are_kept_as_they_came(log: AuditLog, arguments: str) -> None:
    """What is no JSON is refused, and can still be read."""
    with contextlib.suppress(GuardrailsError):
        guard(log, retry=Retry(reasks=0)).run(
            ScriptedModel([completion(tool_calls=[tool_call("send", arguments)])]), ASKED
        )
    assert [kept.text for kept in of_reply(log, "original")] == [arguments]


# --- where it is not ---


@pytest.mark.parametrize("capture", ["none", "metadata", "redacted", "sealed"])
def test_no_argument_is_outside_of_its_box(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], capture: Any
) -> None:
    """Not in the chain, the index, an export, evidence, an error or a repr; erased, no box opens."""
    secret = "xyzzy-plugh"
    replies = [
        completion(tool_calls=[tool_call("send", {"to": secret}, id="c-0")]),
        asks(f"it is {secret}", text="On it."),
        completion(tool_calls=[tool_call("send", {"to": secret}, id="c-2")]),
    ]
    with AuditLog(tmp_path / "log", capture=capture) as log, bound(user="ada"):
        seen: list[Any] = [guard(log).run(ScriptedModel(replies[:2]), ASKED).record]
        with pytest.raises(GuardrailsError) as caught:
            guard(log, retry=Retry(reasks=0)).run(ScriptedModel(replies[2:]), ASKED)
        seen += [caught.value, caught.value.__cause__]
        bundle(log, tmp_path / "evidence.zip", by="auditor", reason="audit")
        entries = list(log.records())
        if capture in ("none", "metadata"):
            assert not any("content" in entry.data for entry in entries)
            assert not list(log.directory.glob("vault/*"))
        else:
            seen += [repr(kept) for kept in reveal(log, entries[0].id, **WHY)]
            assert any(secret in kept.text for kept in reveal(log, entries[0].id, **WHY))
        erase(log, "ada", request="R-1", basis="GDPR 17")
        for entry in entries:
            with pytest.raises((Erased, LookupError)):
                reveal(log, entry.id, **WHY, texts="original" if capture == "sealed" else "redacted")
        assert log.verify().ok
    where = str(log.directory)
    for action in (
        *(["show", where, entry.id, "--json"] for entry in entries),
        ["ls", where, "--json"],
        ["sql", where, "SELECT * FROM calls"],
        *(["export", where, "--format", name] for name in ("csv", "jsonl", "ocsf", "cef", "syslog")),
    ):
        assert main(["log", *action]) in (0, 1), action
    printed = capsys.readouterr()
    assert secret not in f"{printed}{seen!r}"
    with zipfile.ZipFile(tmp_path / "evidence.zip") as held:
        evidence = b"".join(held.read(name) for name in held.namelist())
    assert secret.encode() not in everything(log.directory) + evidence


# --- opening ---


def test_a_box_from_before_has_no_calls_and_opens(log: AuditLog) -> None:
    """Boxes of triples, and of originals with an attempt and a triple or a place."""
    log.vault.put("0", "u", (KeptText("input", "user", "hi"),))
    files = log.vault._files
    assert files is not None

    def kept(bound_to: str, content: list[Any]) -> Box:
        sealed, box = log.vault._seal(files, files.subjects["u"], bound_to, content, 0)
        files.offset += os.write(files.boxes, sealed)
        return box

    left = kept("1", [["input", "user", "hi"], ["output", "assistant", "yes"]])
    said = kept("1 original", [[0, 0], [1, "output", "assistant", "no"]])
    texts = log.vault.take("1", left)
    assert texts == (KeptText("input", "user", "hi"), KeptText("output", "assistant", "yes"))
    assert log.vault.take_originals("1", Content(left, said, has_originals=True), texts) == (
        KeptText("input", "user", "hi", 0),
        KeptText("output", "assistant", "no", 1),
    )


def test_the_command_shows_what_was_asked_of_tools(log: AuditLog, capsys: pytest.CaptureFixture[str]) -> None:
    """Which tool, in which attempt, with which arguments; as JSON with all that is known."""
    with bound(user="ada"):
        guard(log).run(ScriptedModel([asks(SECRET)]), ASKED)
    (call,) = find_subject(log, "ada")
    log.close()
    opens = ["log", "reveal", str(log.directory), call.id, "--reader", "ada", "--reason", "T-1"]

    assert main(opens) == 0
    assert "output assistant, tool call send:\n  {" in capsys.readouterr().out
    assert main([*opens, "--original"]) == 0
    assert "output assistant, attempt 1, tool call send (call_1):\n  {" in capsys.readouterr().out
    assert main([*opens, "--original", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[-1]
    text = json.dumps({"to": "ada", "words": SECRET})
    assert told == {
        "side": "output",
        "role": "assistant",
        "text": text,
        "attempt": 1,
        "part": "tool call",
        "name": "send",
        "id": "call_1",
    }


def test_replay_judges_arguments_as_rules_see_them(log: AuditLog) -> None:
    """One string at a time, decoded; a call that was refused before any rule is not among them."""
    escaped = json.dumps({"to": "ada", "words": "b\u00e4d"})
    assert "\\u00e4" in escaped
    broken = completion(tool_calls=[tool_call("send", {"to": "bäd"}, id="c-0")])
    right = completion(tool_calls=[tool_call("send", escaped, id="c-1")])
    guard(log).run(ScriptedModel([broken, right]), ASKED)
    guard(log).run(ScriptedModel([broken, asks("fine")]), ASKED)
    first, _ = log.records()
    for form in ("redacted", "original"):
        found = replay(log, Guard(output=[block(word("bäd"))]), **WHY, texts=form)
        assert [change.call for change in found.changes] == [first.id]
