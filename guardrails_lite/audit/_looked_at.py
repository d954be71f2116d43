"""What output and input rules look at of the texts that were kept of a call.

A rule is shown the arguments of a tool call one string or number at a time, and nothing of a call that was
refused before, because of its name, its arguments or its terms. Of a reply it is shown the text first and the
reasoning later, which are kept as they were said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._messages._texts import json_strings

if TYPE_CHECKING:
    from guardrails_lite._record import KeptText
    from guardrails_lite.audit._content import Texts

LookedAt = tuple[tuple[str, str, str], ...]
"""(side, role, text) of each text that a rule is shown."""


_KEPT: Final = ("reasoning", "text", "refusal", "tool call")
_SHOWN: Final = ("text", "refusal", "reasoning", "tool call")
"""The order of the parts of a choice: as they are kept (`_kept`), and as rules see them (`_checking`)."""


def looked_at(texts: Iterable[KeptText]) -> LookedAt:
    """The *texts*, as rules are shown them: an empty one of a reply is not."""
    return tuple(
        (each.side, each.role, text)
        for choice in _choices(texts)
        for each in sorted(choice, key=lambda each: _SHOWN.index(each.part))
        if each.text or each.side == "input"
        for text in _shown(each)
    )


def _choices(texts: Iterable[KeptText]) -> Iterator[list[KeptText]]:
    """The texts of each choice of a reply, and those of a request one by one."""
    choice: list[KeptText] = []
    for each in texts:
        place = _KEPT.index(each.part)
        if (
            choice
            and place <= _KEPT.index(choice[-1].part)
            and not choice[-1].part == each.part == "tool call"
        ):
            yield choice
            choice = []
        choice.append(each)
    yield choice


def _shown(kept: KeptText) -> list[str]:
    strings = json_strings(kept.text) if kept.part == "tool call" else None
    return [kept.text] if strings is None else strings


def came_to_rules(originals: Texts, data: Mapping[str, Any]) -> Texts:
    """The *originals* of the call that *data* records, without tool calls that were refused before."""
    verdicts: defaultdict[Any, Iterator[Any]] = defaultdict(lambda: iter(()))
    if data.get("mode") != "monitor":
        for attempt, steps in tools_by_attempt(data).items():
            verdicts[attempt] = iter([step.get("verdict") for step in steps])
    return tuple(
        each
        for each in originals
        if each.part != "tool call" or next(verdicts[each.attempt], "passed") == "passed"
    )


def tools_by_attempt(data: Mapping[str, Any]) -> dict[Any, list[Mapping[str, Any]]]:
    """What the record tells of the tool calls of each attempt, in their order."""
    steps = data.get("tools")
    found: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            attempt = step.get("attempt")
            found[attempt if isinstance(attempt, int) else None].append(step)
    return dict(found)
