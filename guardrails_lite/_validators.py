"""What may be found in a text: a *validator* is a named function that takes a text and returns findings.

A validator never raises to fail, sleeps, logs or rewrites. A rule says what to do about a finding
(`_rules.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError

if TYPE_CHECKING:
    from guardrails_lite._messages import Call


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a validator saw. It says where and of what kind, never the matched text."""

    message: str
    """A constant: it is logged and may be shown, so nothing of the text belongs in it."""
    span: tuple[int, int] | None = field(default=None, kw_only=True)
    """Where, as ``text[start:end]``. None: the text as a whole."""
    category: str | None = field(default=None, kw_only=True)
    """A kind that people count by, such as ``"EMAIL_ADDRESS"``."""
    score: float | None = field(default=None, kw_only=True)
    """How sure the validator is, from 0 to 1; None where it is a matter of yes or no."""
    replacement: str | None = field(default=None, kw_only=True, repr=False)
    """What `redact` puts in place of the span; None: ``[CATEGORY]`` or ``[REDACTED]``."""

    def __post_init__(self) -> None:
        if not isinstance(self.message, str):
            raise ConfigError(_not_so("message", self.message, "a constant str"))
        if self.category is not None and not isinstance(self.category, str):
            raise ConfigError(_not_so("category", self.category, "a str"))
        if self.score is not None and not hasattr(self.score, "__float__"):
            raise ConfigError(_not_so("score", self.score, "a number from 0 to 1"))
        if self.replacement is not None and not isinstance(self.replacement, str):
            raise ConfigError(_not_so("replacement", self.replacement, "a str"))

    @property
    def mask(self) -> str:
        """The text that stands in for the span once it is redacted."""
        if self.replacement is not None:
            return self.replacement
        return f"[{self.category}]" if self.category else "[REDACTED]"


def _not_so(name: str, value: object, wanted: str) -> str:
    return f"{name}= of Finding must be {wanted}, not {type(value).__name__}"  # the value may be of the text


Findings = Iterable[Finding]
FindFunction = Callable[..., "Findings | Awaitable[Findings] | AsyncIterable[Finding]"]


@dataclass(frozen=True, slots=True, eq=False)
class Validator:
    """A named function from text to findings. Make one with `@validator`; call it to try it."""

    find: FindFunction = field(repr=False)
    name: str
    window: int | None = None
    """The most characters it must see at once, its longest match and the boundary on either side
    included. None: the whole text, so a guard that uses it holds a streamed reply back."""
    kind: Literal["plain", "blocking", "async"] = "plain"
    wants_call: bool = False
    """The function has a second parameter, which receives the `Call`, read-only."""
    params: Mapping[str, object] | None = None
    """The arguments that made it, for its repr and the digest of the guard. None: no function made it, so
    it prints without parentheses."""
    version: str = ""
    """Changes whenever its findings may change; part of the digest."""
    private: Mapping[str, object] | None = field(default=None, repr=False)
    """Arguments of which records and logs say only how much they are; part of the digest. One that is not
    in `params` too is not printed either."""

    def __call__(self, text: str, call: Call | None = None) -> list[Finding]:
        """Find in *text*, for a test or an interactive look.

        Raises:
            TypeError: *text* is no str; or the validator is async: use `await guard.acheck(...)` or await
                `find` yourself.
        """
        if self.kind == "async":
            message = f"{self!r} is async; try it with `await Guard(input=[warn({self.name})]).acheck(text)`"
            raise TypeError(message)
        found = self.find(text, call) if self.wants_call else self.find(text)
        return list(found)  # type: ignore[arg-type]  # only async ones return anything else

    def __repr__(self) -> str:
        return self._called({**self._amounts, **(self.params or {})})

    @property
    def told(self) -> str:
        """How records tell of it: as it prints, but what is private is counted."""
        return self._called(self.params_told)

    @property
    def params_told(self) -> dict[str, object]:
        """The arguments, but what is private is counted."""
        return {**(self.params or {}), **self._amounts}

    @property
    def _amounts(self) -> dict[str, object]:
        return {name: amount_of(value) for name, value in (self.private or {}).items()}

    def _called(self, arguments: Mapping[str, object]) -> str:
        return self.name if self.params is None else f"{self.name}({arguments_as_code(arguments)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Validator) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash((self.name, self.window))

    @property
    def fingerprint(self) -> str:
        """Names this validator's behaviour: its name, arguments, version and code. For comparing only: what
        is private is in it as a plain digest, so it may not be written down."""
        code = getattr(inspect.unwrap(self.find), "__code__", None)
        body = code_digest(code) if code is not None else ""
        return "\0".join((repr(self), str(self.window), self.kind, self.version, self._secrets, body))

    @property
    def _secrets(self) -> str:
        import hashlib

        told = repr(sorted(self.private.items())) if self.private else ""
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest() if told else ""


def code_digest(code: Any) -> str:
    """Names what compiled code does, wherever it stands: its constants, names and inner functions with it."""
    import hashlib  # it loads OpenSSL, which takes longer than all the rest of this module

    parts = hashlib.sha256(code.co_code)
    for const in code.co_consts:
        parts.update((code_digest(const) if hasattr(const, "co_code") else repr(const)).encode())
    parts.update(repr(code.co_names).encode())
    return parts.hexdigest()[:16]


