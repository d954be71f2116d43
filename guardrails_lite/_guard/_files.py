"""Guards in files: TOML, or YAML with the extra ``yaml``.

::

    name = "support"
    mode = "enforce"                      # or "monitor"
    log = "audit"                         # a directory: an AuditLog

    [[input]]
    redact = "pii"                        # verb = validator, by its entry point
    entities = ["EMAIL_ADDRESS"]          # arguments of the validator

    [[input]]
    block = "injection"
    on_error = "open"                     # options of the rule: roles, on_error, timeout_s, mode, share

    [schema]                              # a JSON Schema

    [retry]
    attempts = 4

    [budget]
    deadline_s = 20

    [clocks]
    first_content_s = 8                   # and connect_s, between_content_s, …

    [upstream]
    limits = {rpm = 500}                  # and breaker, retries; false: none
    store = {path = "upstream.db"}        # or {url = "redis://localhost"}; workers = 4

    [hedge]
    after_s = 0.8                         # and max_share; for wrapped clients and async functions

    [cache]
    ttl_s = 600                           # and entries; for wrapped clients

    [[fallback]]
    model = "gpt-5-mini"                  # overrides of the request; or answer = "Sorry, try later."
    can = {context = 8192}                # what it can take
"""

from __future__ import annotations

import functools
import inspect
import os
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from guardrails_lite import _rules
from guardrails_lite._arguments import unknown as no_setting
from guardrails_lite._capabilities import Capabilities
from guardrails_lite._engine._cache import Cache
from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite._plugins import load, parameters
from guardrails_lite._rules import Rule
from guardrails_lite._targets import Target, target
from guardrails_lite.reliability import Budget, Retry

_VERBS: Mapping[str, Callable[..., Rule]] = {
    "block": _rules.block,
    "redact": _rules.redact,
    "reask": _rules.reask,
    "fall_back": _rules.fall_back,
    "warn": _rules.warn,
}
_RULE_OPTIONS = ("roles", "on_error", "timeout_s", "mode", "share")
_IN_A_FILE = "{!r}"
_KEYS = (
    *("name", "mode", "log", "accept", "input", "output", "schema", "tool_calls"),
    *("retry", "budget", "clocks", "upstream", "hedge", "cache", "fallback"),
)


