"""Shapes in which servers answer that speak OpenAI's chat API nearly: one row for each oddity.

Each shape was written down from public documentation, source code or bug reports of the server that the row
names. `PLANT` stands in every text that a rule must see, and in every text that must not come through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PLANT = "xyzzy"


@dataclass(frozen=True)
class Shape:
    """An answer as a server sends it, and what has to become of it."""

    server: str
    odd: str
    body: Any
    """A whole completion; a list of the chunks of a stream; or bytes that are sent as they are."""
    text: str | None = None
    """What is said, unmasked. The caller of a guard with a rule gets it with the plant masked."""
    reasoning: str | None = None
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the completion; None: nobody knows, so they are estimated."""
    fails: tuple[str, str] | None = None
    """The kind of failure and whose fault it is."""
    status: int = 200
    media: str | None = None
    """The content type, where it is not the usual one."""
    streams: bool | None = None
    """Whether a stream is asked for; None: if the body is a list."""

    @property
    def is_streamed(self) -> bool:
        """Whether a stream is asked for."""
        return isinstance(self.body, list) if self.streams is None else self.streams

    @property
    def name(self) -> str:
        """The name of its test."""
        return f"{self.server}: {self.odd}, {'streamed' if self.is_streamed else 'whole'}"


FRAME: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
TICK: dict[str, Any] = {**FRAME, "object": "chat.completion.chunk"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
SAYS = f"Oslo, {PLANT}."
THINKS = f"Norway, {PLANT}."
FIND = ("find", {"q": f"Oslo {PLANT}"})
ARGUMENTS = json.dumps(FIND[1])


def whole(message: Any, finish: Any = "stop", *, choice: Any = None, **frame: Any) -> dict[str, Any]:
    """A completion with this message; `choice` and the rest are added to the choice and to the frame."""
    said = {"role": "assistant", **message} if isinstance(message, dict) else message
    choices = [{"index": 0, "message": said, "finish_reason": finish, **(choice or {})}]
    return {**FRAME, "choices": choices, "usage": USAGE, **frame}


def chunk(delta: Any, finish: Any = None, *, choice: Any = None, **frame: Any) -> dict[str, Any]:
    """A chunk with this delta; `choice` and the rest are added to the choice and to the frame."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}]
    return {**TICK, "choices": choices, **frame}


def deltas(key: str, text: str, size: int = 5, **beside: Any) -> list[Any]:
    """*text* in chunks of a few characters, so that the plant comes in pieces."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return [chunk({key: piece, **beside}) for piece in pieces]


def call(arguments: Any = ARGUMENTS, **beside: Any) -> dict[str, Any]:
    """A tool call, or the delta of one."""
    function = {"name": "find", "arguments": arguments}
    return {"id": "call_1", "type": "function", "function": function, **beside}


def more(arguments: str, **beside: Any) -> dict[str, Any]:
    """The delta that goes on with a tool call."""
    return {**beside, "function": {"arguments": arguments}}


def without(source: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """*source* without these fields."""
    return {name: value for name, value in source.items() if name not in names}


def events(chunks: Iterable[Any], *, data: str = "data: ", end: str = "\n", done: bool = True) -> bytes:
    """The chunks as server-sent events; those that are strings already are sent as they are."""
    told = [each if isinstance(each, str) else f"{data}{json.dumps(each)}{end}{end}" for each in chunks]
    return "".join([*told, f"{data}[DONE]{end}{end}" if done else ""]).encode()


END = chunk({}, "stop")
CALLED = chunk({}, "tool_calls")
COUNTED = {**TICK, "choices": [], "usage": USAGE}

NOTHING = dict.fromkeys(("refusal", "annotations", "audio", "function_call"))
VLLM = [
    Shape(
        "vLLM",
        "every optional field is null, and it has words of its own",
        whole(
            {
                **NOTHING,
                "content": SAYS,
                "reasoning": THINKS,
                "tool_calls": [],
            },
            choice={"logprobs": None, "stop_reason": None, "token_ids": None},
            prompt_logprobs=None,
            kv_transfer_params={"note": PLANT},
            prompt_token_ids=None,
        ),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "vLLM",
        "reasoning, and usage in every chunk",
        [
            chunk({"role": "assistant", "content": ""}, choice={"logprobs": None, "token_ids": None}),
            *(each | {"usage": USAGE | {"completion_tokens": 1}} for each in deltas("reasoning", THINKS)),
            *(each | {"usage": USAGE} for each in deltas("content", SAYS)),
            chunk({"content": ""}, "stop", choice={"stop_reason": None}, usage=USAGE),
            COUNTED,
        ],
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "vLLM",
        "an older one calls it reasoning_content",
        [*deltas("reasoning_content", THINKS), *deltas("content", SAYS), END],
        text=SAYS,
        reasoning=THINKS,
    ),
    Shape(
        "vLLM",
        "a call under a forced choice ends with stop",
        whole({"content": "", "tool_calls": [call()]}),
        calls=(FIND,),
        usage=(9, 4),
    ),
    Shape(
        "vLLM",
        "a call in pieces, with null in what follows",
        [
            chunk({"role": "assistant", "content": None}),
            chunk({"tool_calls": [call("", index=0)]}),
            *(
                chunk({"tool_calls": [more(each, index=0, id=None, type=None)]})
                for each in (ARGUMENTS[:9], ARGUMENTS[9:])
            ),
            chunk({"content": ""}, "tool_calls", choice={"stop_reason": 128008}),
        ],
        calls=(FIND,),
    ),
    Shape(
        "vLLM",
        "an error that is not in an object of its own",
        {"object": "error", "message": f"{PLANT} is bad", "type": "BadRequestError", "code": 400},
        fails=("bad request", "caller"),
        status=400,
    ),
    Shape(
        "vLLM",
        "an error as a chunk",
        [*deltas("content", SAYS), {"error": {"message": PLANT, "type": "InternalServerError", "code": 500}}],
        fails=("server error", "endpoint"),
    ),
    Shape(
        "vLLM",
        "an error of an older one as a chunk",
        [{"object": "error", "message": PLANT, "type": "InternalServerError", "code": 500}],
        fails=("server error", "endpoint"),
    ),
    Shape(
        "vLLM",
        "generation was aborted",
        whole({"content": SAYS}, "abort"),
        fails=("malformed reply", "endpoint"),
    ),
    Shape(
        "vLLM on MLX",
        "it ends without a finish reason",
        [*deltas("content", SAYS), chunk({})],
        fails=("stream interrupted", "endpoint"),
    ),
]

SGLANG = [
    Shape(
        "SGLang",
        "fields of its own",
        whole(
            {"content": SAYS, "reasoning_content": THINKS, "tool_calls": None},
            choice={"logprobs": None, "matched_stop": PLANT, "hidden_states": None},
            metadata={"weight_version": "default"},
        ),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "SGLang",
        "null in every chunk, a role too",
        [
            *(
                each | {"usage": None}
                for each in deltas("content", SAYS, role=None, reasoning_content=None, tool_calls=None)
            ),
            chunk(
                {"role": None, "content": None, "reasoning_content": None, "tool_calls": None},
                "stop",
                choice={"logprobs": None, "matched_stop": 128009},
            ),
            COUNTED,
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "SGLang",
        "generation was aborted",
        [*deltas("content", SAYS), chunk({}, "abort", choice={"matched_stop": None})],
        fails=("malformed reply", "endpoint"),
    ),
]

TGI = [
    Shape(
        "TGI",
        "arguments are an object, and every id is 0",
        whole(
            {
                "tool_calls": [
                    {
                        **call(FIND[1] | {}, id="0"),
                        "function": {"description": None, "name": "find", "arguments": FIND[1]},
                    }
                ]
            },
            id="",
        ),
        calls=(FIND,),
        usage=(9, 4),
    ),
    Shape(
        "TGI",
        "ids are empty, and no space follows data:",
        events(
            [
                *(each | {"id": ""} for each in deltas("content", SAYS, role="assistant", tool_call_id=None)),
                chunk({"role": "assistant", "content": ""}, "eos_token", id=""),
                COUNTED | {"id": ""},
            ],
            data="data:",
        ),
        text=SAYS,
        usage=(9, 4),
        streams=True,
    ),
    Shape(
        "TGI",
        "an older one sends tool_calls as one object",
        [
            chunk({"role": "assistant", "tool_calls": call("", index=0, id="0")}),
            *(
                chunk({"role": "assistant", "tool_calls": more(each, index=0, id="0", type="function")})
                for each in (ARGUMENTS[:9], ARGUMENTS[9:])
            ),
            chunk({"role": "assistant", "content": ""}, "eos_token"),
        ],
        calls=(FIND,),
    ),
    Shape(
        "TGI",
        "an error is a string",
        {"error": f"Input validation error: `inputs` {PLANT}", "error_type": "validation"},
        fails=("bad request", "caller"),
        status=422,
    ),
    Shape(
        "TGI",
        "a prompt that is too long, in an error that is a string",
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
            "error_type": "validation",
        },
        fails=("context too long", "prompt"),
        status=422,
    ),
    Shape(
        "TGI",
        "the status of an error stands in the error",
        [{"error": {"message": f"Input validation error: {PLANT}", "http_status_code": 422}}],
        fails=("bad request", "caller"),
    ),
    Shape(
        "TGI",
        "overloaded, as an error that is a string in a chunk",
        [{"error": "Model is overloaded", "error_type": "overloaded"}],
        fails=("overloaded", "endpoint"),
    ),
]

OLLAMA = [
    Shape(
        "Ollama",
        "reasoning beside an empty content",
        whole({"content": SAYS, "reasoning": THINKS}, system_fingerprint="fp_ollama"),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Ollama",
        "a delta without a role, and a finish chunk with an empty one",
        [*deltas("reasoning", THINKS, content=""), *deltas("content", SAYS), END, COUNTED],
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Ollama",
        "two calls whole in one chunk, both with the index 0",
        [
            chunk(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [call(index=0), call('{"q": "Bergen"}', index=0, id="call_2")],
                }
            ),
            CALLED,
        ],
        calls=(FIND, ("find", {"q": "Bergen"})),
    ),
    Shape(
        "Ollama",
        "the model was stopped while it was loaded",
        [*deltas("content", SAYS), chunk({}, "load")],
        text=SAYS,
    ),
    Shape(
        "Ollama",
        "a model that was not pulled",
        {
            "error": {
                "message": f"model {PLANT!r} not found",
                "type": "not_found_error",
                "param": None,
                "code": None,
            }
        },
        fails=("not found", "caller"),
        status=404,
    ),
]

LLAMA_CPP = [
    Shape(
        "llama.cpp",
        "timings, and a content that is null before it",
        [
            chunk({"role": "assistant", "content": None}),
            *deltas("reasoning_content", THINKS),
            *deltas("content", SAYS),
            END,
            COUNTED | {"timings": {"prompt_n": 9, "prompt_ms": 1.5}, "__verbose": {"prompt": PLANT}},
        ],
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "llama.cpp",
        "its own view of the call beside it",
        whole({"content": SAYS}, timings={"prompt_n": 9}, __verbose={"content": SAYS, "prompt": PLANT}),
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "llama.cpp",
        "progress of the prompt in chunks",
        [
            chunk({"role": "assistant", "content": None}, prompt_progress={"total": 9, "processed": 4}),
            *deltas("content", SAYS),
            END,
        ],
        text=SAYS,
    ),
    Shape(
        "llama.cpp",
        "a prompt that is too long",
        {"error": {"code": 400, "message": "exceeds", "type": "exceed_context_size_error", "n_ctx": 4096}},
        fails=("context too long", "prompt"),
        status=400,
    ),
    Shape(
        "llama.cpp",
        "the model is still being loaded",
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        fails=("overloaded", "endpoint"),
        status=503,
    ),
    Shape(
        "llama.cpp",
        "an older one names the field of an error error:",
        events([*deltas("content", SAYS), f'error: {{"code": 500, "message": "{PLANT}"}}\n\n'], done=False),
        fails=("stream interrupted", "endpoint"),
        streams=True,
    ),
]

LM_STUDIO = [
    Shape(
        "LM Studio",
        "statistics beside the answer",
        whole({"content": SAYS, "reasoning_content": THINKS, "tool_calls": []}, stats={"note": PLANT}),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "LM Studio",
        "a path that it does not know, under status 200",
        {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        fails=("not found", "endpoint"),
    ),
    Shape(
        "LM Studio",
        "a path that it does not know, under status 200",
        json.dumps({"error": "Unexpected endpoint or method. (POST /chat/completions)"}).encode(),
        fails=("not found", "endpoint"),
        media="application/json; charset=utf-8",
        streams=True,
    ),
    Shape(
        "LM Studio",
        "an error as an event that says it twice",
        events(
            [
                *deltas("content", SAYS),
                'event: error\ndata: {"error":{"message":"Compute error."},"message":"Compute error."}\n\n',
            ],
            done=False,
        ),
        fails=("server error", "endpoint"),
        streams=True,
    ),
]

LOCAL_AI = [
    Shape(
        "LocalAI",
        "an older one sends an empty finish reason and a usage of zeros in every chunk",
        [
            *(
                chunk(
                    {"content": each},
                    "",
                    usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
                )
                for each in (SAYS[:8], SAYS[8:])
            ),
            chunk({"content": ""}, "stop", usage=USAGE),
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "LocalAI",
        "cut where every finish reason is empty",
        [chunk({"content": SAYS}, "", usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})],
        fails=("stream interrupted", "endpoint"),
    ),
    Shape(
        "LocalAI",
        "the result of a tool that it ran, as an event of its own",
        [
            *deltas("content", SAYS),
            {"type": "mcp_tool_result", "name": "find", "result": f"found {PLANT}"},
            END,
            COUNTED,
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "LocalAI",
        "an error as a chunk, and [DONE] behind it",
        [{"error": {"code": "server_error", "message": PLANT, "type": "server_error"}}],
        fails=("server error", "endpoint"),
    ),
]

LITELLM = [
    Shape(
        "LiteLLM proxy",
        "fields of the provider, and thoughts told twice",
        whole(
            {
                "content": SAYS,
                "reasoning_content": THINKS,
                "thinking_blocks": [{"type": "thinking", "thinking": THINKS, "signature": PLANT}],
                "provider_specific_fields": {"citations": [PLANT]},
            },
            created=1.5,
        ),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "LiteLLM proxy",
        "null where there is nothing, and the object is missing",
        [
            without(each, "object") | {"citations": None, "provider_specific_fields": None}
            for each in (*deltas("content", SAYS, provider_specific_fields={"note": PLANT}), END)
        ],
        text=SAYS,
    ),
    Shape(
        "LiteLLM proxy",
        "the words None and 500 in an error",
        [{"error": {"message": f"litellm {PLANT}", "type": "None", "param": "None", "code": "500"}}],
        fails=("server error", "endpoint"),
    ),
]

FILTERED = {"hate": {"filtered": False, "severity": "safe"}}
NAMELESS: dict[str, Any] = {"id": "", "object": "", "created": 0, "model": ""}
AZURE = [
    Shape(
        "Azure",
        "what its filter found",
        whole(
            {"content": SAYS, "refusal": None, "annotations": []},
            choice={"content_filter_results": FILTERED, "logprobs": None},
            prompt_filter_results=[{"prompt_index": 0, "content_filter_results": FILTERED}],
        ),
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Azure",
        "a first chunk without choices, id, model and object",
        [
            {
                **NAMELESS,
                "choices": [],
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTERED}],
            },
            *deltas("content", SAYS),
            END,
            COUNTED,
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Azure",
        "an asynchronous filter, whose chunks have no delta and no id, up to the very end",
        [
            {**NAMELESS, "choices": [], "prompt_filter_results": []},
            *deltas("content", SAYS[:10]),
            filtered := {
                **NAMELESS,
                "usage": None,
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": None,
                        "content_filter_results": FILTERED,
                        "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198},
                    }
                ],
            },
            *deltas("content", SAYS[10:]),
            END,
            filtered,
            COUNTED,
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Azure",
        "stopped by its filter",
        [*deltas("content", SAYS), chunk({}, "content_filter", choice={"content_filter_results": FILTERED})],
        fails=("content filtered", "prompt"),
    ),
    Shape(
        "Azure",
        "a prompt that its filter stopped",
        {
            "error": {
                "message": f"{PLANT} triggered the filter",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED},
            }
        },
        fails=("content filtered", "prompt"),
        status=400,
    ),
]

