"""Which tools a request offers, and the verdict on each call that comes back.

A *toolbox* is what the guard declares. What a request *offers* is that together with the request's own
``tools``, ``tool_choice`` and ``parallel_tool_calls``: dicts that come with a request are enforced like
declared tools, and where both name a tool, the call must satisfy both.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Choice, Message, ToolCall
from guardrails_lite._texts import plain
from guardrails_lite._tools._history import History, PastCall
from guardrails_lite._tools._tool import (
    Tool,
    arguments_schema,
    body_of,
    canonical_arguments,
    parameters_schema,
    tool,
)
from guardrails_lite._tools._verdicts import ToolReason, Verdict, reason_of

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema
    from guardrails_lite.schemas.problems import Problem

MOST_CALLS = 128
"""Calls in one turn. More are a model that runs in circles."""
MOST_CUSTOM_CHARS = 1_000_000
"""Characters of free text for one custom tool."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools a guard declares. Make one with `Toolbox.of`."""

    tools: tuple[Tool, ...] = ()

    @classmethod
    def of(cls, declared: Iterable[Any]) -> Toolbox:
        """Collect tools: whatever `tool` takes.

        Raises:
            ConfigError: two have one name, or an `only_after` names a tool that is not among them.
        """
        if isinstance(declared, (str, Mapping, Tool)) or not isinstance(declared, Iterable):
            raise ConfigError(
                f"tools= takes a list of tools, not {type(declared).__name__}. Put it in a list."
            )
        tools = tuple(item if isinstance(item, Tool) else tool(item) for item in declared)
        names = Counter(made.name for made in tools)
        for name, times in names.items():
            if times > 1:
                raise ConfigError(
                    f"tool {name!r} is declared {times} times. Rename one: tool(..., name=...)."
                )
        for made in tools:
            for other in made.only_after:
                if other not in names:
                    raise ConfigError(
                        f"only_after={other!r} of tool {made.name!r} names no declared tool; "
                        f"expected some of {', '.join(sorted(names))}"
                    )
        _refuse_circles(tools)
        return cls(tools)

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """What the provider is sent as ``tools``."""
        return [dict(made.definition) for made in self.tools]

    @property
    def fingerprint(self) -> str:
        """Names these tools and their terms, whatever their order."""
        return "\0".join(sorted(made.fingerprint for made in self.tools))

    def offered(self, params: Mapping[str, Any]) -> Offered:
        """What a request with these parameters offers.

        Raises:
            ConfigError: it uses ``functions``, offers a tool twice, or declares one that cannot be checked.
        """
        for legacy in ("functions", "function_call"):
            if _is_given(params.get(legacy)):
                raise ConfigError(
                    f"{legacy}= is the form from before tool calls, which a guard does not check. "
                    "Pass tools=[{'type': 'function', 'function': {...}}] and tool_choice= instead."
                )
        own = params.get("tools")
        given = _is_given(own)
        if given and (isinstance(own, (str, Mapping)) or not isinstance(own, Iterable)):
            raise ConfigError(f"tools= of the request must be a list of tool dicts, not {type(own).__name__}")
        request_tools = tuple(own) if given else None  # type: ignore[arg-type]  # checked above
        choice = params.get("tool_choice")
        parallel = params.get("parallel_tool_calls")
        return _offered(self, request_tools, choice if _is_given(choice) else None, parallel is not False)

    def __bool__(self) -> bool:
        return bool(self.tools)


def _is_given(value: object) -> bool:
    """Whether a parameter was passed: not None, and not a client's own word for "leave it out"."""
    return value is not None and type(value).__name__ not in ("NotGiven", "Omit")


def _refuse_circles(tools: Sequence[Tool]) -> None:
    after = {made.name: set(made.only_after) for made in tools}
    while free := [name for name, others in after.items() if not others & after.keys()]:
        for name in free:
            del after[name]
    if after:
        raise ConfigError(
            f"only_after of {', '.join(sorted(after))} goes in a circle, so none of them could ever be called"
        )


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one offered name must satisfy."""

    kind: str
    tool: Tool
    also: Schema[Any] | None = None
    """The request's own schema, where the guard declares the tool differently."""


