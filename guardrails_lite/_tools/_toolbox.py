"""Which tools a request offers, and the verdict on each call that comes back.

A *toolbox* is what the guard declares. What a request *offers* is that together with the request's own
``tools``, ``tool_choice`` and ``parallel_tool_calls``: dicts that come with a request are enforced like
declared tools, and where both name a tool, the call must satisfy both.
"""

from __future__ import annotations

import copy
import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Choice, Message, ToolCall
from guardrails_lite._messages._params import content_of, is_given
from guardrails_lite._messages._paths import PathOf, path_of
from guardrails_lite._messages._texts import plain
from guardrails_lite._nesting import loads
from guardrails_lite._tools._declare import arguments_schema, body_of, parameters_schema, tool
from guardrails_lite._tools._history import History, PastCall
from guardrails_lite._tools._tool import Tool
from guardrails_lite._tools._turn import Terms, Turn, listed
from guardrails_lite._tools._verdicts import Verdict

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema
    from guardrails_lite.schemas.problems import Problem

MOST_REQUESTS = 64
"""Different sets of tools that are remembered."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools a guard declares. Make one with `Toolbox.of`."""

    tools: tuple[Tool, ...] = ()
    _seen: _Requests = field(default_factory=lambda: _Requests(), repr=False, compare=False)
    """What recent requests offered, since requests repeat their tools."""

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
        if not tools:
            return _EMPTY
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
    def described(self) -> list[Mapping[str, Any]]:
        """The definitions that were given as dicts, a tool server's maybe; for code of one's own ``{}``."""
        return [made.definition if isinstance(made.declared, Mapping) else {} for made in self.tools]

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
            if is_given(params.get(legacy)):
                raise ConfigError(
                    f"{legacy}= is the format from before tool calls, which a guard does not check. "
                    "Pass tools=[{'type': 'function', 'function': {...}}] and tool_choice= instead."
                )
        own = params.get("tools")
        given = is_given(own)
        if given and (isinstance(own, (str, Mapping)) or not isinstance(own, Iterable)):
            raise ConfigError(f"tools= of the request must be a list of tool dicts, not {type(own).__name__}")
        own = tuple(own) if given else None  # type: ignore[arg-type]  # checked above
        choice = params.get("tool_choice") if is_given(params.get("tool_choice")) else None
        parallel = params.get("parallel_tool_calls") is not False
        key = content_of(own, choice, parallel)
        if key is not None and (known := self._seen.get(key)) is not None:
            return known
        offered = _offered(self, copy.deepcopy(own), choice, parallel)
        if key is not None:
            self._seen.put(key, offered)
        return offered

    def __bool__(self) -> bool:
        return bool(self.tools)


