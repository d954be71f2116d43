"""What the settings of a guard come to: valid values, and a plan for the engine."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args

from guardrails_lite._arguments import unknown
from guardrails_lite._engine._plan import HasDigest, Plan
from guardrails_lite._engine._screen import Side
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard._composition import check_composition
from guardrails_lite._rules import Rule, hint_for
from guardrails_lite._targets import Primary, Target, as_target
from guardrails_lite._validators import Validator
from guardrails_lite.reliability import Budget, Retry
from guardrails_lite.sinks import default_sink

if TYPE_CHECKING:
    from guardrails_lite._tools import Toolbox

ToolCalls = Literal["together", "each"]
Accepted = Literal["empty", "refused", "truncated", "unmarked"]


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as a guard keeps them.

    Raises:
        ConfigError: one that cannot work: what, where, what was expected, and the remedy.
    """
    settings = {
        **given,
        "name": _name(given["name"]),
        "input": _rules("input", given["input"]),
        "output": _rules("output", given["output"]),
        "tools": tuple(_listed("tools", given["tools"])),
        "retry": _instance("retry", given["retry"], Retry),
        "fallback": _fallback(given["fallback"]),
        "budget": _instance("budget", given["budget"], Budget),
        "clocks": _loaded("clocks", given["clocks"], "guardrails_lite.reliability"),
        "upstream": _loaded("upstream", given["upstream"], "guardrails_lite.reliability"),
        "hedge": _loaded("hedge", given["hedge"], "guardrails_lite.reliability"),
        "cache": _loaded("cache", given["cache"], "guardrails_lite._engine._cache"),
        "log": _sinks(given["log"]),
        "accept": tuple(_listed("accept", given["accept"])),
    }
    if settings["mode"] not in ("enforce", "monitor"):
        raise ConfigError(f"mode={settings['mode']!r} of Guard must be 'enforce' or 'monitor'")
    if settings["tool_calls"] not in get_args(ToolCalls):
        raise ConfigError(f"tool_calls={settings['tool_calls']!r} of Guard must be 'together' or 'each'")
    others = [each for each in settings["accept"] if each not in get_args(Accepted)]
    if others:
        known = ", ".join(map(repr, get_args(Accepted)))
        raise ConfigError(f"accept={others!r} of Guard: expected some of {known}")
    return settings


def refuse_unknown(
    given: Sequence[object], settings: Mapping[str, object], known: Mapping[str, object]
) -> None:
    """See to it that a guard is made of settings, by their names.

    Raises:
        ConfigError: it is not; with the name that may have been meant.
    """
    for each in given[:1]:
        way = f"name them: Guard(input=[...]), not Guard({_brief(each)})"
        if isinstance(each, (Rule, Validator)):
            way = f"say which side it is for: Guard(input=[{each!r}]) or Guard(output=[{each!r}])"
        elif callable(each):
            way = "make a guard first, and decorate with it: guard = Guard(input=[...]), then @guard"
        raise ConfigError(f"Guard(...) takes settings by name only; {way}")
    for name in settings:
        if name not in known:
            raise ConfigError(unknown("Guard", name, known))


def _brief(value: object) -> str:
    return "[...]" if isinstance(value, (list, tuple)) else f"{type(value).__name__} object"


def _name(name: object) -> str | None:
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"name={name!r} of Guard must be a str")
    return name