@dataclass(frozen=True, slots=True, repr=False)
class Offered:
    """What one request offers: pure, and shared by the attempts of a call."""

    terms: Mapping[str, _Terms]
    withheld: frozenset[str] = frozenset()
    """Names the guard declares that this request does not offer."""
    allowed: frozenset[str] | None = None
    """Names that ``tool_choice`` leaves; None: all."""
    required: bool = False
    parallel: bool = True
    own: tuple[Any, ...] | None = field(default=None, repr=False)
    """The request's own ``tools``; None when it has none."""
    unchecked: tuple[str, ...] = ()
    """Types of tools that the provider runs itself, so that their calls never come here."""

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __repr__(self) -> str:
        return f"Offered({', '.join(self.terms)})"

    def params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """*params* with the definitions of the guard's tools, where the request has no tools of its own."""
        if self.own is None:
            return {**params, "tools": self.definitions} if self.terms else params
        if params.get("tools") is self.own or isinstance(params.get("tools"), (list, tuple)):
            return params
        return {**params, "tools": list(self.own)}  # an iterator was read, so it would be empty now

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """What the provider is sent for the guard's tools."""
        return [dict(terms.tool.definition) for terms in self.terms.values()]

    def known_prefix(self, name: str) -> bool:
        """Whether *name*, the beginning of a name in a stream, may still become one that may be called."""
        names = self.terms if self.allowed is None else self.allowed & self.terms.keys()
        return any(known.startswith(name) for known in names)

    def required_missing(self, choice: Choice) -> bool:
        """Whether ``tool_choice`` demands a call and *choice* has none. A refusal is no missing call."""
        return self.required and not choice.tool_calls and not choice.refusal

    def check(
        self, calls: Sequence[ToolCall], messages: Sequence[Message], *, ran: Mapping[str, int] | None = None
    ) -> tuple[Verdict, ...]:
        """One verdict for each of the calls of one turn. Nothing is run or asked.

        Args:
            calls: All calls of one choice, in order.
            messages: The conversation before it, without the feedback of refused turns.
            ran: How often each tool has run that the messages do not show.
        """
        turn = _Turn(self, History.of(messages) if messages else _NO_HISTORY, ran or {})
        return tuple(turn.verdict(nth, call) for nth, call in enumerate(calls))

    def check_results(self, messages: Sequence[Message]) -> tuple[Problem, ...]:
        """What is wrong with the tool results in *messages*.

        Each must answer one call of the assistant's message before it, each call must be answered once,
        and a result must be what `Tool.result` says.
        """
        from guardrails_lite.schemas.problems import Problem

        if not any(_is_about_tools(message) for message in messages):
            return ()
        history = History.of(messages)
        problems = [
            *(
                Problem(f"$.messages[{at}]", "a result of a call in the turn before it", "not allowed")
                for at in history.strays
            ),
            *(
                Problem(f"$.messages[{at}]", "one result for each call", "not unique")
                for at in history.repeats
            ),
            *(
                Problem(f"$.messages[{past.message}].tool_calls", "a result for each call", "missing")
                for past in history.unanswered
            ),
        ]
        for past in history.calls:
            terms = self.terms.get(past.name)
            if past.answered_at is not None and terms is not None and terms.tool.result is not None:
                problems += _result_problems(past, terms.tool.result)
        return tuple(problems)


_NO_HISTORY = History((), (), (), -1)


def _is_about_tools(message: Message) -> bool:
    from guardrails_lite._messages import get

    return get(message, "role") == "tool" or bool(get(message, "tool_calls"))


def _result_problems(past: PastCall, schema: Schema[Any]) -> list[Problem]:
    from guardrails_lite._messages import get

    content = past.result
    if isinstance(content, (list, tuple)):
        content = "".join(text for part in content if isinstance(text := get(part, "text"), str))
    value: Any = content
    if isinstance(content, str):
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = content
    problems = schema.check(value)
    if problems and value is not content and not schema.check(content):
        problems = ()  # a text that happens to be JSON, where a text is expected
    where = f"$.messages[{past.answered_at}].content"
    return [replace(problem, path=where + problem.path[1:]) for problem in problems]