class _Requests:
    """The newest things offered, by the content of the request."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[bytes, Offered] = {}

    def get(self, key: bytes) -> Offered | None:
        return self._found.get(key)

    def put(self, key: bytes, offered: Offered) -> None:
        if len(self._found) >= MOST_REQUESTS:
            self._found = {}
        self._found[key] = offered

    def __len__(self) -> int:
        return len(self._found)


_EMPTY = Toolbox()


def _refuse_circles(tools: Sequence[Tool]) -> None:
    after = {made.name: set(made.only_after) for made in tools}
    while free := [name for name, others in after.items() if not others & after.keys()]:
        for name in free:
            del after[name]
    if after:
        raise ConfigError(
            f"only_after of {', '.join(sorted(after))} goes in a circle, so none of them could ever be called"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Offered:
    """What one request offers: pure, and shared by the attempts of a call."""

    terms: Mapping[str, Terms]
    results: Mapping[str, Schema[Any]] = field(default_factory=dict)
    """What tools return that the guard declares, whether this request offers them or not."""
    withheld: frozenset[str] = frozenset()
    """Names the guard declares that this request does not offer."""
    allowed: frozenset[str] | None = None
    """Names that ``tool_choice`` leaves; None: all."""
    required: bool = False
    parallel: bool = True
    own: tuple[Any, ...] | None = field(default=None, repr=False)
    """The request's own ``tools``; None when it has none."""
    untrusted: frozenset[str] = frozenset()
    """Names of the guard's tools whose results are written by strangers."""
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
            messages: The conversation before it.
            ran: How often each tool has run that the messages do not show.
        """
        history = History.of(messages) if messages else _NO_HISTORY
        turn = Turn(self, history, ran or {}, len(calls), messages)
        return tuple(turn.verdict(nth, call) for nth, call in enumerate(calls))

    def check_begun(
        self,
        calls: Sequence[ToolCall],
        begun: ToolCall,
        problems: tuple[Problem, ...],
        messages: Sequence[Message],
    ) -> tuple[Verdict, ...]:
        """The verdicts on a turn that is refused before it is whole.

        Args:
            calls: The calls that are whole.
            begun: The call for which it is refused, as far as it has come.
            problems: What is wrong with its arguments; nothing where its name is.
            messages: The conversation before it.
        """
        turn = Turn(self, History.of(messages) if messages else _NO_HISTORY, {}, len(calls) + 1)
        whole = [turn.verdict(nth, call) for nth, call in enumerate(calls)]
        return (*whole, turn.verdict_on_begun(len(calls), begun, problems))

    def check_results(self, messages: Sequence[Message], path_of: PathOf = path_of) -> tuple[Problem, ...]:
        """What is wrong with the tool results in *messages*, each named by *path_of* its place.

        Each must answer one call of the assistant's message before it, each call must be answered once,
        and a result must be what `Tool.result` says.
        """
        from guardrails_lite.schemas.problems import Problem

        if not any(_is_about_tools(message) for message in messages):
            return ()
        history = History.of(messages)
        problems = [
            *(
                Problem(f"$.{path_of(at, ())}", "a result of a call in the turn before it", "not allowed")
                for at in history.strays
            ),
            *(
                Problem(f"$.{path_of(at, ())}", "one result for each call", "not unique")
                for at in history.repeats
            ),
            *(
                Problem(f"$.{path_of(past.message, ('tool_calls',))}", "a result for each call", "missing")
                for past in history.unanswered
            ),
        ]
        for past in history.calls:
            if past.answered_at is not None and (schema := self.results.get(past.name)) is not None:
                where = f"$.{path_of(past.answered_at, ('content',))}"
                problems += [
                    replace(problem, path=where + problem.path[1:])
                    for problem in _result_problems(past, schema)
                ]
        return tuple(problems)


_NO_HISTORY = History((), (), (), (), -1)


def _is_about_tools(message: Message) -> bool:
    from guardrails_lite._messages import get
    from guardrails_lite._messages._blocks import holds_tools

    return get(message, "role") == "tool" or bool(get(message, "tool_calls")) or holds_tools(message)


def _result_problems(past: PastCall, schema: Schema[Any]) -> Sequence[Problem]:
    from guardrails_lite._messages import get

    content = past.result
    if isinstance(content, (list, tuple)):
        content = "".join(text for part in content if isinstance(text := get(part, "text"), str))
    value: Any = content
    if isinstance(content, str):
        try:
            value = loads(content)
        except (ValueError, RecursionError):
            value = content
    problems = schema.check(value)
    if problems and value is not content and not schema.check(content):
        return ()  # a text that happens to be JSON, where a text is expected
    return problems


# What a request offers


def _offered(box: Toolbox, own: tuple[Any, ...] | None, choice: Any, parallel: bool) -> Offered:
    unchecked: list[str] = []
    if own is None:
        terms = {made.name: Terms(made.kind, made) for made in box.tools}
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
            f"tool_choice names {missing[0]!r}, which is not offered; expected one of {listed(terms)}"
        )
    return Offered(
        terms=terms,
        results={made.name: made.result for made in box.tools if made.result is not None},
        withheld=frozenset(made.name for made in box.tools if made.name not in terms),
        untrusted=frozenset(made.name for made in box.tools if made.untrusted),
        allowed=allowed,
        required=required,
        parallel=parallel,
        own=own,
        unchecked=tuple(unchecked),
    )


def _terms_of(kind: str, name: str, body: Mapping[str, Any], declared: Tool | None) -> Terms:
    if declared is not None and declared.kind != kind:
        raise ConfigError(
            f"tool {name!r} is {declared.kind!r} on the guard and {kind!r} in the request. Make them agree."
        )
    schema = None
    if kind == "function":
        schema = _schema_of(name, json.dumps(parameters_schema(body, name), sort_keys=True, default=repr))
    if declared is None:
        definition = {"type": kind, kind: dict(body)}
        return Terms(kind, Tool(name, definition, None, schema, declared=definition))
    ours = declared.definition[kind].get("parameters")
    return Terms(kind, declared, None if ours == body.get("parameters") else schema)


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