OPEN_ROUTER = [
    Shape(
        "OpenRouter",
        "provider, reasoning in two fields, and the reason of the model itself",
        whole(
            {
                "content": SAYS,
                "reasoning": THINKS,
                "reasoning_details": [{"type": "reasoning.text", "text": THINKS, "signature": PLANT}],
            },
            choice={"native_finish_reason": "STOP", "logprobs": None},
            provider=PLANT,
        ),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "OpenRouter",
        "comments between the events",
        events(
            [
                ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
                *(each | {"provider": PLANT} for each in deltas("content", SAYS, role="assistant")),
                ": OPENROUTER PROCESSING\n\n",
                chunk({"content": ""}, "stop", choice={"native_finish_reason": "stop"}),
                chunk({"content": ""}, usage=USAGE | {"cost": 0.1}),
            ]
        ),
        text=SAYS,
        usage=(9, 4),
        streams=True,
    ),
    Shape(
        "OpenRouter",
        "an error beside the choices of a chunk",
        [
            *deltas("content", SAYS),
            chunk({"content": ""}, "error", error={"code": 502, "message": PLANT}, provider="p"),
        ],
        fails=("server error", "endpoint"),
    ),
    Shape(
        "OpenRouter",
        "an error in the choice",
        whole({"content": ""}, "error", choice={"error": {"code": 429, "message": PLANT}}),
        fails=("rate limited", "account"),
        usage=(9, 4),
    ),
    Shape(
        "OpenRouter",
        "an error under status 200",
        {"error": {"code": 402, "message": PLANT, "metadata": {"raw": PLANT}}, "user_id": PLANT},
        fails=("quota", "account"),
    ),
]

