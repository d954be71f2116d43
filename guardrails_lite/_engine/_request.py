"""A request before it is sent: screened, and completed by what the guard declares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._endings import blocked
from guardrails_lite._engine._screen import Round
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import Blocked
from guardrails_lite._messages import Call, Message, Reply, get
from guardrails_lite._messages._texts import Piece, pieces_of, plain, rewrite

if TYPE_CHECKING:
    from guardrails_lite._engine._asking import Invalid
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._engine._story import Story
    from guardrails_lite._targets import Primary, Target
    from guardrails_lite._tools import Offered
    from guardrails_lite.schemas.parts import Parts


async def screen_request(story: Story, call: Call) -> tuple[Call, Stop | None]:
    """Run the input rules over every text of the request.

    Returns:
        The call as the rules leave it, and the `fall_back` rule that keeps it from the primary, if any.

    Raises:
        Blocked: a rule stops it, and nothing has been sent.
    """
    plan = story.plan
    messages = _all_said(call) if call.params else call.messages
    pieces, unscreened = pieces_of(messages)
    chars = 0
    for piece in pieces:
        chars += len(piece.text)
    story.input_chars = chars
    if unscreened:
        story.unscreened = tuple(dict.fromkeys(unscreened))
    side = plan.input
    if not side.rules:
        if plan.captures:
            story.texts += [("input", piece.role, piece.text) for piece in pieces]
        return call, None
    tallies = story.tallies(side)
    rewritten: dict[Piece, str] = {}
    fall_back: Stop | None = None
    newest = len(call.messages) - 1
    for piece in pieces:
        message, _, role, text, _ = piece
        checks = tallies if isinstance(tallies, Round) else side.checks(role, tallies)
        if not checks:
            continue
        if message != newest and (role, text) in plan.memo:
            checks.know()
            continue
        try:
            screening = checks.screen(text, call)
            left = screening if isinstance(screening, str) else await screening
        except Stop as stop:
            if stop.verb != "fall_back":
                raise blocked(stop, piece.path if message <= newest else "prediction.content") from None
            fall_back, left = fall_back or stop, text
        if left != text:
            rewritten[piece] = left
        elif side.remembers and checks.all_passed:
            plan.memo.add((role, text))
    if plan.captures:
        story.texts += [("input", piece.role, rewritten.get(piece, piece.text)) for piece in pieces]
    if fall_back is not None and not plan.fallback:
        raise blocked(fall_back, "the request")
    if rewritten:
        call = _saying(call, rewrite(messages, rewritten))
    return call, fall_back


def _all_said(call: Call) -> tuple[Message, ...]:
    """The messages of a request, and what it predicts of the reply as one more: that is sent as well."""
    predicted = get(call.params.get("prediction"), "content")
    if predicted is None:
        return call.messages
    return (*call.messages, {"role": "assistant", "content": predicted})


def _saying(call: Call, said: tuple[Message, ...]) -> Call:
    """The call once more, with what `_all_said` told of it as it is in *said*."""
    own = len(call.messages)
    params = call.params
    for predicted in said[own:]:
        told = {**plain(params["prediction"]), "content": get(predicted, "content")}
        params = {**params, "prediction": told}
    return replace(call, messages=said[:own], params=params)


def declared(plan: Plan, call: Call, primary: Target | Primary) -> tuple[Offered | None, Call]:
    """What the request and the guard declare together: the tools offered and the form of the answer.

    Raises:
        Blocked: the request brings a tool result that answers no call, or is not what its tool returns.
    """
    if plan.schema is not None and primary.completion and "response_format" not in call.params:
        asked = {**call.params, "response_format": plan.schema.response_format()}
        call = replace(call, params=asked)
    offered = None
    if plan.toolbox is not None or "tools" in call.params or "functions" in call.params:
        from guardrails_lite._tools import Toolbox

        offered = (plan.toolbox or Toolbox.of(())).offered(call.params)
        params = offered.params(call.params)
        if params is not call.params:
            call = replace(call, params=params)
        if plan.enforce and (problems := offered.check_results(call.messages)):
            raise Blocked(f"a tool result of the request was refused: {problems[0]}", outcome="tool denied")
        if not offered:
            offered = None
    return offered, call


def nothing_offered(call: Call, reply: Reply) -> Offered | None:
    """Holds a reply with tool calls to a request that offers no tool: each call is refused.

    An empty list of tools offers none, and neither do tools that the provider runs itself: their calls never
    come here. None where the reply has no calls, or the request may offer more than is known here.
    """
    if not any(choice.tool_calls for choice in reply.choices) or any(map(_is_stored, call.messages)):
        return None
    from guardrails_lite._tools import Toolbox

    return Toolbox.of(()).offered({})


def _is_stored(message: Any) -> bool:
    """Whether a message stands for a prompt that the provider keeps, which may bring tools of its own."""
    content = get(message, "content")
    return isinstance(content, list) and any(get(part, "type") == "prompt" for part in content)


async def asked_again(story: Story, call: Call, invalid: Invalid) -> tuple[Call, Parts | None]:
    """The call with the failed reply and what was wrong with it, screened like everything that is sent.

    Returns:
        The call, and the parts of the reply that it asks for; None where it asks for all of it.
    """
    narrowed = invalid.narrowed
    added = await _screened(story, call, invalid.messages if narrowed is None else narrowed.messages)
    if added is None:
        # The model's own words may not go back to it; what was wrong with them still may.
        narrowed = None
        added = tuple(message for message in invalid.messages if message["role"] == "user")
        story.note("re-ask without the reply")
    parts = None if narrowed is None else narrowed.parts
    if parts is not None and get(call.params.get("response_format"), "type") == "json_schema":
        call = replace(call, params={**call.params, "response_format": parts.schema.response_format()})
    call = replace(call, messages=(*call.messages, *added))
    story.input_chars = chars_of(call)
    return call, parts


async def screened_words(story: Story, call: Call, said: str) -> str | None:
    """Words of the model as the input rules let them go back to it; None where they may not."""
    added = await _screened(story, call, ({"role": "assistant", "content": said},))
    return None if added is None else get(added[0], "content")


def chars_of(call: Call) -> int:
    """Characters of all texts of a request."""
    return sum(len(piece.text) for piece in pieces_of(call.messages)[0])


async def _screened(story: Story, call: Call, messages: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Messages of ours as the input rules leave them; None where one stops them."""
    if not story.plan.input.rules:
        return messages
    story.attempt, attempt = 0, story.attempt
    try:
        added, _ = await screen_request(story, Call(messages, call.params))
    except Blocked:
        return None
    finally:
        story.attempt = attempt
    return added.messages


def choices_asked(call: Call) -> int:
    n = call.params.get("n")
    return n if type(n) is int and n > 0 else 1


def completion_limit(call: Call) -> int | None:
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        limit = call.params.get(name)
        if type(limit) is int:
            return limit
    return None
