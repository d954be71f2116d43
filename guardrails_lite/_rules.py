"""What to do about the findings of a validator: a rule is a verb around it.

The verbs `block`, `redact`, `reask`, `fall_back` and `warn` decide. A validator finds (`_validators.py`), the
engine acts, and the record tells: four separate places, so that the same validator can warn in staging and
block in production.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from guardrails_lite._arguments import LONGEST_S, by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite._validators import Validator, arguments_as_code

Verb = Literal["block", "redact", "reask", "fall_back", "warn"]
Mode = Literal["enforce", "monitor"]
OnError = Literal["closed", "open"]
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]

ROLES: frozenset[str] = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A verb around a validator: what is done when the validator finds something."""

    verb: Verb
    validator: Validator
    roles: tuple[str, ...] | None = None
    """Only texts of these roles are checked; None: all of them."""
    on_error: OnError = "closed"
    """A validator that breaks or times out: ``"closed"`` counts as found, ``"open"`` as not found.
    Either way it is recorded as broken."""
    timeout_s: float | None = None
    """Seconds the validator may take for one text."""
    mode: Mode = "enforce"
    """``"monitor"``: findings are recorded and nothing is changed or stopped."""
    share: float = 1.0
    """The share of calls, from 0 to 1, in which the rule runs; chosen by the call's id."""

    @property
    def rewrites(self) -> bool:
        """Whether what it does changes the text."""
        return self.verb == "redact" and self.mode == "enforce"

    @property
    def watches(self) -> bool:
        """Whether it looks at the whole text without keeping any of it back."""
        return self.validator.window is None and not self.holds

    @property
    def holds(self) -> bool:
        """Whether a streamed reply must be held back whole for this rule."""
        if self.mode == "monitor" or self.verb == "warn":
            return False
        return self.validator.window is None or self.verb in ("reask", "fall_back")

    def __repr__(self) -> str:
        return self._around(repr(self.validator))

    @property
    def told(self) -> str:
        """How records tell of it: as it prints, but what is private to its validator is counted."""
        return self._around(self.validator.told)

    def _around(self, validator: str) -> str:
        options = arguments_as_code(
            {
                name: value
                for name, value, default in (
                    ("roles", self.roles, None),
                    ("on_error", self.on_error, "closed"),
                    ("timeout_s", self.timeout_s, None),
                    ("mode", self.mode, "enforce"),
                    ("share", self.share, 1.0),
                )
                if value != default
            }
        )
        return f"{self.verb}({validator}{', ' if options else ''}{options})"


_NUMBER: Final = "[0-9.e+-]+"
_OPTIONS: Final = rf"(, on_error='open')?(, timeout_s={_NUMBER})?(, mode='monitor')?(, share={_NUMBER})?\)$"


@functools.lru_cache(maxsize=1024)
def finder_of(rule: str) -> str:
    """A rule as records tell it, without what is done with its findings and how often: what it finds."""
    return re.sub(_OPTIONS, "", rule.partition("(")[2])


class MakesRule(Protocol):
    """The signature that all verbs share.

    Args of every verb:
        validator: What finds. A function must be made a validator with `@validator` first.
        roles: Check only texts of these roles; default: all.
        on_error: What a validator that breaks or times out counts as: ``"closed"``, found (the default),
            or ``"open"``, not found. It is recorded as broken either way.
        timeout_s: Seconds it may take for one text.
        mode: ``"monitor"`` records findings and changes nothing.
        share: The share of calls, from 0 to 1, in which the rule runs: for canaries.

    Raises:
        ConfigError: an argument that cannot work.
    """

    def __call__(
        self,
        validator: Validator,
        /,
        *,
        roles: Iterable[Role] | None = None,
        on_error: OnError = "closed",
        timeout_s: float | None = None,
        mode: Mode = "enforce",
        share: float = 1.0,
    ) -> Rule: ...