GROQ = [
    Shape(
        "Groq",
        "usage in a field of its own, with times",
        [
            chunk({"role": "assistant", "content": ""}, choice={"logprobs": None}, x_groq={"id": "req_1"}),
            *deltas("content", SAYS),
            chunk({}, "stop", x_groq={"id": "req_1", "usage": USAGE | {"queue_time": 0.1}, "note": PLANT}),
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Groq",
        "reasoning, and a service tier that OpenAI has not",
        whole({"content": SAYS, "reasoning": THINKS}, service_tier="on_demand", x_groq={"id": "req_1"}),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Groq",
        "an error as an event",
        events(
            [
                *deltas("content", SAYS),
                'event: error\ndata: {"error":{"message":"failed","type":"invalid_request_error"}}\n\n',
            ],
            done=False,
        ),
        fails=("bad request", "caller"),
        streams=True,
    ),
]

THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": THINKS}]}
MISTRAL = [
    Shape(
        "Mistral",
        "thoughts and text as parts of the content",
        whole({"content": [THOUGHT, {"type": "text", "text": SAYS}], "tool_calls": None, "prefix": False}),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Mistral",
        "thoughts as parts, then text as a string",
        [
            *(
                chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": each}]}]})
                for each in (THINKS[:10], THINKS[10:])
            ),
            chunk({"content": [{"type": "text", "text": SAYS[:8]}]}, p="abcdef"),
            *deltas("content", SAYS[8:]),
            chunk({"content": ""}, "stop", usage=USAGE),
        ],
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Mistral behind a gateway",
        "thoughts as a part, and other thoughts as a field",
        whole({"content": [THOUGHT, {"type": "text", "text": "Oslo."}], "reasoning_content": "Norway."}),
        text="Oslo.",
        reasoning="Norway.",
        usage=(9, 4),
    ),
    Shape(
        "Mistral",
        "an older one sends an empty usage, and a call whole with the reason",
        [
            chunk({"role": "assistant", "content": ""}, usage={}),
            chunk({"content": "", "tool_calls": [without(call(), "type")]}, "tool_calls", usage=USAGE),
        ],
        calls=(FIND,),
        usage=(9, 4),
    ),
    Shape(
        "Mistral",
        "an error with a list of what is wrong",
        {"object": "error", "message": {"detail": [{"msg": PLANT}]}, "type": "invalid_request_error"},
        fails=("bad request", "caller"),
        status=422,
    ),
]

DEEPSEEK = [
    Shape(
        "DeepSeek",
        "empty lines before the answer",
        b"\n\n\n\n" + json.dumps(whole({"content": SAYS, "reasoning_content": THINKS})).encode(),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "DeepSeek",
        "comments that keep the connection, and null for what a delta does not say",
        events(
            [
                ": keep-alive\n\n: keep-alive\n\n",
                *deltas("reasoning_content", THINKS, content=None),
                ": keep-alive\n\n",
                *deltas("content", SAYS, reasoning_content=None),
                chunk({"content": "", "reasoning_content": None}, "stop", usage=USAGE),
            ]
        ),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
        streams=True,
    ),
    Shape(
        "DeepSeek",
        "stopped for want of resources",
        [*deltas("content", SAYS), chunk({}, "insufficient_system_resource")],
        fails=("overloaded", "endpoint"),
    ),
]

XAI = [
    Shape(
        "xAI",
        "thinking is not counted among the completion's tokens",
        whole(
            {"content": SAYS, "reasoning_content": THINKS, "refusal": None},
            usage={
                **USAGE,
                "total_tokens": 113,
                "completion_tokens_details": {"reasoning_tokens": 100},
                "num_sources_used": 0,
            },
            citations=[PLANT],
        ),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 104),
    ),
    Shape(
        "xAI",
        "usage with the last text, and a chunk without choices behind it",
        [*deltas("content", SAYS), chunk({}, "stop", usage=USAGE), {**TICK, "choices": []}],
        text=SAYS,
        usage=(9, 4),
    ),
]