class _Turn:
    """The calls of one turn, judged one after another."""

    def __init__(self, offered: Offered, history: History, ran: Mapping[str, int]) -> None:
        self._offered = offered
        self._history = history
        self._ran = ran
        self._ids: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._times: Counter[str] = Counter()

    def verdict(self, nth: int, call: ToolCall) -> Verdict:
        """Say what is wrong with *call*, the *nth* of the turn, or that nothing is."""
        terms = self._offered.terms.get(call.name)
        if terms is None:
            return self._unknown(call)
        place = self._place(nth, call, terms)
        if place is not None:
            return _refuse(call, *place)
        verdict = _arguments(call, terms)
        if not verdict.ok:
            return verdict
        against = self._against(verdict.call, terms.tool)
        if against is not None:
            return replace(_refuse(call, *against), edits=verdict.edits)
        self._times[call.name] += 1
        return replace(verdict, needs_approval=terms.tool.approve is not None)

    def _unknown(self, call: ToolCall) -> Verdict:
        offered = self._offered
        if call.name in offered.withheld:
            return _refuse(call, "not offered", f"a tool of this request: {_listed(offered.terms)}")
        near = _nearest(call.name, list(offered.terms))
        meant = f"{near}, or another tool of this request" if near else "a tool of this request"
        return replace(_refuse(call, "unknown name", f"{meant}: {_listed(offered.terms)}"), near=near)

    def _place(self, nth: int, call: ToolCall, terms: _Terms) -> tuple[ToolReason, str] | None:
        """What is wrong with the call as such, whatever its arguments are."""
        offered = self._offered
        if offered.allowed is not None and call.name not in offered.allowed:
            return (
                "excluded by tool_choice",
                f"one of {_listed(offered.allowed)}" if offered.allowed else "no tool call",
            )
        if call.kind != terms.kind:
            return "wrong type", f"a call of type {terms.kind}"
        if not call.id:
            return "no id", "an id of its own"
        if call.id in self._ids:
            return "duplicate id", "an id of its own"
        self._ids.add(call.id)
        if nth and not offered.parallel:
            return "parallel not allowed", "one tool call in each turn"
        if nth >= MOST_CALLS:
            return "over its limit", f"at most {MOST_CALLS} tool calls in one turn"
        return None

    def _against(self, call: ToolCall, made: Tool) -> tuple[ToolReason, str] | None:
        """What is wrong with a well-formed call in view of the calls around it and of its terms."""
        same = (call.name, canonical_arguments(call.arguments))
        past = self._history.calls
        for earlier in past:
            if earlier.id == call.id and (earlier.name, canonical_arguments(earlier.arguments)) == same:
                return "duplicate id", "an id of its own"
        repeats = same in self._seen or (
            made.effects == "write"
            and any(
                earlier.message > self._history.last_user
                and earlier.name == call.name
                and canonical_arguments(earlier.arguments) == same[1]
                for earlier in past
            )
        )
        self._seen.add(same)
        if repeats and made.effects != "read":
            return "identical repeat", "each call once"
        if made.max_calls is not None:
            told = sum(earlier.name == call.name for earlier in past)
            if max(told, self._ran.get(call.name, 0)) + self._times[call.name] >= made.max_calls:
                return "over its limit", f"at most {made.max_calls} calls of this tool"
        for other in made.only_after:
            returned = any(earlier.name == other and earlier.answered_at is not None for earlier in past)
            if not returned and not self._ran.get(other):
                return "out of order", f"a result of {other} first"
        if made.approve == "deny":
            return "denied", "no call of this tool"
        return None


def _refuse(call: ToolCall, reason: ToolReason, expectation: str) -> Verdict:
    return Verdict(call).refused(reason, expectation)


