"""A request before it is sent: screened, and completed by what the guard declares."""

from __future__ import annotations

from collections.abc import Container, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._endings import blocked
from guardrails_lite._engine._screen import Round
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import Blocked, ConfigError
from guardrails_lite._messages import Call, Reply, get
from guardrails_lite._messages._params import (
    BESIDE,
    DECLARATIONS,
    PARAMS,
    SETTINGS,
    content_of,
    declares,
    is_given,
    pieces_beside,
    rewritten,
    role_of,
)
from guardrails_lite._messages._texts import Piece, pieces_of, rewrite
from guardrails_lite._nesting import MAX_DEPTH, TooDeepError
from guardrails_lite._record import KeptText

if TYPE_CHECKING:
    from guardrails_lite._engine._asking import Invalid
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._engine._story import Story
    from guardrails_lite._targets import Primary, Target
    from guardrails_lite._tools import Offered
    from guardrails_lite.schemas.parts import Parts


Screened = tuple[Call, "Stop | None"]
"""The call as the input rules leave it, and the `fall_back` rule that keeps it from the primary, if any."""


def screen_request(story: Story, call: Call) -> Screened | Coroutine[Any, Any, Screened]:
    """Run the input rules over every text of the request.

    Returns:
        What they leave of it, or something to await for that: without rules there is nothing to wait for.

    Raises:
        Blocked: a rule stops it, and nothing has been sent.
    """
    plan = story.plan
    pieces, unscreened = pieces_of(call.messages)
    chars = 0
    for piece in pieces:
        chars += len(piece.text)
    story.input_chars = chars
    declarations: list[Declaration] = []
    if plan.toolbox is not None or call.beside or not SETTINGS.issuperset(call.params):
        call = _with_lists(call)
        pieces += _pieces_beside(plan, call, declarations, unscreened)
    if unscreened:
        story.unscreened = tuple(dict.fromkeys(unscreened))
    if plan.input.rules:
        return _screen(story, call, pieces, declarations)
    if plan.captures:
        _capture(story, pieces, {})
    for declaration in declarations:  # it could be walked through, and need not be again
        plan.memo.add(declaration)
    return call, None


async def _screen(
    story: Story, call: Call, pieces: Sequence[Piece], declarations: Sequence[Declaration]
) -> Screened:
    plan = story.plan
    side = plan.input
    tallies = story.tallies(side)
    changed: dict[Piece, str] = {}
    past: list[Stop] = []
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
            screening = checks.screen(text, call, past)
            left = screening if isinstance(screening, str) else await screening
        except Stop as stop:
            if plan.seals:
                _seal(story, pieces, {*changed, piece})
            raise _stopped(call, piece, stop) from None
        if left != text:
            changed[piece] = left
        elif side.remembers and checks.all_passed:
            plan.memo.add((role, text))
    for declaration in declarations:
        checks = tallies if isinstance(tallies, Round) else side.checks(declaration[0], tallies)
        if declaration in plan.memo:
            checks.know()
        elif side.remembers and checks.all_passed:
            plan.memo.add(declaration)
    if plan.captures:
        _capture(story, pieces, changed)
    if past and not plan.fallback:
        raise blocked(past[0], "the request")
    if changed:
        call = _saying(plan, call, changed)
    return call, past[0] if past else None


def _capture(story: Story, pieces: Sequence[Piece], changed: Mapping[Piece, str]) -> None:
    """Keep the texts for the sinks that store them: of what is declared beside them only what was changed."""
    story.texts += [
        KeptText("input", piece.role, changed.get(piece, piece.text))
        for piece in pieces
        if piece in changed or not declares(piece)
    ]
    if story.plan.seals:
        _seal(story, pieces, changed)


def _seal(story: Story, pieces: Sequence[Piece], touched: Container[Piece]) -> None:
    """Keep the same texts as they were said."""
    story.originals += tuple(
        KeptText("input", piece.role, piece.text, story.attempt)
        for piece in pieces
        if piece in touched or not declares(piece)
    )


_TAKEN_AT_ITS_WORD = {
    "tools": " Or declare the function itself, which is not screened: Guard(tools=[function]).",
    "response_format": " Or declare the type itself, which is not screened: Guard(schema=Type).",
}
"""What may be done about a declaration in which nothing can be masked."""