TOGETHER = [
    Shape(
        "Together",
        "a text beside the delta, a seed, and eos",
        [
            *(
                chunk(
                    {"token_id": 7, "role": "assistant", "content": each}, choice={"text": each, "seed": None}
                )
                for each in (SAYS[:8], SAYS[8:])
            ),
            chunk({"content": ""}, "eos", choice={"text": "", "seed": 1}, usage=USAGE),
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Together",
        "log-probabilities in the lists of an older API",
        whole(
            {"content": SAYS, "tool_calls": []},
            "eos",
            choice={"seed": 1, "logprobs": {"tokens": [PLANT], "token_logprobs": [-0.1], "token_ids": [7]}},
            prompt=[],
        ),
        text=SAYS,
        usage=(9, 4),
    ),
]

FIREWORKS = [
    Shape(
        "Fireworks",
        "usage and measures with the reason",
        [
            *deltas("reasoning_content", THINKS),
            *deltas("content", SAYS),
            chunk({}, "stop", usage=USAGE, perf_metrics={"server": PLANT}),
        ],
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Fireworks",
        "the raw text of the model beside the message",
        whole({"content": SAYS}, choice={"raw_output": {"completion": SAYS}, "token_ids": [7]}),
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Fireworks",
        "an error that says that it is one",
        {
            "error": {
                "object": "error",
                "type": "invalid_request_error",
                "code": "NOT_FOUND",
                "message": PLANT,
            }
        },
        fails=("not found", "caller"),
        status=404,
    ),
]

SOURCES = {"citations": [PLANT], "search_results": [{"title": PLANT, "url": PLANT}], "images": [PLANT]}
PERPLEXITY = [
    Shape(
        "Perplexity",
        "sources beside the answer, and a delta in a whole choice",
        whole({"content": SAYS}, choice={"delta": {"role": "assistant", "content": PLANT}}, **SOURCES),
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Perplexity",
        "each chunk tells all that was said so far, and nothing ends the events",
        events(
            [
                *(
                    chunk(
                        {"role": "assistant", "content": SAYS[at : at + 5]},
                        choice={"message": {"role": "assistant", "content": SAYS[: at + 5]}},
                        object="chat.completion",
                        usage=USAGE,
                        **SOURCES,
                    )
                    for at in range(0, len(SAYS), 5)
                ),
                chunk(
                    {"role": "assistant", "content": ""},
                    "stop",
                    choice={"message": {"role": "assistant", "content": SAYS}},
                    object="chat.completion.done",
                    usage=USAGE,
                    **SOURCES,
                ),
            ],
            end="\r\n",
            done=False,
        ),
        text=SAYS,
        usage=(9, 4),
        streams=True,
    ),
    Shape(
        "Perplexity",
        "a page instead of an error",
        f"<html><head><title>401 {PLANT}</title></head></html>".encode(),
        fails=("auth", "account"),
        status=401,
        media="text/html",
    ),
]

COHERE = [
    Shape(
        "Cohere",
        "usage is missing, and a plan beside the calls",
        without(
            whole(
                {"content": None, "tool_plan": f"I look {PLANT} up.", "tool_calls": [call()]}, "tool_calls"
            ),
            "usage",
        ),
        calls=(FIND,),
    ),
    Shape(
        "Cohere",
        "its own words for the end",
        [*deltas("content", SAYS), chunk({}, "COMPLETE", usage=None)],
        text=SAYS,
    ),
    Shape(
        "Cohere",
        "its own word for a limit",
        whole({"content": SAYS}, "MAX_TOKENS"),
        fails=("truncated", "model"),
        usage=(9, 4),
    ),
]

SIGNED = {"google": {"thought_signature": "EjQKMgEM"}}
GEMINI = [
    Shape(
        "Gemini",
        "a call whole in one chunk, without an index, that ends with stop",
        [
            chunk({"role": "assistant", "tool_calls": [call(extra_content=SIGNED)]}),
            chunk({"role": "assistant"}, "stop", usage=USAGE | {"total_tokens": 113}),
        ],
        calls=(FIND,),
        usage=(9, 104),
    ),
    Shape(
        "Gemini",
        "arguments in deltas without an index",
        [
            chunk({"role": "assistant", "tool_calls": [call(ARGUMENTS[:9])]}),
            chunk({"tool_calls": [more(ARGUMENTS[9:])]}, "stop"),
        ],
        calls=(FIND,),
    ),
    Shape(
        "Gemini",
        "two calls without an index",
        [
            chunk({"tool_calls": [call(), call('{"q": "Bergen"}', id="call_2")]}),
            chunk({}, "stop"),
        ],
        calls=(FIND, ("find", {"q": "Bergen"})),
    ),
    Shape(
        "Gemini",
        "thoughts that only the total counts",
        whole(
            {"content": SAYS, "extra_content": {"google": {"thought": PLANT}}},
            usage=USAGE | {"total_tokens": 113},
        ),
        text=SAYS,
        usage=(9, 104),
    ),
    Shape(
        "Gemini",
        "an error in a list",
        [{"error": {"code": 429, "message": PLANT, "status": "RESOURCE_EXHAUSTED"}}],
        fails=("rate limited", "account"),
        status=429,
        streams=False,
    ),
    Shape(
        "Gemini",
        "a finish reason in capitals",
        whole({"content": None}, "SAFETY"),
        fails=("content filtered", "prompt"),
        usage=(9, 4),
    ),
]

GATEWAYS = [
    Shape(
        "Bedrock gateway",
        "no object, no created, and logprobs left out",
        [
            *(without(each, "object", "created") for each in (*deltas("content", SAYS), END)),
            {"id": "chatcmpl-1", "model": "m", "choices": [], "usage": USAGE},
        ],
        text=SAYS,
        usage=(9, 4),
    ),
    Shape(
        "Bedrock",
        "a guardrail's own field, and thoughts in the text",
        whole(
            {"content": f"<reasoning>{THINKS}</reasoning>{SAYS}"},
            **{"amazon-bedrock-guardrailAction": "NONE"},
        ),
        text=f"<reasoning>{THINKS}</reasoning>{SAYS}",
        usage=(9, 4),
    ),
    Shape(
        "Vertex gateway",
        "every chunk says stop",
        [
            each | {"choices": [each["choices"][0] | {"finish_reason": "stop"}]}
            for each in deltas("content", SAYS)
        ],
        text=SAYS,
    ),
    Shape(
        "Moonshot",
        "usage in the choice",
        [*deltas("content", SAYS), chunk({}, "stop", choice={"usage": USAGE})],
        text=SAYS,
        usage=(9, 4),
    ),
]

CLOUDFLARE = [
    Shape(
        "Workers AI",
        "a digit is a number, the reason is missing up to the last chunk, and usage counts up",
        [
            *(
                without(
                    chunk({"content": each}, usage={"prompt_tokens": 0, "completion_tokens": 1}),
                    "finish_reason",
                )
                for each in ("Oslo has ", 7, ".", 5, f" {PLANT}.")
            ),
            chunk({"content": ""}, "stop", usage=USAGE | {"neurons": 0.2}),
        ],
        text=f"Oslo has 7.5 {PLANT}.",
        usage=(9, 4),
    ),
    Shape(
        "Workers AI",
        "a number is all there is",
        whole({"content": 42, "tool_calls": []}),
        text="42",
        usage=(9, 4),
    ),
    Shape(
        "Workers AI",
        "an error in a list beside success",
        {"errors": [{"message": PLANT, "code": 5007}], "success": False, "result": {}, "messages": []},
        fails=("bad request", "caller"),
        status=400,
    ),
]

REASONED = {"type": "reasoning", "summary": [{"type": "summary_text", "text": THINKS, "signature": "EqoB"}]}
DATABRICKS = [
    Shape(
        "Databricks",
        "a summary of the thoughts as a part of the content",
        without(whole({"content": [REASONED, {"type": "text", "text": SAYS}]}), "id"),
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Databricks",
        "the same in chunks, with usage in each",
        [
            chunk({"role": "assistant", "content": [REASONED]}, usage=USAGE),
            chunk({"role": "assistant", "content": [{"type": "text", "text": SAYS}]}, usage=USAGE),
            chunk({"role": "assistant", "content": ""}, "stop", usage=USAGE),
        ],
        text=SAYS,
        reasoning=THINKS,
        usage=(9, 4),
    ),
    Shape(
        "Databricks",
        "an error in two words",
        {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": PLANT},
        fails=("rate limited", "account"),
        status=429,
    ),
]

SHAPES = [
    *(*VLLM, *SGLANG, *TGI, *OLLAMA, *LLAMA_CPP, *LM_STUDIO, *LOCAL_AI, *LITELLM, *AZURE, *OPEN_ROUTER),
    *(*GROQ, *MISTRAL, *DEEPSEEK, *XAI, *TOGETHER, *FIREWORKS, *PERPLEXITY, *COHERE, *GEMINI, *GATEWAYS),
    *(*CLOUDFLARE, *DATABRICKS),
]
