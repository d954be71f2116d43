"""``guardrails-lite check FILE``: what a guard in a file does, and what it may lack."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._guard import Guard
from guardrails_lite.cli._terminal import code_of, fail, print_json, safe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="a guard in TOML or YAML")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Explain and lint. Exits with 0 if there is no advice, 1 if there is, 2 if the guard cannot work."""
    try:
        guard = Guard.from_file(arguments.file)
    except ConfigError as error:
        if arguments.json:
            print_json({"file": arguments.file, "error": str(error)})
            return code_of(error, 2)
        return fail(error)
    advice = list(lint(guard))
    if arguments.json:
        print_json(
            {
                "file": arguments.file,
                "guard": repr(guard),
                "digest": guard.digest,
                "streaming": guard.streaming,
                "advice": advice,
            }
        )
        return 1 if advice else 0
    for line in explain(guard):
        print(safe(line))
    for each in advice:
        print(safe(f"advice: {each}"))
    return 1 if advice else 0


def explain(guard: Guard[Any]) -> Iterator[str]:
    """What happens in one call of *guard*, in order, in sentences."""
    plan = guard._plan
    yield f"{guard.name or 'guard'}  digest {guard.digest}"
    yield (
        "1. all text in the request is screened:" if plan.input.rules else "1. the request is not screened"
    )
    yield from (f"     {rule!r}" for rule in plan.input.rules)
    retry, budget = plan.retry, plan.budget
    yield f"2. the request is sent, at most {retry.attempts} times to each target"
    if budget.deadline_s is not None:
        yield f"     all within {budget.deadline_s:g} s"
    if budget.tokens is not None:
        yield f"     and {budget.tokens} tokens"
    if budget.cost_usd is not None:
        yield f"     and {budget.cost_usd:g} US dollars"
    yield from (f"     then {target!r}" for target in plan.fallback)
    yield f"     in all: {guard.worst_case()}"
    yield "3. only a complete reply counts"
    if plan.schema is not None:
        yield f"     it must fit the schema {plan.schema!r}, or the model is asked again"
        yield f"     ({retry.reasks} times at most)"
    yield "4. all text in the reply is checked:" if plan.output.rules else "4. the reply is not checked"
    yield from (f"     {rule!r}" for rule in plan.output.rules)
    yield f"     a streamed reply: {guard.streaming}"
    if not plan.enforce:
        yield "   but nothing is changed or stopped: the guard only monitors"
    yield "5. the record is written"


def lint(guard: Guard[Any]) -> Iterator[str]:
    """Likely mistakes in *guard*."""
    plan = guard._plan
    for side in (plan.input, plan.output):
        for place, rule in enumerate(side.rules):
            if rule in side.rules[:place]:
                yield f"{rule!r} occurs twice among the {side.name} rules"
            if rule.on_error == "open":
                yield f"{rule!r} lets texts pass when its validator breaks (on_error='open')"
            if rule.validator.kind != "plain" and rule.timeout_s is None:
                yield f"{rule!r} waits for something but has no timeout_s"
    if plan.name is None:
        yield "the guard has no name, so its records can be recognised only by their digest"
    if not plan.input.rules and not plan.output.rules and plan.schema is None and plan.toolbox is None:
        yield "the guard checks nothing"
    if plan.budget.cost_usd is not None and plan.budget.deadline_s is None:
        yield "the budget limits the cost but not the time"