def _stopped(call: Call, piece: Piece, stop: Stop) -> Blocked:
    path = call.path_of(piece.message, piece.where)
    if not stop.rule.rewrites or stop.broken:
        return blocked(stop, path)
    remedy = (
        "If it were masked, it would mean something else. Take it out, or give the rule roles= without "
        f"{piece.role!r}, the role that it belongs to.{_TAKEN_AT_ITS_WORD.get(str(piece.where[0]), '')}"
    )
    return blocked(stop, f"{path}, where nothing can be masked", remedy=remedy)


Declaration = tuple[str, bytes]
"""Whose words a declaration counts as, and its content. One that has passed is remembered as a whole."""
_OF_THE_GUARD: Declaration = ("tool", b"")
"""The tools that a guard declares by dicts: always the same, so their content need not be looked at."""


def _pieces_beside(
    plan: Plan, call: Call, declarations: list[Declaration], unscreened: list[str]
) -> Iterator[Piece]:
    """The texts beside the messages, less those of declarations that have passed every rule before."""
    for place, params in ((PARAMS, call.params), (BESIDE, call.beside)):
        for name, value in params.items():
            if name in SETTINGS or not is_given(value):
                continue
            if name in DECLARATIONS and (content := content_of(value)) is not None:
                declarations.append((role_of(name), content))
                if declarations[-1] in plan.memo:
                    continue
            try:
                yield from pieces_beside(place, name, value, unscreened)
            except TooDeepError:
                path = call.path_of(place, (name,))
                raise ConfigError(
                    f"{path} of the request is nested deeper than {MAX_DEPTH} levels, so it cannot be "
                    "screened. Does it contain itself?"
                ) from None
    if plan.toolbox is not None and not is_given(call.params.get("tools")):
        described = plan.toolbox.described
        if any(described):
            declarations.append(_OF_THE_GUARD)
            if _OF_THE_GUARD not in plan.memo:
                yield from pieces_beside(PARAMS, "tools", described, unscreened)


def _with_lists(call: Call) -> Call:
    """The call, with what can be read but once made a list."""
    if not any(isinstance(value, Iterator) for value in call.params.values()):
        return call
    params = {
        name: list(value) if isinstance(value, Iterator) else value for name, value in call.params.items()
    }
    return replace(call, params=params)


def _saying(plan: Plan, call: Call, texts: Mapping[Piece, str]) -> Call:
    """The call with the *texts* in place of their pieces."""
    said: dict[int, dict[Piece, str]] = {0: {}, PARAMS: {}, BESIDE: {}}
    for piece, text in texts.items():
        said[min(piece.message, 0)][piece] = text
    params = call.params
    if plan.toolbox is not None and not is_given(params.get("tools")) and any(map(declares, said[PARAMS])):
        params = {**params, "tools": plan.toolbox.definitions}
    return Call(
        rewrite(call.messages, said[0]),
        rewritten(params, said[PARAMS]),
        rewritten(call.beside, said[BESIDE]),
        call.path_of,
    )


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
        if plan.enforce and (problems := offered.check_results(call.messages, call.path_of)):
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


async def asked_again(
    story: Story, call: Call, invalid: Invalid, *, in_blocks: bool
) -> tuple[Call, Parts | None]:
    """The call with the failed reply and what was wrong with it, screened like everything that is sent.

    Args:
        in_blocks: The target is one that is told of tools in blocks of the content.

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
    if in_blocks:
        from guardrails_lite._messages import _blocks

        added = _blocks.in_blocks(added)
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
    """Messages of ours as the input rules leave them; None where one keeps them from who is asked."""
    if not story.plan.input.rules:
        return messages
    story.attempt, attempt = 0, story.attempt
    texts, originals = len(story.texts), story.originals
    try:
        added, past = await _screen(story, Call(messages, call.params), pieces_of(messages)[0], ())
    except Blocked:
        return None
    finally:
        story.attempt = attempt
        del story.texts[texts:]  # kept of a request is what the caller asked, and not what this asks again
        story.originals = originals
    return added.messages if past is None or story.fell_back else None


def choices_asked(call: Call) -> int:
    n = call.params.get("n")
    return n if type(n) is int and n > 0 else 1


_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_ANY_LIMIT = frozenset(_LIMITS)


def completion_limit(call: Call) -> int | None:
    if _ANY_LIMIT.isdisjoint(call.params):
        return None
    for name in _LIMITS:
        limit = call.params.get(name)
        if type(limit) is int:
            return limit
    return None
