"""What a whole reply goes through: tool calls, the output schema, the output rules.

Each function takes the attempt that brought the reply and does one check. When its turn comes is the engine's
business (`_attempt.Attempt`).
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._asking import (
    Invalid,
    about_field,
    about_missing_call,
    about_rule,
    about_schema,
    about_tools,
)
from guardrails_lite._engine._effects import Ask
from guardrails_lite._engine._kept import as_left
from guardrails_lite._engine._request import choices_asked
from guardrails_lite._engine._screen import Checks, Groups, Round, Tallies, screened
from guardrails_lite._engine._tally import Stop, Tally
from guardrails_lite._errors import Blocked, DeadlineExceeded
from guardrails_lite._messages import Choice, Reply, ToolCall
from guardrails_lite._messages._texts import json_strings, with_json_strings
from guardrails_lite.reliability._clocks import AT_ONCE_S

if TYPE_CHECKING:
    from guardrails_lite._engine._attempt import Attempt
    from guardrails_lite._tools import Offered
    from guardrails_lite.schemas.parts import Parts
    from guardrails_lite.schemas.problems import Parsed


async def tools_checked(attempt: Attempt, reply: Reply, offered: Offered) -> Reply:
    """The reply with its tool calls checked and, where they need it, approved.

    Raises:
        Invalid: a call is refused, or one that was asked for is missing.
        Blocked: a call was not approved.
    """
    choices: list[Choice] = []
    for choice in reply.choices:
        if choice.tool_calls:
            choice = await _turn_checked(attempt, choice, offered)
        elif offered.required_missing(choice):
            refuse(attempt, about_missing_call())
        choices.append(choice)
    return replace(reply, choices=tuple(choices))


async def _turn_checked(attempt: Attempt, choice: Choice, offered: Offered) -> Choice:
    """The turn with its checked calls: all, or with ``tool_calls="each"`` those that are right."""
    from guardrails_lite._tools import refused_calls

    enforce, each = attempt.plan.enforce, attempt.plan.each_call
    verdicts = list(offered.check(choice.tool_calls, attempt.call.messages, ran={}))
    if enforce and (each or all(verdict.ok for verdict in verdicts)):
        for nth, verdict in enumerate(verdicts):  # nobody is asked about a turn that is asked again
            if verdict.needs_approval and verdict.ok:
                if attempt.plan.output.rules:
                    verdict = replace(verdict, call=await _as_it_runs(attempt, choice, verdict.call))
                verdicts[nth] = await _approved(attempt, verdict)
    attempt.story.turn(verdicts)
    right = tuple(_scoped(attempt, verdict.call) for verdict in verdicts if verdict.ok)
    if len(right) == len(verdicts):
        return replace(choice, tool_calls=right)
    if enforce and each and right:
        return replace(choice, tool_calls=right, refused=refused_calls(verdicts))
    final = next((verdict for verdict in verdicts if verdict.is_final), None)
    if enforce and final is not None:
        message = f"the call of tool {final.call.name!r} was not approved"
        raise Blocked(message, outcome="tool denied")
    refuse(attempt, about_tools(choice, verdicts))
    return choice


def _scoped(attempt: Attempt, call: ToolCall) -> ToolCall:
    """The call, its tool bound to the caller's operation, or to this record: a write happens once."""
    if call.tool is None or call.tool.effects != "write":
        return call
    from guardrails_lite._tools import current_operation

    named = current_operation()
    scope = attempt.story.id if named is None else named.key
    ledger = attempt.plan.effects if named is None or named.ledger is None else named.ledger
    return replace(call, tool=call.tool.within(scope, ledger))


async def _as_it_runs(attempt: Attempt, choice: Choice, call: ToolCall) -> ToolCall:
    """A call as the output rules leave it: that is what is approved. Their turn proper comes later.

    Raises:
        Stop: a rule stops it, so nobody is asked.
        Invalid: the same, where the rule asks again.
    """
    side = attempt.plan.output
    tallies = attempt.story.unbooked(side)
    try:
        left = await _call_screened(attempt, call, side.checks("assistant", tallies))
    except Stop as stop:
        attempt.story.steps += tallies
        if stop.verb == "reask":
            raise about_rule(stop, choice.text or "") from None
        raise
    if left is not call:  # of which the checks to come will find nothing
        attempt.story.steps += tallies
    return left