def _listed(key: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        one = repr(value) if isinstance(value, str) else getattr(value, "__name__", "...")
        raise ConfigError(f"{key}= of Guard takes a list, not {type(value).__name__}: {key}=[{one}]")
    return list(value)


def _rules(side: str, rules: Any) -> tuple[Rule, ...]:
    if isinstance(rules, (Rule, Validator)):
        raise ConfigError(f"{side}= of Guard takes a list of rules: {side}=[{rules!r}]")
    for rule in (listed := _listed(side, rules)):
        if isinstance(rule, Validator):
            raise ConfigError(
                f"{side}=[{rule!r}]: a validator only finds; say what to do about it: block({rule!r}), "
                f"redact({rule!r}), warn({rule!r})"
            )
        if not isinstance(rule, Rule):
            raise ConfigError(
                f"{side}= of Guard takes rules such as block(...), not {type(rule).__name__}.{hint_for(rule)}"
            )
        if side == "input" and rule.verb == "reask":
            raise ConfigError(
                f"{rule!r} cannot be an input rule: there is no reply to ask again about. "
                "Use block or redact."
            )
    return tuple(listed)


def _instance(key: str, value: Any, kind: type[Any]) -> Any:
    if value is not None and not isinstance(value, kind):
        raise ConfigError(
            f"{key}= of Guard takes a {kind.__name__}, not {type(value).__name__}: {key}={kind.__name__}(...)"
        )
    return value


def _loaded(key: str, value: Any, module: str) -> Any:
    """`_instance`, where the class is loaded only by those who use it: it is called like the setting."""
    return None if value is None else _instance(key, value, getattr(import_module(module), key.capitalize()))


def _fallback(fallback: Any) -> tuple[Target | Primary, ...]:
    if isinstance(fallback, (str, Target)) or not hasattr(fallback, "__iter__"):
        raise ConfigError(
            f"fallback= of Guard takes a list of targets, not {type(fallback).__name__}: "
            f"fallback=[{as_target(fallback)}]"
        )
    targets = _listed("fallback", fallback)
    for place, each in enumerate(targets):
        if not isinstance(each, Target):
            raise ConfigError(
                f"fallback[{place}] of Guard must be target(...), not {type(each).__name__}: "
                f"{as_target(each)}"
            )
        if each.kind == "answer" and place != len(targets) - 1:
            raise ConfigError(
                f"fallback[{place}] is a fixed answer, which never fails, so what follows is never asked. "
                "Put it last."
            )
    return tuple(targets)


def _sinks(log: Any) -> tuple[Any, ...] | None:
    if log is None:
        return None
    sinks = tuple(log) if isinstance(log, (list, tuple)) else (log,)
    for sink in sinks:
        if not callable(sink):
            raise ConfigError(
                f"log= of Guard takes an AuditLog or a callable, not {type(sink).__name__}: "
                "log=AuditLog('audit')"
            )
    return sinks


def plan_of(settings: Mapping[str, Any], guard: HasDigest) -> Plan:
    """The settings prepared for the engine.

    Raises:
        ConfigError: they cannot hold together.
    """
    schema = toolbox = None
    if settings["schema"] is not None:
        from guardrails_lite._schema import Schema

        schema = Schema.of(settings["schema"])
    if settings["tools"]:
        from guardrails_lite._tools import Toolbox

        toolbox = Toolbox.of(settings["tools"])
    enforce = settings["mode"] == "enforce"
    both = [
        tuple(rules if enforce else (replace(rule, mode="monitor") for rule in rules))
        for rules in (settings["input"], settings["output"])
    ]
    sinks = (default_sink,) if settings["log"] is None else settings["log"]
    upstream = settings["upstream"] if enforce else None
    retry, budget = settings["retry"] or Retry(), settings["budget"] or Budget()
    _check_answers(settings["fallback"], schema)
    check_composition(
        retry,
        budget,
        settings["fallback"],
        settings["hedge"] if enforce else None,
        settings["clocks"] if enforce else None,
        tools=toolbox.tools if toolbox is not None else (),
        has_schema=schema is not None,
    )
    return Plan(
        name=settings["name"],
        guard=guard,
        enforce=enforce,
        input=Side("input", both[0]),
        output=Side("output", both[1]),
        schema=schema,
        toolbox=toolbox,
        retry=retry,
        budget=budget,
        fallback=settings["fallback"],
        upstream=upstream,
        cache=settings["cache"] if enforce else None,
        hedge=settings["hedge"] if enforce else None,
        clocks=settings["clocks"] if enforce else None,
        has_clocks=enforce
        and (settings["clocks"] is not None or any(each.clocks is not None for each in settings["fallback"])),
        has_upstreams=enforce
        and (upstream is not None or any(each.upstream is not None for each in settings["fallback"])),
        sinks=sinks,
        intent_sinks=tuple(sink.intent for sink in sinks if hasattr(sink, "intent")),
        accept=frozenset(settings["accept"]),
        captures=any(getattr(sink, "capture", "") in ("redacted", "sealed") for sink in sinks),
        seals=any(hasattr(sink, "sealed") and getattr(sink, "capture", "") == "sealed" for sink in sinks),
        each_call=settings["tool_calls"] == "each",
        effects=next((sink.effects for sink in sinks if toolbox and hasattr(sink, "effects")), None),
        needs_loop=next(_needing_a_loop(both, toolbox if enforce else None), None),
    )


def _needing_a_loop(both: Iterable[Iterable[Rule]], toolbox: Toolbox | None) -> Iterator[str]:
    """What is async and has to be answered before a reply is given out, as it is named in an error."""
    for rules in both:
        yield from (repr(rule) for rule in rules if rule.validator.kind == "async")
    for each in toolbox.tools if toolbox is not None else ():
        if inspect.iscoroutinefunction(each.approve):
            yield f"approve= of tool {each.name!r}"


def _check_answers(fallback: tuple[Target | Primary, ...], schema: Any) -> None:
    for each in fallback:
        if each.kind == "answer" and schema is not None:
            problems = schema.parse(each.subject).problems
            if problems:
                raise ConfigError(
                    f"the fixed answer {each!r} does not fit the schema ({problems[0]}), so it could never "
                    "be returned. Give JSON that fits, or leave it out."
                )