def _arguments(call: ToolCall, terms: _Terms) -> Verdict:
    if terms.tool.arguments is None:
        if len(call.arguments) > MOST_CUSTOM_CHARS:
            return _refuse(call, "too large", f"at most {MOST_CUSTOM_CHARS} characters")
        return Verdict(replace(call, value=call.arguments, tool=terms.tool))
    parsed = terms.tool.arguments.parse_arguments(call.arguments)
    problems = parsed.problems
    if not problems and terms.also is not None:
        problems = terms.also.check(parsed.json)
    if problems:
        return Verdict(call, reason_of(problems), problems, parsed.edits)
    text = call.arguments
    if parsed.repaired:
        text = json.dumps(parsed.json, ensure_ascii=False, separators=(",", ":"))
    return Verdict(replace(call, arguments=text, value=parsed.value, tool=terms.tool), edits=parsed.edits)


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:20]) + (", ..." if len(shown) > 20 else "") if shown else "it has none"


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that *name* was meant to be, if one is close: another spelling, a prefix too many, a typo."""
    if not name or len(name) > 100:
        return None
    plain_name = _folded(name)
    folded = {_folded(known): known for known in names}
    if plain_name in folded:
        return folded[plain_name]
    last = _folded(name.replace(":", ".").replace("/", ".").rsplit(".", 1)[-1])
    if last in folded:
        return folded[last]
    close = difflib.get_close_matches(plain_name, list(folded), n=1, cutoff=0.75)
    return folded[close[0]] if close else None


def _folded(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


# What a request offers


def _offered(box: Toolbox, own: tuple[Any, ...] | None, choice: Any, parallel: bool) -> Offered:
    unchecked: list[str] = []
    if own is None:
        terms = {made.name: _Terms(made.kind, made) for made in box.tools}
    else:
        terms = {}
        declared = {made.name: made for made in box.tools}
        for item in own:
            definition = plain(item)
            kind, body = body_of(definition)
            if kind not in ("function", "custom"):
                unchecked.append(kind)
                continue
            name = body.get("name")
            if not isinstance(name, str) or not name:
                raise ConfigError("a tool of the request has no name: expected {'function': {'name': ...}}")
            if name in terms:
                raise ConfigError(f"the request offers tool {name!r} twice. Rename one of them.")
            terms[name] = _terms_of(kind, name, body, declared.get(name))
    allowed, required = _choice(choice)
    if allowed is not None and (missing := sorted(allowed - terms.keys())):
        raise ConfigError(
            f"tool_choice names {missing[0]!r}, which is not offered; expected one of {_listed(terms)}"
        )
    return Offered(
        terms=terms,
        withheld=frozenset(made.name for made in box.tools if made.name not in terms),
        allowed=allowed,
        required=required,
        parallel=parallel,
        own=own,
        unchecked=tuple(unchecked),
    )


def _terms_of(kind: str, name: str, body: Mapping[str, Any], declared: Tool | None) -> _Terms:
    if declared is not None and declared.kind != kind:
        raise ConfigError(
            f"tool {name!r} is {declared.kind!r} on the guard and {kind!r} in the request. Make them agree."
        )
    schema = None
    if kind == "function":
        schema = _schema_of(name, json.dumps(parameters_schema(body, name), sort_keys=True, default=repr))
    if declared is None:
        definition = {"type": kind, kind: dict(body)}
        return _Terms(kind, Tool(name, definition, None, schema, declared=definition))
    ours = declared.definition[kind].get("parameters")
    return _Terms(kind, declared, None if ours == body.get("parameters") else schema)


@functools.lru_cache(maxsize=256)
def _schema_of(name: str, text: str) -> Schema[Any]:
    """The compiled schema of a request's tool; requests repeat their tools, so the newest are kept."""
    return arguments_schema(name, json.loads(text))


def _choice(choice: Any) -> tuple[frozenset[str] | None, bool]:
    """The names that ``tool_choice`` leaves, and whether one must be called."""
    if choice is None or isinstance(choice, str):
        return (frozenset(), False) if choice == "none" else (None, choice in ("required", "any"))
    fields = plain(choice)
    kind = fields.get("type")
    if kind == "allowed_tools":
        body = plain(fields.get("allowed_tools") or fields)
        names = [_choice(item)[0] or frozenset() for item in body.get("tools") or ()]
        return frozenset().union(*names), body.get("mode") == "required"
    inner = fields.get(kind) if isinstance(kind, str) else None
    name = plain(inner).get("name") if inner is not None else fields.get("name")
    return (frozenset({name}), True) if isinstance(name, str) else (None, False)
