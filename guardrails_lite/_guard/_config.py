"""A guard's settings as others may read them: names, kinds, numbers and choices; texts are counted only.

What is told is what the guard decides by, so two guards whose settings read alike here, and withhold alike,
have one digest. Where records go is no part of it; for how long a kept reply may answer is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._policy import Policy, canonical, policy_of
from guardrails_lite._rules import Rule
from guardrails_lite._targets import Primary, Target
from guardrails_lite._validators import amount_of, name_of
from guardrails_lite.reliability import PRICES, PRICES_DATE, Budget, Retry

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema
    from guardrails_lite._tools import Tool

VERSION: Final = 2
"""Of what is told; 1 told nothing."""
_LONGEST: Final = 4_096
"""Bytes of a JSON Schema's outline; of a longer one only the size is told."""

_KEPT: Final = frozenset(
    {
        *("type", "format", "required", "additionalProperties", "unevaluatedProperties", "uniqueItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "$ref"),
    }
)
"""Keywords of JSON Schema that say what is allowed in names and numbers."""
_NAMED: Final = frozenset({"properties", "$defs", "definitions"})
"""Keywords with a schema for each name."""
_INNER: Final = frozenset(
    {"items", "prefixItems", "contains", "anyOf", "oneOf", "allOf", "not", "if", "then", "else"}
)
"""Keywords with one schema or a list of them."""
_COUNTED: Final = frozenset({"enum", "const", "pattern", "patternProperties", "propertyNames"})
"""Keywords that hold texts."""


def policy_from(settings: Mapping[str, Any]) -> Policy:
    """What a guard with these settings decides by."""
    telling = _Telling()
    config: dict[str, Any] = {"version": VERSION}
    for side in ("input", "output"):
        config[side] = [telling.rule(f"/{side}/{at}", rule) for at, rule in enumerate(settings[side])]
    config["schema"] = None
    if settings["schema"] is not None:
        from guardrails_lite._schema import Schema

        config["schema"] = telling.schema("/schema", Schema.of(settings["schema"]))
    tools: Iterable[Tool] = ()
    if settings["tools"]:
        from guardrails_lite._tools import Toolbox

        tools = sorted(Toolbox.of(settings["tools"]).tools, key=lambda each: each.name)
    config["tools"] = [telling.tool(f"/tools/{at}", each) for at, each in enumerate(tools)]
    config["tool_calls"] = settings["tool_calls"]
    config["retry"] = telling.settings("/retry", settings["retry"] or Retry())
    config["fallback"] = [
        telling.target(f"/fallback/{at}", each) for at, each in enumerate(settings["fallback"])
    ]
    config["budget"] = telling.settings("/budget", settings["budget"] or Budget())
    config["price_table"] = _price_table()
    for key in ("clocks", "upstream", "hedge", "cache"):
        config[key] = None if settings[key] is None else telling.settings(f"/{key}", settings[key])
    config["accept"] = sorted(settings["accept"])
    config["mode"] = settings["mode"]
    return policy_of(config, telling.withheld, telling.code)


def _price_table() -> dict[str, Any]:
    """What models cost that `Budget.prices` does not name, so that whoever has a record knows its prices."""
    prices = {
        name: [price.input_usd, price.cached_usd, price.output_usd] for name, price in sorted(PRICES.items())
    }
    return {"date": PRICES_DATE, "source": "built in, from memory", "input_cached_output_usd": prices}


class _Telling:
    """What has been told so far, and what has not."""

    def __init__(self) -> None:
        self.withheld: dict[str, str] = {}
        self.code: list[str] = []

    def withhold(self, place: str, value: object) -> object:
        """Keep *value* back, and say how much it is."""
        self.withheld[place] = canonical(_plain(value)).decode()
        return amount_of(value)

    def rule(self, place: str, rule: Rule) -> dict[str, Any]:
        finder = rule.validator
        self.code.append(finder.fingerprint)
        for name, value in (finder.private or {}).items():
            self.withhold(f"{place}/params/{name}", value)
        return {
            "verb": rule.verb,
            "validator": finder.name,
            "params": _plain(finder.params_told),
            "version": finder.version,
            "kind": finder.kind,
            "window": finder.window,
            "roles": None if rule.roles is None else sorted(rule.roles),
            "on_error": rule.on_error,
            "timeout_s": rule.timeout_s,
            "mode": rule.mode,
            "share": rule.share,
        }

    def schema(self, place: str, schema: Schema[Any]) -> dict[str, Any]:
        self.code.append(schema.fingerprint)
        fields = [
            {"path": one.path, **self.rule(f"{place}/fields/{at}", one.rule)}
            for at, one in enumerate(schema.field_rules)
        ]
        return {"name": schema.name, "fields": fields, **_outlined(schema.json_schema)}

    def tool(self, place: str, tool: Tool) -> dict[str, Any]:
        self.code.append(tool.fingerprint)
        result = tool.result
        for at, schema in (("arguments", tool.arguments), ("result", result)):
            for number, one in enumerate(schema.field_rules if schema is not None else ()):
                self.rule(f"{place}/{at}/fields/{number}", one.rule)
        return {
            "name": tool.name,
            "kind": tool.kind,
            "effects": tool.effects,
            "untrusted": tool.untrusted,
            "approve": tool.approve if isinstance(tool.approve, str) else _plain(tool.approve),
            "approve_timeout_s": tool.approve_timeout_s,
            "max_calls": tool.max_calls,
            "only_after": sorted(tool.only_after),
            "arguments": None if tool.arguments is None else _outlined(tool.arguments.json_schema),
            "result": None if result is None else _outlined(result.json_schema),
        }

    def target(self, place: str, target: Target | Primary) -> dict[str, Any]:
        assert isinstance(target, Target)
        told: dict[str, Any] = {"kind": target.kind, "name": target.name, "on": target.on}
        if target.kind == "answer":
            told["answer"] = self.withhold(f"{place}/answer", target.subject)
        told["overrides"] = {
            name: value
            if name == "model" or _is_number(value)
            else self.withhold(f"{place}/overrides/{name}", value)
            for name, value in sorted(target.overrides.items())
        }
        for name in ("can", "upstream", "clocks"):
            value = getattr(target, name)
            told[name] = None if value is None else self.settings(f"{place}/{name}", value)
        return told

    def settings(self, place: str, value: Any) -> dict[str, Any]:
        """A settings object of this library, default values included."""
        told: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            if not field.init:
                continue
            held = getattr(value, field.name)
            if dataclasses.is_dataclass(held):
                told[field.name] = self.settings(f"{place}/{field.name}", held)
            elif isinstance(held, Mapping):
                told[field.name] = self._mapping(f"{place}/{field.name}", held)
            else:
                told[field.name] = _plain(held)
        return told

    def _mapping(self, place: str, held: Mapping[str, Any]) -> object:
        if all(dataclasses.is_dataclass(each) for each in held.values()):  # by the names of models
            return {name: self.settings(f"{place}/{name}", each) for name, each in sorted(held.items())}
        return self.withhold(place, held)  # by the names of those who call


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (bool, int, float)) and math.isfinite(value))


def _plain(value: Any) -> Any:
    """*value* as JSON has it. What JSON has not is named, for a repr may hold anything."""
    if isinstance(value, str) or _is_number(value):
        return value
    if isinstance(value, float):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(each) for each in value), key=str)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    from guardrails_lite.reliability._tenacity import as_code, is_stop, is_wait

    return as_code(value) if is_wait(value) or is_stop(value) else name_of(value)


def _outlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    outline = _outline(schema)
    size = len(canonical(outline))
    return {"json_schema": outline if size <= _LONGEST else None, "bytes": size}


def _outline(schema: Any) -> Any:
    """A JSON Schema without its texts: of values that it lists it is told how many."""
    if isinstance(schema, list):
        return [_outline(each) for each in schema]
    if not isinstance(schema, Mapping):
        return _plain(schema)
    told: dict[str, Any] = {}
    for key, value in sorted(schema.items()):
        if key in _NAMED and isinstance(value, Mapping):
            told[key] = {name: _outline(each) for name, each in sorted(value.items())}
        elif key in _INNER:
            told[key] = _outline(value)
        elif key in _KEPT:
            told[key] = _outline(value) if isinstance(value, Mapping) else _plain(value)
        elif key in _COUNTED:
            told[key] = amount_of(value)
    return told
