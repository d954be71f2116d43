"""A guard is a value: frozen, printable, comparable, mergeable, and it checks what it is made of."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from guardrails_lite import (
    Budget,
    ConfigError,
    Decision,
    Finding,
    Guard,
    Retry,
    block,
    bound,
    fall_back,
    reask,
    redact,
    target,
    validator,
    warn,
)
from tests.engine.conftest import word


@validator(window=4)
def odd(text: str) -> list[Finding]:
    """Nothing is odd."""
    return []


@validator
async def slow(text: str) -> list[Finding]:
    """Nothing, slowly."""
    return []


def no_text() -> list[Finding]:
    """A function that takes no text."""
    return []


GUARD = Guard(
    name="support",
    input=[redact(odd, roles=["user"]), block(odd, on_error="open", timeout_s=1.5)],
    output=[warn(odd, share=0.5)],
    schema=dict[str, int],
    retry=Retry(attempts=4),
    fallback=[target(model="small"), target('{"a": 1}')],
    budget=Budget(tokens=5),
    mode="monitor",
)


def test_a_guard_prints_as_the_code_that_makes_it() -> None:
    """Evaluating what it prints makes an equal guard."""
    names = {each.__name__: each for each in (Guard, redact, block, warn, target, Retry, Budget)} | {
        "odd": odd
    }

    assert eval(repr(GUARD), names) == GUARD  # that it can be evaluated is the point
    assert repr(Guard()) == "Guard()"


def test_a_guard_never_changes() -> None:
    """Setting something says how to make another."""
    with pytest.raises(AttributeError, match=r"merge another into it: guard \| Guard\(name=...\)"):
        GUARD.name = "other"  # type: ignore[misc]


def test_the_digest_names_the_policy() -> None:
    """Equal policies have equal digests; whatever decides is part of it, and a name is not."""
    digests = {
        Guard(input=[block(word("a"))]).digest,
        Guard(input=[block(word("b"))]).digest,
        Guard(input=[redact(word("a"))]).digest,
        Guard(output=[block(word("a"))]).digest,
        Guard(input=[block(word("a"))], mode="monitor").digest,
        Guard(input=[block(word("a"))], retry=Retry(attempts=9)).digest,
        Guard(input=[block(word("a"))], schema=list[int]).digest,
    }

    assert len(digests) == 7
    assert Guard(input=[block(word("a"))]).digest == Guard(name="x", input=[block(word("a"))]).digest


def test_a_validator_with_other_code_has_another_digest() -> None:
    """A rule that finds other things is another policy, whatever it is called."""

    def made(needle: int) -> Any:
        if needle:

            @validator(name="same")
            def one(text: str) -> list[Finding]:
                return [Finding("x")] if text == "1" else []

            return one

        @validator(name="same")
        def other(text: str) -> list[Finding]:
            return [Finding("x")] if text == "2" else []

        return other

    assert Guard(input=[block(made(0))]).digest != Guard(input=[block(made(1))]).digest


def test_guards_merge() -> None:
    """Rules, fallbacks and sinks are joined, the rest replaced; what stands twice stands once."""
    base = Guard(name="base", input=[block(odd)], retry=Retry(attempts=4))

    both = base | Guard(input=[block(odd), redact(odd)], output=[warn(odd)], name="app")

    assert both == Guard(
        name="app", input=[block(odd), redact(odd)], output=[warn(odd)], retry=Retry(attempts=4)
    )


def test_sinks_merge_too() -> None:
    """A log can be added to a guard that has none."""
    records: list[Any] = []

    (Guard(name="a") | Guard(log=records.append)).run(lambda messages: "ok", "hi")

    assert len(records) == 1


@pytest.mark.parametrize(
    ("text", "side", "verdict", "left"),
    [
        ("fine", "input", "passed", "fine"),
        ("zoe", "input", "redacted", "[REDACTED]"),
        ("wrong", "input", "blocked", None),
        ("odd", "input", "would fall back", None),
        ("again", "output", "would re-ask", None),
    ],
)
def test_check_decides_about_a_text(text: str, side: Any, verdict: str, left: str | None) -> None:
    """The decision of one side's rules, with no model call."""
    guard = Guard(
        input=[redact(word("zoe")), block(word("wrong")), fall_back(word("odd"))],
        output=[reask(word("again"))],
    )

    decision = guard.check(text, side=side)

    assert isinstance(decision, Decision)
    assert (decision.verdict, decision.text) == (verdict, left)
    assert decision.ok is (left is not None)
    assert text not in repr(decision)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Guard(input=[odd]),
            r"input=\[odd\]: a validator only finds; say what to do about it: block",
        ),
        (lambda: Guard(input=block(odd)), r"takes a list of rules: input=\[block\(odd\)\]"),
        (lambda: Guard(input=[print]), "takes rules such as block"),
        (lambda: Guard(input="pii"), r"input= of Guard takes a list, not str"),
        (lambda: Guard(input=[reask(odd)]), "cannot be an input rule: there is no reply to ask again about"),
        (lambda: Guard(mode="shadow"), "mode='shadow' of Guard must be 'enforce' or 'monitor'"),
        (lambda: Guard(retry=3), r"retry= of Guard takes a Retry, not int: retry=Retry\(...\)"),
        (lambda: Guard(budget={"tokens": 1}), "budget= of Guard takes a Budget, not dict"),
        (lambda: Guard(log="audit"), r"log= of Guard takes an AuditLog or a callable, not str"),
        (lambda: Guard(fallback=target("x")), r"fallback= of Guard takes a list"),
        (
            lambda: Guard(fallback="gpt-5-mini"),
            r"takes a list of targets, not str: fallback=\[target\(model='gpt-5-mini'\)\]",
        ),
        (
            lambda: Guard(fallback=["gpt-5-mini"]),
            r"fallback\[0\] of Guard must be target.*, not str: target\(model='gpt-5-mini'\)",
        ),
        (
            lambda: Guard(fallback="later"),
            r"fallback=\[target\('later'\) for a fixed answer, target\(model='later'\)",
        ),
        (lambda: Guard(fallback=print), r"not builtin_function_or_method: fallback=\[target\(print\)\]"),
        (
            lambda: target("gpt-5-mini"),
            r"give callers that text as a fixed answer. To ask the model, .*target\(model='gpt-5-mini'\)",
        ),
        (lambda: Guard(accept="empty"), r"accept= of Guard takes a list, not str: accept=\['empty'\]"),
        (lambda: Guard(tools=print), r"tools= of Guard takes a list, .*: tools=\[print\]"),
        (lambda: Guard(schema="Invoice"), r"schema= takes a type or a JSON Schema dict, not str.*schema=Inv"),
        (lambda: Guard(schema=3), r"schema= takes a type or a JSON Schema dict, not int"),
        (
            lambda: Guard(fallback=[target("x"), target(model="m")]),
            r"fallback\[0\] is a fixed answer.*Put it last",
        ),
        (lambda: Guard(schema=list[int], fallback=[target("x")]), "does not fit the schema"),
        (lambda: Guard(accept=["errors"]), "accept=.*expected some of 'empty', 'refused', 'truncated'"),
        (lambda: Guard(name=7), "name=7 of Guard must be a str"),
        (lambda: target(), r"target\(\) names nothing"),
        (lambda: target(7), r"target\(int object\): expected a client"),
        (lambda: target("x", model="m"), "takes no parameters: nothing is asked"),
        (lambda: target(model="m", on="never"), "on='never' of target"),
        (lambda: block(print), r"block\(...\) takes a validator, not <built-in function print>. Decorate"),
        (
            lambda: block("pii"),
            r"takes a validator, not 'pii'. Names are for guards in files; in Python import",
        ),
        (lambda: block(word), r"Did you forget to call it: block\(word\(\)\)\?"),
        (lambda: block(odd, roles=["boss"]), r"roles=\['boss'\] of block\(odd\): expected some of assistant"),
        (lambda: block(odd, on_error="maybe"), "on_error='maybe' of block.* must be 'closed' or 'open'"),
        (lambda: block(odd, timeout_s=0), "timeout_s=0 of block.* must be a number of seconds, more than 0"),
        (lambda: block(odd, share=2), "share=2 of block.* must be from 0 to 1"),
        (lambda: block(odd, roles=7), r"roles=7 of block\(odd\): expected some of assistant"),
        (lambda: block(odd, roles=[[1]]), r"roles=\[\[1\]\] of block\(odd\): expected some of"),
        (lambda: block(odd, timeout_s=float("inf")), "timeout_s=inf of block.* more than 0 and at most 1e"),
        (lambda: block(odd, timeout_s="2"), "timeout_s='2' of block.* must be a number of seconds"),
        (lambda: block(odd, share="all"), "share='all' of block.* must be from 0 to 1"),
        (lambda: validator(params=3)(odd.find), "params=3 of validator .* must be a mapping"),
        (lambda: validator(name=3)(odd.find), "name=3 of a validator must be a str"),
        (lambda: validator(version=3)(odd.find), "version=3 of validator .* must be a str"),
        (lambda: Guard.from_file(7), "from_file.* takes the path of a TOML or YAML file, not int"),
        (lambda: validator(window=0)(lambda text: []), "window=0 of validator .* must be a positive number"),
        (lambda: validator(no_text), "takes 0 parameters; expected `text`"),
        (lambda: validator(blocking=True)(slow.find), "is async, so blocking=True does not apply"),
        (lambda: Guard(schema=7), "schema|Schema"),
        (lambda: Guard().wrap("client"), r"guard.wrap\(str object\)"),
        (lambda: bound(user=7).__enter__(), r"bound\(user=...\) takes a string, not int"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_built(make: Any, said: str) -> None:
    """What, where, what was expected, and the remedy."""
    with pytest.raises(ConfigError, match=said):
        make()


def test_an_async_validator_on_a_plain_function_is_refused_when_it_is_decorated() -> None:
    """Not at the first call, in production."""
    with pytest.raises(TypeError, match=r"block\(slow\) is async.*Decorate an `async def`"):

        @Guard(input=[block(slow)])
        def ask(prompt: str) -> str:
            return prompt


def test_who_calls_is_in_the_record_by_pseudonym() -> None:
    """A person is named by a keyed digest wherever the record leaves the process."""
    with bound(tenant="acme", user="u-17"), bound(session="s-3"):
        record = Guard().run(lambda messages: "ok", "hi").record

    told = record.to_dict()["who"]
    assert told["tenant"] == "acme"
    assert told["user"].startswith("~")
    assert {"u-17", "s-3"}.isdisjoint(told.values())
    assert record.to_dict(pseudonym=lambda field, value: f"<{field}>")["who"]["session"] == "<session>"


def test_structlogs_bound_variables_are_picked_up() -> None:
    """What the application binds for its own logs need not be bound twice."""
    import structlog

    with structlog.contextvars.bound_contextvars(tenant="acme", secret="no"):
        record = Guard().run(lambda messages: "ok", "hi").record

    assert record.who["tenant"] == "acme"
    assert "secret" not in record.who


def test_shipped_validators_print_as_the_call_that_made_them() -> None:
    """`pii()` prints as `pii()`, and evaluating a guard of them makes an equal one."""
    from guardrails_lite_validators import injection, pii, urls

    guard = Guard(input=[redact(pii()), block(injection())], output=[block(urls(allow=["example.com"]))])
    names = {
        "Guard": Guard,
        "redact": redact,
        "block": block,
        "pii": pii,
        "injection": injection,
        "urls": urls,
    }

    assert repr(guard).startswith("Guard(input=[redact(pii()), block(injection())]")
    assert eval(repr(guard), names) == guard


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_guard_is_the_guard(duplicate: Callable[[Any], Any]) -> None:
    """A value that never changes needs no second one, so settings that hold a guard can be copied."""
    guard = Guard(name="support", input=[block(odd)])

    assert duplicate({"guard": guard})["guard"] is guard


def test_a_guard_cannot_be_pickled_and_says_what_to_do() -> None:
    """Its validators are functions and its sinks own files: each process makes its own."""
    with pytest.raises(TypeError, match=r"cannot be pickled.*make it in each process"):
        pickle.dumps(Guard())