async def _approved(attempt: Attempt, verdict: Any) -> Any:
    call = verdict.call
    tool = call.tool
    try:
        # A copy: what runs is what was checked, whatever is done to what was shown.
        shown = replace(call, value=copy.deepcopy(call.value))
        answer = tool.approve != "deny" and await Ask(tool, shown, attempt.story.time_left_s())
    except TimeoutError:
        attempt.story.note("approval timed out", tool.name)
        if attempt.story.time_left_s() <= AT_ONCE_S:
            raise DeadlineExceeded(
                f"the deadline passed while the call waited for the approval of tool {tool.name!r}. "
                "Raise Budget.deadline_s, or give the tool an approve_timeout_s.",
                outcome="deadline passed",
            ) from None
        answer = False
    except Exception as error:
        attempt.story.note("approval broke", f"{tool.name}: {type(error).__name__}")
        answer = False
    attempt.story.note("approved" if answer else "denied", tool.name)
    return verdict if answer else verdict.refused("denied", "an approval, which was refused")


async def parsed_reply(attempt: Attempt, reply: Reply) -> tuple[Reply, list[Any]]:
    """The typed value of every choice, after the rules on its fields."""
    schema = attempt.plan.schema
    assert schema is not None
    values: list[Any] = []
    choices: list[Choice] = []
    for choice in reply.choices:
        choices.append(choice)
        if choice.tool_calls or choice.text is None:
            values.append(None)
            continue
        parsed = schema.parse(choice.text)
        _note_repair(attempt, parsed)
        if not parsed.ok:
            refuse(attempt, about_schema(choice, parsed.problems, parts_of(attempt, parsed)))
        elif schema.field_rules:
            left = await _fields_screened(attempt, choice, parsed)
            if left is not parsed:
                choices[-1] = replace(choice, text=json.dumps(left.json, ensure_ascii=False))
                parsed = left
        if not values:
            attempt.json = parsed.json
        values.append(parsed.value if parsed.ok else choice.text)
    if any(new is not old for new, old in zip(choices, reply.choices, strict=True)):
        reply = replace(reply, choices=tuple(choices))
    return reply, values


def parts_of(attempt: Attempt, parsed: Parsed) -> Parts | None:
    """The parts to ask for again, where the model can be asked for them and has not just been."""
    schema = attempt.plan.schema
    may_ask = attempt.story.reasks < attempt.plan.retry.reasks and not attempt.target.one_turn
    if schema is None or not may_ask or attempt.parts is not None or choices_asked(attempt.call) > 1:
        return None
    from guardrails_lite.schemas.parts import missing_parts

    return missing_parts(schema, parsed.json, parsed.problems)


def merged(attempt: Attempt, reply: Reply) -> Reply:
    """The reply that was asked for in parts, whole again; itself where it is no answer to that."""
    choice = reply.choices[0]
    if attempt.parts is None or not choice.text or choice.tool_calls:
        return reply
    answer = attempt.parts.schema.parse(choice.text)
    text = attempt.parts.merged(answer)
    if text is None:
        return reply
    _note_repair(attempt, answer)
    attempt.story.note("merged parts", str(len(attempt.parts.paths)))
    return replace(reply, choices=(replace(choice, text=text), *reply.choices[1:]))


def _note_repair(attempt: Attempt, parsed: Parsed) -> None:
    if parsed.repaired:
        attempt.story.repaired = parsed.ok or attempt.story.repaired
        attempt.story.note("repair", ", ".join(sorted({edit.kind for edit in parsed.edits})))


async def _fields_screened(attempt: Attempt, choice: Choice, parsed: Parsed) -> Parsed:
    """Run the rules that the schema declares on single fields, and report them by path."""
    schema = attempt.plan.schema
    assert schema is not None
    tallies: dict[tuple[str, int], Tally] = {}
    new: dict[Any, str] = {}
    for found in schema.field_texts(parsed.json):
        rule = found.rule if attempt.plan.enforce else replace(found.rule, mode="monitor")
        tally = tallies.get((found.path, id(found.rule)))
        if tally is None:
            name = f"{rule.told} at {found.path}"
            tally = tallies[found.path, id(found.rule)] = Tally(rule, name, "field", attempt.story.attempt)
            attempt.story.steps.append(tally)
            attempt.story.metered.append(tally)
        text = new.get(found.pointer, found.text)
        try:
            left = await screened(Groups([[tally]]), text, attempt.call)
        except Stop as stop:
            if stop.verb == "reask":
                raise about_field(found.path, stop) from None
            raise
        if left != text:
            new[found.pointer] = left
    if not new:
        return parsed
    masked = schema.with_texts(parsed.json, new)
    if not masked.ok:
        refuse(attempt, about_schema(choice, masked.problems))
    return masked


