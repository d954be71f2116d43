"""Requests that use everything their API has, with a text in every place that can hold one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Order",
    "description": "An order.",
    "properties": {
        "who": {"type": "string", "description": "The buyer.", "examples": ["Ada"], "pattern": "^[A-Z]"},
        "how": {"enum": ["mail", "phone"], "default": "mail"},
        "kind": {"const": "sale"},
        "more": {"$ref": "#/$defs/more"},
    },
    "$defs": {"more": {"anyOf": [{"type": "string", "description": "More."}, {"type": "null"}]}},
    "required": ["who"],
}
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "developer", "content": "Be brief.", "name": "ops"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look.", "title": "A look"},
                {"type": "image_url", "image_url": {"url": "https://x.example/y.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "AAAA", "file_id": "f", "filename": "a.pdf"}},
                {"type": "document", "source": {"text": "A page.", "pages": ["One."]}},
            ],
        },
        {
            "role": "assistant",
            "content": "Wait.",
            "refusal": "No.",
            "audio": {"id": "a"},
            "reasoning_content": "Hm.",
            "parsed": {"who": "Ada"},
            "more": {"notes": ["Long."]},
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "say", "input": "Hi."}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Found."},
        {"role": "tool", "tool_call_id": "c2", "content": "Said."},
        {"role": "user", "content": "Go on."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "find", "description": "Finds.", "parameters": SCHEMA, "strict": False},
        },
        {
            "type": "custom",
            "custom": {
                "name": "say",
                "description": "Says.",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}},
            },
        },
    ],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "order", "description": "An order.", "schema": SCHEMA},
    },
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 0.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 9,
    "max_tokens": 9,
    "metadata": {"ticket": "A-17"},
    "modalities": ["text"],
    "moderation": {"model": "omni", "note": "Strict."},
    "n": 1,
    "parallel_tool_calls": True,
    "prediction": {"type": "content", "content": [{"type": "text", "text": "Hello."}]},
    "presence_penalty": 0.1,
    "prompt_cache_key": "key",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "safety_identifier": "who",
    "seed": 1,
    "service_tier": "auto",
    "stop": ["END"],
    "store": False,
    "stream_options": {"include_usage": True},
    "temperature": 0.1,
    "tool_choice": "auto",
    "top_logprobs": 1,
    "top_p": 0.9,
    "user": "who",
    "verbosity": "low",
    "web_search_options": {
        "search_context_size": "low",
        "user_location": {"type": "approximate", "approximate": {"city": "Bergen", "country": "NO"}},
    },
    "extra_headers": {"X-Trace": "trace"},
    "extra_query": {"version": "v"},
    "extra_body": {"guided_regex": "[a-z]+", "documents": [{"body": "A page."}], "sink": {"a": {"b": "c"}}},
    "timeout": 9.0,
}
CHAT_LEFT_OUT = frozenset({"self", "stream", "functions", "function_call"})
"""Parameters without a text, and those that a guard refuses."""

RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "prompt": {
        "id": "p",
        "version": "1",
        "variables": {"name": "Ada", "page": {"type": "input_text", "text": "A."}},
    },
    "input": [
        {
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [
                {"type": "input_text", "text": "Look."},
                {
                    "type": "input_image",
                    "image_url": "https://x.example/y.png",
                    "detail": "low",
                    "alt": "A hat.",
                },
                {"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"},
            ],
        },
        {
            "type": "message",
            "id": "m1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "Wait.",
                    "annotations": [{"type": "url_citation", "title": "A hat", "url": "https://x.example"}],
                },
                {"type": "refusal", "refusal": "No."},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "find", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "Found."},
        {"type": "custom_tool_call", "call_id": "c2", "name": "say", "input": "Hi."},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "Said."}],
        },
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "file_search_call",
            "id": "f",
            "queries": ["hat"],
            "results": [{"file_id": "f", "filename": "a", "text": "A.", "attributes": {"name": "Ada"}}],
        },
        {"type": "web_search_call", "id": "w", "action": {"type": "search", "query": "hat"}},
        {"type": "computer_call", "call_id": "o", "action": {"type": "type", "text": "hat"}},
        {"type": "local_shell_call", "call_id": "l", "action": {"command": ["ls"], "env": {"name": "x"}}},
        {"type": "local_shell_call_output", "id": "l", "output": "a.txt"},
        {"type": "code_interpreter_call", "id": "i", "code": "1", "outputs": [{"type": "logs", "logs": "1"}]},
        {
            "type": "mcp_list_tools",
            "id": "t",
            "server_label": "s",
            "tools": [{"name": "mail", "description": "Mails.", "input_schema": {"title": "Mail"}}],
        },
        {
            "type": "mcp_call",
            "id": "k",
            "server_label": "s",
            "name": "mail",
            "arguments": "{}",
            "output": "Ok.",
        },
        {"type": "image_generation_call", "id": "g", "result": "AAAA", "revised_prompt": "A hat."},
        {"role": "user", "content": "Go on."},
    ],
    "tools": [
        {
            "type": "function",
            "name": "find",
            "description": "Finds.",
            "parameters": SCHEMA,
            "strict": False,
            "note": "Beside.",
        },
        {
            "type": "mcp",
            "server_label": "s",
            "server_description": "Mails.",
            "server_url": "https://s.example",
            "authorization": "token",
            "headers": {"X-Key": "key"},
            "allowed_tools": ["mail"],
        },
        {"type": "web_search", "user_location": {"type": "approximate", "city": "Bergen"}},
        {
            "type": "file_search",
            "vector_store_ids": ["v"],
            "filters": {"type": "eq", "key": "k", "value": "v"},
        },
        {"type": "custom", "name": "say", "description": "Says.", "format": {"type": "text"}},
        {
            "type": "namespace",
            "name": "crm",
            "description": "Customers.",
            "tools": [{"type": "function", "name": "get", "description": "Gets.", "parameters": SCHEMA}],
        },
    ],
    "text": {
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "order", "description": "An order.", "schema": SCHEMA},
    },
    "access_programs": ["program"],
    "background_options": {"note": "Later."},
    "context_management": [{"type": "compaction", "note": "Short."}],
    "conversation": {"id": "conv"},
    "previous_response_id": "resp",
    "image": {"note": "Small."},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 9,
    "max_tool_calls": 1,
    "metadata": {"ticket": "A-17"},
    "moderation": {"model": "omni", "note": "Strict."},
    "parallel_tool_calls": True,
    "prompt_cache_key": "key",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning": {"effort": "low", "summary": "auto"},
    "safety_identifier": "who",
    "service_tier": "auto",
    "store": False,
    "stream_options": {"include_obfuscation": False},
    "temperature": 0.1,
    "tool_choice": "auto",
    "top_logprobs": 1,
    "top_p": 0.9,
    "truncation": "auto",
    "user": "who",
    "extra_headers": {"X-Trace": "trace"},
    "extra_query": {"version": "v"},
    "extra_body": {"documents": [{"body": "A page."}]},
    "timeout": 9.0,
}
RESPONSES_LEFT_OUT = frozenset({"self", "stream", "background"})


def texts_in(source: Any, at: Path = ()) -> Iterator[Path]:
    """The place of every string."""
    if isinstance(source, str):
        yield at
    elif isinstance(source, (dict, list)):
        for step, value in source.items() if isinstance(source, dict) else enumerate(source):
            yield from texts_in(value, (*at, step))


def planted(source: Any, at: Path, text: Any) -> Any:
    """A copy of *source* with *text* at this place."""
    made = copy.deepcopy(source)
    inner = made
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = text
    return made


def shown(at: Path) -> str:
    """A place as a user would write it, with any number for every number."""
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in at).removeprefix(".")


ODD = ("more", "error", "delta", "input", "result")
"""Names of fields that some objects of an API have, and most have not."""


def odd(source: Any, text: str) -> Iterator[tuple[Path, Any]]:
    """Copies of *source* with *text* where no API has a text, each with the place of it.

    In one more field of an object, and in a list or an object that stands in the place of a text.
    """
    for at in texts_in(source):
        for nested in ([text], {"more": text}):
            yield at, planted(source, at, nested)
    for at, fields in _objects_in(source):
        for name in ODD:
            if name not in fields:
                yield (*at, name), planted(source, (*at, name), text)


def _objects_in(source: Any, at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(source, dict):
        yield at, source
    if isinstance(source, (dict, list)):
        for step, value in source.items() if isinstance(source, dict) else enumerate(source):
            yield from _objects_in(value, (*at, step))