def _verb(stub: Callable[[], None]) -> MakesRule:
    """Make the function of one verb from a stub that carries its name and its docstring."""

    @functools.wraps(stub)
    def rule(
        validator: Validator,
        /,
        *,
        roles: Iterable[Role] | None = None,
        on_error: OnError = "closed",
        timeout_s: float | None = None,
        mode: Mode = "enforce",
        share: float = 1.0,
    ) -> Rule:
        verb: Verb = stub.__name__  # type: ignore[assignment]  # the stubs below are named by the verbs
        return _rule_of(verb, validator, roles, on_error, timeout_s, mode, share)

    del rule.__wrapped__
    return by_name(rule)


def _rule_of(
    verb: Verb,
    validator: object,
    roles: Iterable[str] | None,
    on_error: OnError,
    timeout_s: float | None,
    mode: Mode,
    share: float,
) -> Rule:
    if not isinstance(validator, Validator):
        raise ConfigError(f"{verb}(...) takes a validator, not {validator!r}.{hint_for(validator, verb)}")
    only: tuple[str, ...] | None = None
    if roles is not None:
        if isinstance(roles, str):
            only = (roles,)
        elif isinstance(roles, Iterable):
            only = tuple(roles)
        if not only or not all(isinstance(role, str) and role in ROLES for role in only):
            raise ConfigError(
                f"roles={roles!r} of {verb}({validator!r}): expected some of {', '.join(sorted(ROLES))}"
            )
    if on_error not in ("closed", "open"):
        raise ConfigError(f"on_error={on_error!r} of {verb}({validator!r}) must be 'closed' or 'open'")
    if mode not in ("enforce", "monitor"):
        raise ConfigError(f"mode={mode!r} of {verb}({validator!r}) must be 'enforce' or 'monitor'")
    if timeout_s is not None and not (type(timeout_s) in (int, float) and 0 < timeout_s <= LONGEST_S):
        raise ConfigError(
            f"timeout_s={timeout_s!r} of {verb}({validator!r}) must be a number of seconds, more than 0 "
            f"and at most {LONGEST_S:g}"
        )
    if not (type(share) in (int, float) and 0 <= share <= 1):
        raise ConfigError(f"share={share!r} of {verb}({validator!r}) must be from 0 to 1")
    return Rule(verb, validator, only, on_error, timeout_s, mode, share)


def hint_for(given: object, verb: str = "block") -> str:
    """What to do about something that is no validator, where one or a rule around one is expected."""
    if isinstance(given, Rule):
        return " It is a rule already; use it as it is."
    if isinstance(given, (list, tuple)):
        return f" Make a rule of each: [{verb}(first), {verb}(second)]."
    if isinstance(given, str):
        return " Names are for guards in files; in Python import the function, and call it."
    if not inspect.isfunction(given):
        return " Decorate a function with @validator."
    returns = str(given.__annotations__.get("return"))
    if "Validator" in returns:
        return f" Did you forget to call it: {verb}({given.__name__}())?"
    if given.__module__ == __name__:
        return f" Give it what it acts on: {given.__name__}(validator)."
    return f" Decorate the function with @validator, and say what to do about it: {verb}({given.__name__})."


@_verb
def block() -> None:
    """End the call when *validator* finds something: nothing is sent, or nothing is returned."""


@_verb
def redact() -> None:
    """Mask what *validator* finds and let the rest through.

    A finding without a span masks the whole text.
    """


@_verb
def reask() -> None:
    """Send the reply back with what was wrong and ask again, within `Retry.reasks`.

    On an input there is nobody to ask again, so a `reask` rule there is a ConfigError.
    """


@_verb
def fall_back() -> None:
    """Try the next fallback when *validator* finds something; block if there is none.

    On an input the other rules look at the text all the same: the fallback gets what they leave of it.
    """


@_verb
def warn() -> None:
    """Record what *validator* finds, but change nothing."""