def refuse(attempt: Attempt, invalid: Invalid) -> None:
    """Refuse the reply; a monitor only says that it would be.

    Raises:
        Invalid: *invalid*.
    """
    if attempt.plan.enforce:
        raise invalid
    attempt.story.note("would have been refused", invalid.because)


def screened_at_once(attempt: Attempt, reply: Reply) -> Reply | None:
    """`screened_reply` for most replies: one text, by rules that need no driver. None: this one is not so."""
    side, choice = attempt.plan.output, reply.choices[0] if len(reply.choices) == 1 else None
    if choice is None or not choice.text or not side.finds or _beside_text(choice):
        return None
    try:
        text = attempt.story.tallies(side).screen(choice.text, attempt.call)  # type: ignore[union-attr]  # a Round
    except Stop as stop:
        raise _asking(stop, choice) from None
    return reply if text == choice.text else replace(reply, choices=(replace(choice, text=text),))


async def screened_reply(attempt: Attempt, reply: Reply) -> Reply:
    """Run the output rules over every text of the reply; itself where no text changed."""
    side = attempt.plan.output
    tallies = attempt.story.tallies(side)
    checks = tallies if isinstance(tallies, Round) else side.checks("assistant", tallies)
    choices: list[Choice] = []
    changed = False
    for choice in reply.choices:
        if choice.transcript is not None:
            attempt.story.unscreened = tuple(dict.fromkeys((*attempt.story.unscreened, "audio")))
        try:
            if _beside_text(choice) or attempt.plan.schema is not None:
                left = await _choice_screened(attempt, choice, checks)
            else:
                left = choice
                text = checks.screen(choice.text, attempt.call) if choice.text else choice.text
                if text is not None and not isinstance(text, str):
                    text = await text
                if text != choice.text:
                    left = replace(choice, text=text)
        except Stop as stop:
            raise _asking(stop, choice) from None
        changed = changed or left is not choice
        choices.append(left)
    return replace(reply, choices=tuple(choices)) if changed else reply


def _beside_text(choice: Choice) -> object:
    """What else a choice says; nothing, mostly."""
    return choice.refusal or choice.reasoning or choice.tool_calls or choice.transcript


def _asking(stop: Stop, choice: Choice) -> Stop | Invalid:
    """What a rule's stop comes to: another question to the model, where the rule says so."""
    return about_rule(stop, choice.text or "") if stop.verb == "reask" else stop


async def _choice_screened(attempt: Attempt, choice: Choice, checks: Checks) -> Choice:
    text = choice.text and await screened(checks, choice.text, attempt.call)
    if text and attempt.plan.schema is not None and "\\" in text:
        text = await _json_screened(attempt, text, checks)
    refusal = choice.refusal and await screened(checks, choice.refusal, attempt.call)
    reasoning = choice.reasoning and await screened(checks, choice.reasoning, attempt.call)
    calls = choice.tool_calls
    if calls:
        calls = tuple([await _call_screened(attempt, call, checks) for call in calls])
    spoken = choice.transcript and await screened(checks, choice.transcript, attempt.call)
    before = (choice.text, choice.refusal, choice.reasoning, choice.tool_calls, choice.transcript)
    if before == (text, refusal, reasoning, calls, spoken):
        return choice
    return replace(
        choice, text=text, refusal=refusal, reasoning=reasoning, tool_calls=calls, transcript=spoken
    )


async def screened_rest(attempt: Attempt, reply: Reply, tallies: Tallies) -> Reply:
    """Run the output rules over what no gate has seen: refusals, and the arguments of tool calls."""
    checks = attempt.plan.output.checks("assistant", tallies)
    choices = [
        replace(await _choice_screened(attempt, replace(choice, text=None), checks), text=choice.text)
        for choice in reply.choices
    ]
    return replace(reply, choices=tuple(choices))


def capture(attempt: Attempt, reply: Reply) -> None:
    """Keep the reply for the sinks that store texts."""
    attempt.story.texts += as_left(reply.choices, attempt.plan)


async def _call_screened(attempt: Attempt, call: ToolCall, checks: Checks) -> ToolCall:
    if not call.arguments:
        return call
    text = await _json_screened(attempt, call.arguments, checks)
    if text == call.arguments:
        return call
    if call.tool is None:
        return replace(call, arguments=text)
    return call.tool.rewritten(call, text)


async def _json_screened(attempt: Attempt, text: str, checks: Checks) -> str:
    strings = json_strings(text)
    if strings is None:
        return await screened(checks, text, attempt.call)
    replaced: dict[int | None, str] = {}
    for nth, string in enumerate(strings):
        left = await screened(checks, string, attempt.call)
        if left != string:
            replaced[nth] = left
    return with_json_strings(text, replaced) if replaced else text