@overload
def validator(function: FindFunction, /) -> Validator: ...
@overload
def validator(
    *,
    window: int | None = None,
    blocking: bool = False,
    name: str | None = None,
    params: Mapping[str, object] | None = None,
    version: str = "",
    private: Mapping[str, object] | None = None,
) -> Callable[[FindFunction], Validator]: ...
@by_name
def validator(
    function: FindFunction | None = None,
    /,
    *,
    window: int | None = None,
    blocking: bool = False,
    name: str | None = None,
    params: Mapping[str, object] | None = None,
    version: str = "",
    private: Mapping[str, object] | None = None,
) -> Validator | Callable[[FindFunction], Validator]:
    """Make a validator of a function that takes a text and yields findings.

    The function may be a generator, return any iterable of findings, be a coroutine or an async
    generator. With a second parameter it also receives the `Call`, read-only.

    Args:
        window: The most characters it must see at once, including boundaries, so that a stream can be
            released while it is checked. None: it needs the whole text. `testing.check_validator`
            tells whether a window is large enough.
        blocking: It waits for something (a file, a database, a model), so an async guard runs it in a thread.
        name: How it prints; default: the function's name.
        params: The arguments that it was made with, if a function built it; ``{}`` if there were none.
            They are printed and logged, and changing one changes the guard's digest.
        version: Change it when the findings change although code and arguments do not (new data). It is
            logged, so do not make it a digest of private texts.
        private: The arguments whose texts must stay out of the log: lists of words, hosts, a prompt. The log
            says only how much each is (``words=3``), and changing one changes the guard's digest. An argument
            that is not also in *params* is not printed either.

    Raises:
        ConfigError: the function cannot be called with a text, or the window is not positive.
    """

    def make(function: FindFunction) -> Validator:
        return _validator_of(
            function,
            window=window,
            blocking=blocking,
            name=str(getattr(function, "__name__", type(function).__name__)) if name is None else name,
            params=params,
            version=version,
            private=private,
        )

    return make if function is None else make(function)


def _validator_of(
    function: FindFunction,
    *,
    window: int | None,
    blocking: bool,
    name: str,
    params: Mapping[str, object] | None,
    version: str,
    private: Mapping[str, object] | None,
) -> Validator:
    if isinstance(function, _OfText):
        function = function.__wrapped__
    if not callable(function) or inspect.isclass(function):
        raise ConfigError(f"@validator takes a function from text to findings, not {function!r}")
    if not isinstance(name, str):
        raise ConfigError(f"name={name!r} of a validator must be a str")
    if not isinstance(version, str):
        raise ConfigError(f"version={version!r} of validator {name!r} must be a str")
    if params is not None and not isinstance(params, Mapping):
        raise ConfigError(
            f"params={params!r} of validator {name!r} must be a mapping of argument names to values"
        )
    if private is not None and not isinstance(private, Mapping):
        raise ConfigError(
            f"private= of validator {name!r} must be a mapping of argument names to values, "
            f"not {type(private).__name__}"
        )
    if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window < 1):
        raise ConfigError(
            f"window={window!r} of validator {name!r} must be a positive number of characters. "
            "Leave it out if the validator needs the whole text."
        )
    takes = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    required = [parameter for parameter in takes if parameter.default is parameter.empty]
    if not takes or len(required) > 2:
        raise ConfigError(
            f"validator {name!r} takes {len(takes)} parameters; expected `text`, "
            "or `text` and `call`. Bind other settings in a function that returns the validator."
        )
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if is_async and blocking:
        raise ConfigError(f"validator {name!r} is async, so blocking=True does not apply. Leave it out.")
    return Validator(
        find=_OfText(function, name),
        name=name,
        window=window,
        kind="async" if is_async else "blocking" if blocking else "plain",
        wants_call=len(required) == 2,
        params=dict(params) if params is not None else {} if private else None,
        version=version,
        private=dict(private) if private else None,
    )


def amount_of(value: object) -> object:
    """How much a private value is: all that a repr or a log says of it."""
    if isinstance(value, str):
        return f"{len(value)} characters"
    if isinstance(value, (list, tuple, set, frozenset, Mapping)):
        return len(value)
    return type(value).__name__


class _OfText:
    """A validator's function, told of nothing but texts: bytes would break it somewhere, or pass unseen."""

    __slots__ = ("__wrapped__", "_name")

    def __init__(self, function: FindFunction, name: str) -> None:
        self.__wrapped__ = function
        self._name = name

    def __call__(
        self, text: str, call: Call | None = None
    ) -> Findings | Awaitable[Findings] | AsyncIterable[Finding]:
        if not isinstance(text, str):
            raise TypeError(
                f"validator {self._name!r} takes a str, not {type(text).__name__}. "
                "Decode bytes first, as in data.decode(), or turn what it is into text."
            )
        return self.__wrapped__(text) if call is None else self.__wrapped__(text, call)


def for_texts(find: FindFunction) -> FindFunction:
    """A validator's function for who has nothing but texts: without the look at what it is given."""
    return find.__wrapped__ if isinstance(find, _OfText) else find


def arguments_as_code(params: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={_printed(value)}" for name, value in params.items())


def _printed(value: object) -> str:
    """*value* as an argument is printed: without an address, which is another in each process."""
    if callable(value) and not isinstance(value, type):
        return name_of(value)
    told = repr(value)
    return name_of(value) if " at 0x" in told else told


def name_of(value: object) -> str:
    """What a function or an object that is no plain value is called where it may be read by others."""
    return str(getattr(value, "__qualname__", type(value).__name__))