def settings_from_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arguments of `Guard` that a file describes.

    Raises:
        ConfigError: it cannot be read, or says something that cannot work; with the place.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(
            f"Guard.from_file(...) takes the path of a TOML or YAML file, not {type(path).__name__}"
        )
    file = Path(path)
    told = _read(file)
    others = [key for key in told if key not in _KEYS]
    if "tools" in others:
        raise ConfigError(
            f"{file}: tools are functions, so a file has none: Guard.from_file(...) | Guard(tools=[...])"
        )
    if others:
        raise ConfigError(f"{file}: {no_setting('a guard', others[0], _KEYS, form=_IN_A_FILE)}")
    as_they_are = ("name", "mode", "accept", "schema", "tool_calls")
    settings: dict[str, Any] = {key: told[key] for key in as_they_are if key in told}
    for side in ("input", "output"):
        settings[side] = [
            _rule(file, f"{side}[{place}]", each) for place, each in enumerate(_list(file, told, side))
        ]
    settings["fallback"] = [
        _target(file, f"fallback[{place}]", each) for place, each in enumerate(_list(file, told, "fallback"))
    ]
    if "retry" in told:
        settings["retry"] = _made(file, "retry", Retry, told["retry"])
    if "budget" in told:
        settings["budget"] = _made(file, "budget", Budget, told["budget"])
    if "cache" in told:
        settings["cache"] = _made(file, "cache", Cache, told["cache"])
    if "clocks" in told:
        from guardrails_lite.reliability import Clocks

        settings["clocks"] = _made(file, "clocks", Clocks, told["clocks"])
    if "hedge" in told:
        from guardrails_lite.reliability import Hedge

        settings["hedge"] = _made(file, "hedge", Hedge, told["hedge"])
    if "upstream" in told:
        settings["upstream"] = _upstream(file, "upstream", told["upstream"])
    if "log" in told:
        settings["log"] = _log(file, told["log"])
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    if file.suffix in (".yaml", ".yml"):
        told = _yaml(file, data)
    elif file.suffix == ".toml":
        try:
            told = tomllib.loads(data.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: is not valid TOML: {error}") from None
    else:
        raise ConfigError(f"{file}: expected a .toml, .yaml or .yml file")
    if not isinstance(told, dict):
        raise ConfigError(f"{file}: expected settings such as name and input, not a {type(told).__name__}")
    return told


def _yaml(file: Path, data: bytes) -> Any:
    try:
        import yaml  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingPackage.needed_by(
            f"{file}: reading YAML", "pyyaml", install="guardrails-lite[yaml]"
        ) from error
    try:
        told = yaml.safe_load(data)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{file}: is not valid YAML{where}") from None
    return {} if told is None else told  # an empty file is null in YAML, and an empty table in TOML


def _list(file: Path, told: Mapping[str, Any], key: str) -> list[Any]:
    value = told.get(key, [])
    if not isinstance(value, list):
        raise ConfigError(f"{file}: {key} must be a list: [[{key}]]")
    return value


def _rule(file: Path, place: str, told: Any) -> Rule:
    if not isinstance(told, dict):
        raise ConfigError(
            f"{file}: {place} must be a table: [[{place.partition('[')[0]}]], and below it a line such as "
            'block = "injection"'
        )
    verbs = [verb for verb in _VERBS if verb in told]
    if len(verbs) != 1:
        meant = [near for key in told for near in get_close_matches(key, _VERBS, 1, 0.7)]
        hint = f". Did you mean {meant[0]!r}?" if meant and not verbs else ""
        raise ConfigError(
            f"{file}: {place} names {'no verb' if not verbs else ' and '.join(verbs)}; "
            f"expected exactly one of {', '.join(_VERBS)}{hint}"
        )
    verb = verbs[0]
    name = told[verb]
    if not isinstance(name, str):
        raise ConfigError(
            f"{file}: {place}.{verb} must be the name of a validator, not {type(name).__name__}"
        )
    options = {key: value for key, value in told.items() if key in _RULE_OPTIONS}
    arguments = {key: value for key, value in told.items() if key not in _RULE_OPTIONS and key != verb}
    try:
        return _VERBS[verb](load(name, arguments), **options)
    except ConfigError as error:
        # What the validator does not take may be an option of the rule, misspelt.
        takes = parameters(name) if isinstance(error.__cause__, TypeError) else arguments.keys()
        others = [key for key in arguments if key not in takes]
        known = {*takes, *_RULE_OPTIONS}
        why = no_setting(f"a rule with {name!r}", others[0], known, form=_IN_A_FILE) if others else error
        raise ConfigError(f"{file}: {place}: {why}") from error


def _target(file: Path, place: str, told: Any) -> Target:
    if not isinstance(told, dict):
        raise ConfigError(
            f"{file}: {place} must be a table: [[fallback]], and below it a line such as "
            'model = "gpt-5-mini" or answer = "Sorry, try later."'
        )
    overrides = dict(told)
    answer = overrides.pop("answer", None)
    if "can" in overrides:
        overrides["can"] = _made(file, f"{place}.can", Capabilities, overrides["can"])
    if "clocks" in overrides:
        from guardrails_lite.reliability import Clocks

        overrides["clocks"] = _made(file, f"{place}.clocks", Clocks, overrides["clocks"])
    if "upstream" in overrides:
        overrides["upstream"] = _upstream(file, f"{place}.upstream", overrides["upstream"])
    try:
        return target(answer, **overrides)
    except ConfigError as error:
        raise ConfigError(f"{file}: {place}: {error}") from error


def _upstream(file: Path, place: str, told: Any) -> Any:
    from guardrails_lite.reliability import Breaker, Limits, RetryBudget, Upstream

    if not isinstance(told, dict):
        raise ConfigError(f"{file}: {place} must be a table: [{place}]")
    parts = dict(told)
    for key, kind in (("breaker", Breaker), ("limits", Limits), ("retries", RetryBudget)):
        if key in parts:
            parts[key] = None if parts[key] is False else _made(file, f"{place}.{key}", kind, parts[key])
    if "store" in parts:
        parts["store"] = _store(file, f"{place}.store", parts["store"])
    return _made(file, place, Upstream, parts)


def _store(file: Path, place: str, told: Any) -> Any:
    from guardrails_lite.reliability import RedisStore, SQLiteStore

    parts = dict(told) if isinstance(told, dict) else {}
    path, url = parts.pop("path", None), parts.pop("url", None)
    if isinstance(path, str) == isinstance(url, str):
        raise ConfigError(
            f'{file}: {place} must be a table with a path or a url: {{path = "upstream.db"}}, '
            '{url = "redis://localhost"}'
        )
    if isinstance(url, str):
        return _made(file, place, functools.partial(RedisStore, url), parts)
    return _made(file, place, functools.partial(SQLiteStore, file.parent / str(path)), parts)


def _made(file: Path, key: str, kind: Callable[..., Any], told: Any) -> Any:
    if not isinstance(told, dict):
        raise ConfigError(f"{file}: {key} must be a table: [{key}]")
    known = inspect.signature(kind).parameters
    for name in told:
        if name not in known:
            raise ConfigError(f"{file}: {no_setting(f'[{key}]', name, known, form=_IN_A_FILE)}")
    try:
        return kind(**told)
    except ConfigError as error:
        raise ConfigError(f"{file}: {key}: {error}") from error


def _log(file: Path, told: Any) -> Any:
    from guardrails_lite.audit import AuditLog

    if not isinstance(told, str):
        raise ConfigError(f"{file}: log must be a directory, not {type(told).__name__}")
    return AuditLog(file.parent / told)
