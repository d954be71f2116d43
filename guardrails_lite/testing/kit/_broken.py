"""Broken replies, made for a user's own schema and tools.

Each is one completion, sent whole or cut into chunks, or one response of the Responses API. Most must never
reach the application; some may be *mended* where nothing is lost, and then what arrives must equal the good
reply they were made from.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from guardrails_lite.testing._shapes import JsonDict, chunks, completion, tool_call
from guardrails_lite.testing.kit import _broken_responses
from guardrails_lite.testing.kit._reply import Api, BrokenReply

GoodCall = tuple[str, dict[str, Any], JsonDict]
"""A tool's name, arguments that it takes, and their JSON Schema."""

DEPTH = 3000
WELL = "All is well."
"""The good reply where there is neither a schema nor a tool."""
HIDDEN = "A reply that nobody should see."
PAGE = "<!doctype html><html><body><h1>Please log in</h1></body></html>"


def broken_replies(
    *,
    api: Api = "chat",
    schema: object = None,
    tools: Iterable[Any] = (),
    example: Any = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[BrokenReply]:
    """Make broken replies for a schema and tools: about 20 for any guard, 40 for a schema, 40 for a tool.

    Of the Responses API there are about 130 more, which no completion can tell.

    Args:
        api: The API that they are replies of.
        schema: What `Guard(schema=...)` takes.
        tools: What `Guard(tools=...)` takes. The first function among them is the one that is called.
        example: A valid value, as plain JSON. Default: made from the schema.
        arguments: By tool, valid arguments. Default: made from the tool's own schema.

    Raises:
        ValueError: no valid example could be made; give one.
    """
    made = [*_of_integrity()]
    good = good_call(tools, arguments)
    text = HIDDEN if good is not None else WELL
    if schema is not None:
        value, of = good_value(schema, example)
        made += _of_schema(value, of)
        text = json.dumps(value)
    if good is not None:
        made += _of_tools(*good)
    if api == "chat":
        return made
    told = [*_broken_responses.retold(made), *_broken_responses.of_text(text, is_good=text is not HIDDEN)]
    if good is not None:
        told += _broken_responses.of_call(good[0], json.dumps(good[1]))
    return told


def good_value(schema: object, example: Any = None) -> tuple[Any, JsonDict]:
    """A valid value for a schema, as plain JSON, with the JSON Schema it was made from."""
    from guardrails_lite._schema import Schema
    from guardrails_lite.testing.kit._examples import example_of

    compiled = Schema.of(schema)
    value = example_of(compiled.json_schema) if example is None else example
    if not compiled.parse(json.dumps(value)).ok:
        raise ValueError(
            f"no valid example of {compiled!r} could be made; pass one as plain JSON: example=..."
        )
    return value, compiled.json_schema


def good_call(
    tools: Iterable[Any], arguments: Mapping[str, Mapping[str, Any]] | None = None
) -> GoodCall | None:
    """The name, valid arguments and JSON Schema of the first function among *tools*; None without one."""
    from guardrails_lite._tools import Toolbox
    from guardrails_lite.testing.kit._examples import example_of

    for tool in Toolbox.of(tools).tools:
        if tool.arguments is not None:
            given = (arguments or {}).get(tool.name)
            value = example_of(tool.arguments.json_schema) if given is None else dict(given)
            if not tool.arguments.parse_arguments(json.dumps(value)).ok:
                raise ValueError(
                    f"no valid arguments of {tool.name!r} could be made; pass some: "
                    f"arguments={{{tool.name!r}: {{...}}}}"
                )
            return tool.name, value, tool.arguments.json_schema
    return None


def _of_integrity() -> Iterator[BrokenReply]:
    text = HIDDEN

    def named(name: str, reply: JsonDict) -> BrokenReply:
        return BrokenReply(f"reply: {name}", reply)

    yield named("no choices", {**completion(text), "choices": []})
    yield named("no content", completion(None))
    yield named("empty content", completion(""))
    yield named("blank content", completion(" \n\t"))
    yield named("cut by length", completion(text, finish_reason="length"))
    yield named("cut by length, empty", completion("", finish_reason="length"))
    yield named("filtered", completion(text, finish_reason="content_filter"))
    yield named("filtered, empty", completion(None, finish_reason="content_filter"))
    yield named("no finish reason", completion(text, finish_reason=None))
    yield named("finish reason error", completion(text, finish_reason="error"))
    yield named("finish reason unknown", completion(text, finish_reason="insufficient_system_resource"))
    yield named("refused", completion(None, refusal="I cannot help with that."))
    yield named("refused beside text", completion(text, refusal="I cannot help with that."))
    yield named("tool calls announced and missing", completion(None, finish_reason="tool_calls"))
    yield named("tool calls announced, text instead", completion("", finish_reason="tool_calls"))
    opening = chunks(completion(text))[:3]
    for name, frames in (
        ("stream stops", opening),
        ("stream stops before any text", opening[:1]),
        ("stream is empty", []),
        ("stream holds an error", [*opening, {"error": {"message": "overloaded", "code": "server_error"}}]),
        ("stream of two replies", [*opening, *({**part, "id": "chatcmpl-other"} for part in chunks(text))]),
    ):
        yield BrokenReply(f"stream: {name}", completion(text), frames=tuple(frames))


def _of_schema(value: Any, schema: JsonDict) -> Iterator[BrokenReply]:
    text = json.dumps(value)

    def said(name: str, content: str, *, mends: bool = False, reason: str = "stop") -> BrokenReply:
        return BrokenReply(f"schema: {name}", completion(content, finish_reason=reason), mends)

    yield said("cut by length", text[: len(text) // 2], reason="length")
    yield said("cut by length although it parses", text, reason="length")
    yield said("filtered although it parses", text, reason="content_filter")
    yield said("cut at a quarter", text[: len(text) // 4 or 1])
    yield said("cut in the middle", text[: len(text) // 2])
    yield said("last character missing", text[:-1])
    yield said("prose", "I am sorry, I could not find that out.")
    yield said("HTML", PAGE)
    yield said("null", "null")
    yield said("the schema itself", json.dumps(schema))
    yield said("wrapped in a result", json.dumps({"result": value}))
    yield said("an endless number", text.replace("7", "7" * 400, 1) if "7" in text else "7" * 400)
    yield said("too deep", "[" * DEPTH + "]" * DEPTH)
    yield said("a lone surrogate", json.dumps("\ud83d"))
    yield said("in prose", f"Here is what you asked for:\n\n{text}\n\nAnything else?", mends=True)
    yield said("in a fence", f"```json\n{text}\n```", mends=True)
    yield said("in a fence without end", f"```json\n{text}", mends=True)
    yield said("behind a byte order mark", "\ufeff" + text, mends=True)
    yield said("as a string of JSON", json.dumps(text), mends=True)
    yield said("with a comment", f"{text[:-1]} // done\n{text[-1:]}", mends=True)
    if isinstance(value, (dict, list)) and value:
        yield said("with a trailing comma", f"{text[:-1]},{text[-1:]}", mends=True)
        yield said("with single quotes", repr(value), mends=True)
        yield said("twice", f"{text}\n{text}", mends=True)
        yield said("another bracket", text[:-1] + (")" if text[-1] == "}" else "}"))
    if isinstance(value, dict):
        yield from _of_object(value, schema, lambda name, content, mends: said(name, content, mends=mends))


def _of_object(
    value: dict[str, Any], schema: JsonDict, named: Callable[[str, str, bool], BrokenReply]
) -> Iterator[BrokenReply]:
    """Break an object: a whole reply, or the arguments of a call."""
    from guardrails_lite._schema import Schema

    compiled = Schema.of(schema)

    def changed(name: str, other: Any) -> Iterator[BrokenReply]:
        if compiled.check(other):  # only what the schema forbids is broken
            yield named(name, json.dumps(other), False)

    yield from changed("an empty object", {})
    yield from changed("an array of it", [value])
    yield from changed("something undeclared", {**value, "undeclared_by_kit": 1})
    for key in list(value)[:4]:
        rest = {name: each for name, each in value.items() if name != key}
        yield from changed(f"{key} missing", rest)
        if key in schema.get("required", ()):
            yield from changed(f"{key} null", {**value, key: None})
        yield from changed(f"{key} of another type", {**value, key: {"of": ["another", "type"]}})
        yield from changed(f"{key} renamed", {**rest, f"{key}_": value[key]})
        yield from changed(f"{key} in an array", {**value, key: [value[key]]})
        if isinstance(value[key], (int, float)) and not isinstance(value[key], bool):
            yield from changed(f"{key} in words", {**value, key: "seven"})
            yield from changed(f"{key} far too large", {**value, key: 10**30})
            yield from changed(f"{key} negative", {**value, key: -(10**6)})
            yield named(f"{key} not a number", json.dumps({**value, key: float("nan")}), False)
        if isinstance(value[key], str):
            yield from changed(f"{key} outside its words", {**value, key: "nothing that is listed"})
            yield from changed(f"{key} empty", {**value, key: ""})
    first = next(iter(value), None)
    if first is not None:
        text = json.dumps(value)
        wrong = json.dumps({"of": ["another", "type"]})
        yield named("a key twice", "{" + f"{json.dumps(first)}: {wrong}, " + text[1:], False)


def _of_tools(name: str, arguments: dict[str, Any], schema: JsonDict) -> Iterator[BrokenReply]:
    text = json.dumps(arguments)
    good = tool_call(name, text, id="call_kit")

    def called(what: str, *calls: JsonDict, reason: str = "tool_calls", mends: bool = False) -> BrokenReply:
        return BrokenReply(f"tools: {what}", completion(tool_calls=calls, finish_reason=reason), mends)

    def given(what: str, content: str, mends: bool = False) -> BrokenReply:
        return called(f"arguments: {what}", tool_call(name, content, id="call_kit"), mends=mends)

    yield called("an unknown name", tool_call("nothing_like_it_by_kit", text))
    yield called("a name nearly right", tool_call(f"{name}s", text))
    yield called("a name in capitals", tool_call(name.upper() + "_", text))
    yield called("no name", tool_call("", text))
    yield called("a name with arguments", tool_call(f"{name}({text})", text))
    yield called("one id twice", good, {**tool_call(name, text), "id": "call_kit"})
    yield called("the same call again", good, {**good, "id": "call_kit_again"})
    yield called("a good one beside a bad one", good, tool_call("nothing_like_it_by_kit", "{}"))
    yield called("cut by length although it parses", good, reason="length")
    yield called("filtered although it parses", good, reason="content_filter")
    yield called("no finish reason", good, reason=None)  # type: ignore[arg-type]  # what is broken
    yield called("cut by length", tool_call(name, text[: len(text) // 2]), reason="length")
    yield given("nothing", "") if schema.get("required") else given("blank", "{")
    yield given("cut in the middle", text[: len(text) // 2] or "{")
    yield given("last character missing", text[:-1])
    yield given("prose", "the usual ones, please")
    yield given("an array", "[1, 2]")
    yield given("null", "null")
    yield given("a number", "7")
    yield given("too deep", "[" * DEPTH + "]" * DEPTH)
    yield given("wrapped", json.dumps({"arguments": arguments}))
    yield given("with name", json.dumps({"name": name, "arguments": arguments}))
    yield given("HTML", PAGE)
    yield given("undeclared argument", json.dumps({**arguments, "undeclared_by_kit": 1}))
    yield given("as a string of JSON", json.dumps(text), True)
    yield given("in a fence", f"```json\n{text}\n```", True)
    if arguments:
        yield given("with a trailing comma", text[:-1] + ",}", True)
        yield given("with single quotes", repr(arguments), True)
    yield from _of_object(arguments, schema, given)
    yield from _of_tool_streams(name, text, completion(tool_calls=[good]))


def _of_tool_streams(name: str, text: str, reply: JsonDict) -> Iterator[BrokenReply]:
    frames = chunks(reply, size=max(1, len(text) // 3))

    def told(what: str, parts: Iterable[JsonDict]) -> BrokenReply:
        return BrokenReply(f"stream: {what}", reply, frames=tuple(parts))

    yield told("a call cut off", frames[:-2])
    yield told("a call whole, then no end", frames[:-1])
    yield told("a call without its first part", [*frames[:1], *frames[2:]])
    yield told("a call cut off, then a reason", [*frames[:-2], frames[-1]])
    other = copy.deepcopy(frames[1])
    other["choices"][0]["delta"]["tool_calls"][0] |= {
        "id": "call_other",
        "function": {"name": "nothing_like_it_by_kit", "arguments": ""},
    }
    yield told("two calls at one index", [*frames[:3], other, *frames[3:]])
