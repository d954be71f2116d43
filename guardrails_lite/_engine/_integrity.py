"""Is this reply whole? The evidence, weighed before any check or repair.

A reply counts only with positive evidence that the model finished it: a finish reason that says so, an end
of the stream that was marked, or a function that returned a plain string. What has none was cut by the
transport and is asked for again; what was cut, filtered or refused by the provider is said to be so, and
never accepted because it happens to parse.

===========================================  ==================  ======================================
evidence                                     verdict             may be accepted with
===========================================  ==================  ======================================
an error object under status 200             by its code
``choices`` missing, null or empty           empty reply
fewer choices than asked for, or one twice   malformed reply
a page or a bare string from a client        malformed reply
finish reason of a filter                    content filtered
a call in the form from before tool calls    malformed reply
a refusal                                    refused             ``refused``
finish reason of a limit                     truncated           ``truncated``, text without a schema
finish reason of a fault                     by its word
no finish reason                             malformed reply,    ``unmarked``, unless the text looks cut
                                             stream interrupted
``message`` missing or null                  malformed reply
``tool_calls`` announced, none there         malformed reply
tool-call markup left in the text            malformed reply
an object or array that is not closed        malformed reply
text with lone surrogates                    malformed reply
nothing in it                                empty reply         ``empty``
===========================================  ==================  ======================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from guardrails_lite._messages import Choice, Reply, get
from guardrails_lite.reliability._classify import classify_body_error
from guardrails_lite.reliability._failure import Failure, Kind

_FINISHED = frozenset({"stop", "tool_calls", "function_call", "end_turn", "stop_sequence", "tool_use", "eos"})
_ENDINGS: Mapping[str, Kind] = {
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "incomplete"), "truncated"),
    **dict.fromkeys(("content_filter", "content_filtered", "safety", "recitation"), "content filtered"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "sensitive"), "content filtered"),
    **dict.fromkeys(("guardrail_intervened", "image_safety"), "content filtered"),
    "refusal": "refused",
    **dict.fromkeys(("insufficient_system_resource", "overloaded"), "overloaded"),
    **dict.fromkeys(("error", "failed", "server_error", "internal_error", "network_error"), "server error"),
    **dict.fromkeys(("timeout", "time_limit"), "timeout"),
    **dict.fromkeys(("malformed_function_call", "unexpected_tool_call"), "malformed reply"),
    **dict.fromkeys(("abort", "aborted", "cancelled", "in_progress", "queued"), "malformed reply"),
}
"""What the words mean that providers use besides the documented ones. Others are taken as an end."""

LEGACY_CALL = "function_call"
"""What the record says of a reply with a call that cannot be checked."""

_CALLS_ANNOUNCED = frozenset({"tool_calls", "tool_use", "function_call"})
_TOOL_MARKUP = re.compile(
    r"<tool_calls?>|<function_calls?>|<function=|<tool_use>|<\|tool[_▁]calls?|<｜tool▁calls?|\[TOOL_CALLS\]"
    r"|<\|python_tag\|>|<\|channel\|>commentary"
)
"""What a call begins with that the server has not taken out of the text."""
_CALL_IN_PROSE = re.compile(
    rf"(?:^|[\s.:!?])(?:{_TOOL_MARKUP.pattern})(?:\sto=)?[\w.|>-]{{0,64}}\s{{0,8}}[\[{{<]"
)
"""The same behind other words. What follows tells it from a text about such calls."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
"""Code in Markdown, in which a text shows what a call looks like."""
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|["\[\]{}]', re.DOTALL)


def judge(
    reply: Reply,
    *,
    wants_tools: bool = False,
    accept: frozenset[str] = frozenset(),
    wants_json: bool = False,
    n: int = 1,
    from_client: bool = False,
) -> Failure | None:
    """Say what keeps *reply* from being whole; None when nothing does.

    Args:
        reply: What came back, read.
        wants_tools: Tools were offered, so that their calls must not come as text.
        accept: Endings that are values to this application: ``"empty"``, ``"refused"``, ``"truncated"``,
            and ``"unmarked"`` for a provider that sends no finish reason.
        wants_json: A schema was declared, so the text must be closed.
        n: How many choices the request asked for.
        from_client: A client of an API returned it, so that a bare string is a page and no answer.
    """
    raw = reply.raw
    if isinstance(raw, str):
        if raw and not (from_client or wants_json or wants_tools) and raw.isascii() and not raw.isspace():
            return None  # a function's own text: nothing can vouch for it but itself
        if from_client:
            return _failure("malformed reply")
    elif raw is not None and (error := get(raw, "error")):
        return replace(classify_body_error({"error": error}), maybe_billed=True)
    choices = reply.choices
    if not choices:
        return _failure("empty reply")
    if len(choices) < n or (len(choices) > 1 and len({choice.index for choice in choices}) < len(choices)):
        return _failure("malformed reply")
    for nth, choice in enumerate(choices):
        failure = _judge_choice(reply, nth, choice, wants_tools, accept, wants_json)
        if failure is not None:
            return failure
    return None


def is_unmarked(reply: Reply) -> bool:
    """Whether nothing says of some choice that the model has finished it."""
    if reply.complete is True or isinstance(reply.raw, str):
        return False
    return any(not choice.finish_reason for choice in reply.choices)


def _judge_choice(
    reply: Reply, nth: int, choice: Choice, wants_tools: bool, accept: frozenset[str], wants_json: bool
) -> Failure | None:
    if choice.legacy_call:
        return replace(_failure("malformed reply"), action="fail", error_type=LEGACY_CALL)
    word = choice.finish_reason
    ending: Kind | None = None
    if word is not None and word not in _FINISHED:
        word = word.strip().lower()
        ending = _ENDINGS.get(word)
    if ending == "content filtered":
        return _failure(ending)
    if choice.refusal or ending == "refused":
        return None if "refused" in accept else _failure("refused")
    text = choice.text or ""
    if ending == "truncated":
        may_be_cut = "truncated" in accept and not wants_json and not choice.tool_calls
        return None if may_be_cut else _failure(ending)
    if ending is not None:
        error = get(_raw_choice(reply, nth), "error")
        return classify_body_error({"error": error}) if error else _failure(ending)
    if not word and reply.complete is not True and not isinstance(reply.raw, str):
        kind: Kind = "stream interrupted" if reply.complete is False else "malformed reply"
        failure = _unmarked(accept, kind, choice, text, wants_json)
        if failure is not None:
            return failure
    if not text.isascii() and not _is_text(text):
        return _failure("malformed reply")
    if choice.tool_calls:
        return None
    if word in _CALLS_ANNOUNCED and not _holds_more(reply, nth):
        return _failure("malformed reply")
    if not text or text.isspace():
        if "empty" in accept or _holds_more(reply, nth):
            return None
        return _failure("malformed reply" if _message_is_missing(reply, nth) else "empty reply")
    if wants_tools and _is_call(text):
        return _failure("malformed reply")
    if wants_json and _is_open(text):
        return _failure("malformed reply")
    return None


def _unmarked(
    accept: frozenset[str], kind: Kind, choice: Choice, text: str, wants_json: bool
) -> Failure | None:
    if "unmarked" in accept and not choice.tool_calls:
        # A number at the very end may be the beginning of a longer one, a bare word of a longer text.
        looks_cut = wants_json and (_is_open(text) or text.rstrip()[-1:] not in ("}", "]", '"', "`"))
        if not looks_cut:
            return None
    # Whether anything was released, so that asking again is too late, is the engine's to know.
    return replace(_failure(kind), action="retry")


def _failure(kind: Kind) -> Failure:
    return Failure.of(kind, maybe_billed=True)


def _raw_choice(reply: Reply, nth: int) -> Any:
    choices = get(reply.raw, "choices")
    return choices[nth] if isinstance(choices, (list, tuple)) and nth < len(choices) else None


def _message_is_missing(reply: Reply, nth: int) -> bool:
    choice = _raw_choice(reply, nth)
    return choice is not None and get(choice, "message") is None


def _holds_more(reply: Reply, nth: int) -> bool:
    """Whether the message holds an answer of another kind: speech."""
    return bool(get(get(_raw_choice(reply, nth), "message"), "audio"))


def _is_call(text: str) -> bool:
    """Whether *text* has a call in it that the server should have taken out."""
    if "<" not in text and "[TOOL_CALLS]" not in text:
        return False
    return bool(_TOOL_MARKUP.match(text.lstrip()) or _CALL_IN_PROSE.search(_CODE.sub("", text)))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_open(text: str) -> bool:
    """Whether *text* begins an object or array that it does not close."""
    text = text.strip()
    if text.startswith("```"):
        text = text[3:].partition("\n")[2]
    if not text.startswith(("{", "[")):
        return False
    if text[-1] in "}]" and text.count("{") == text.count("}") and text.count("[") == text.count("]"):
        return False  # as good as sure, and the schema looks again
    depth = 0
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token == '"':
            return True  # a string that does not end
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
            if depth <= 0:
                return False
    return True
