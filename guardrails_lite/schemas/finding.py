"""Where in a reply its JSON is: bare, in a fence, or in prose.

The reply is not asked to be tidy, only to be unambiguous. Fenced values are considered before values in
prose. Reasoning is not considered, also where it was never closed or its opening tag stood in the prompt;
what looks like it inside a value is part of the value. Which of several candidates is meant is decided by the
schema, in `_schema`: exactly one distinct value may fit. A value that quotes the user's input and another
that answers it would both fit, and then the reply is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from guardrails_lite.schemas.mending import Mended, mend
from guardrails_lite.schemas.problems import Edit, EditKind
from guardrails_lite.schemas.reading import Fault, Refused

_REASONING = re.compile(r"<(/?)(think|thinking|reasoning)>")
_FENCE = re.compile(r"(?:```|~~~)[ \t]*([A-Za-z0-9_+-]{0,20})[ \t]*\r?\n?")
_OPENER = re.compile(r"[\[{]")
_JOINS = " \t\r\n,;"
_MAX_TRIES = 64
"""Values tried in one reply; past it the reply is refused."""
_MAX_READ = 4
"""How many times its length may be read, on top of `_FREE_READ` characters."""
_FREE_READ = 100_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that may be the one that was asked for."""

    where: EditKind | None
    """``"fence"``, ``"prose"``, or None where the value is the whole reply."""
    mended: Mended


def candidates(text: str) -> tuple[list[Candidate], Fault]:
    """The values in *text*, the likeliest kind only, and what was wrong if there is none.

    A value that breaks in the middle ends the search: what is inside it, or after it, is not the answer.
    """
    try:
        spans = _reasoning(text)
    except Refused as refused:
        return [], refused.fault
    text = _blanked(text, spans)
    dropped = tuple(Edit("reasoning", start) for start, _ in spans)
    if not text.strip():
        return [], Fault("no json", 0, "a JSON value")
    fault: Fault | None = None
    try:
        mended = mend(text)
    except Refused as refused:
        fault = refused.fault
        if fault.begun:
            return [], fault
    else:
        rest = text[mended.end :].strip()
        if not rest:
            return [Candidate(None, _noting(mended, dropped))], Fault("no json")
        if mended.text[0] in "{[":
            # It starts with its answer; what follows may talk about it, not replace it.
            if rest.lstrip(_JOINS)[:1] in ("{", "["):
                return [], Fault("several values", mended.end, "one JSON value")
            return [Candidate("prose", _noting(mended, dropped))], Fault("no json")
    search = _Search(text)
    kinds: tuple[tuple[EditKind, Iterator[Mended]], ...] = (
        ("fence", search.fenced()),
        ("prose", search.loose()),
    )
    for kind, found in kinds:
        values = [Candidate(kind, _noting(mended, dropped)) for mended in found]
        if search.broken is not None:
            return [], search.broken
        if any(_reaches_into(each.mended, spans) for each in values):
            return [], Fault("no json", spans[0][0], "a JSON value without reasoning tags in it")
        if values and _run_together(text, values):
            return [], Fault("several values", values[1].mended.marks[0][1], "one JSON value")
        if values:
            return values, Fault("no json")
    if fault is not None and fault.code in ("not finite", "too deep", "lone surrogate"):
        return [], fault
    return [], Fault("no json", 0, "a JSON value")


def _run_together(text: str, values: list[Candidate]) -> bool:
    """Whether two values stand side by side, so that none of them is the whole answer."""
    between = (text[one.mended.end : two.mended.marks[0][1]] for one, two in pairwise(values))
    return any(not gap.strip(_JOINS) for gap in between)


def _reasoning(text: str) -> list[tuple[int, int]]:
    """Where in *text* reasoning stands, after the value that it begins with.

    Raises:
        Refused: reasoning ends after that value, so that it is a part of the reasoning.
    """
    tags = list(_REASONING.finditer(text)) if "<" in text else []
    if not tags:
        return []
    begins = _value_end(text)
    found: list[tuple[int, int]] = []
    name, since = "", -1
    for tag in tags:
        if tag.start() < begins:
            continue
        if since < 0 and not tag[1]:
            name, since = tag[2], tag.start()
        elif since >= 0 and tag[1] and tag[2] == name:
            found.append((since, tag.end()))
            since = -1
        elif since < 0 and begins:
            raise Refused(Fault("no json", tag.start(), "a JSON value after the reasoning"))
        elif since < 0:  # it began before the reply did
            found = [(0, tag.end())]
    return found if since < 0 else [*found, (since, len(text))]


def _value_end(text: str) -> int:
    """Where the object or array ends that *text* begins with, bare or in a fence; nowhere if it breaks."""
    fence = _FENCE.match(text, len(text) - len(text.lstrip()))
    try:
        mended = mend(text, fence.end() if fence else 0)
        return mended.end if mended.text[0] in "{[" else 0
    except Refused as refused:
        return len(text) if refused.fault.begun else 0


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    """*text* with blanks in place of *spans*, so that offsets stay."""
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], " " * (end - start))
        at = end
    return "".join([*pieces, text[at:]]) if spans else text


def _reaches_into(mended: Mended, spans: list[tuple[int, int]]) -> bool:
    """Whether something was blanked inside a value."""
    return any(mended.marks[0][1] < start < mended.end for start, _ in spans)


def _noting(mended: Mended, edits: tuple[Edit, ...]) -> Mended:
    return replace(mended, edits=edits + mended.edits) if edits else mended


class _Search:
    """A bounded search for values that are not the whole text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tries = 0
        self.left = _MAX_READ * len(text) + _FREE_READ
        self.broken: Fault | None = None

    def fenced(self) -> Iterator[Mended]:
        at = 0
        while self.broken is None and (fence := _FENCE.search(self.text, at)) is not None:
            at = fence.end()
            mended = self.attempt(at)
            if mended is not None:
                at = mended.end
                yield mended
            closing = _FENCE.search(self.text, at)
            at = closing.end() if closing is not None else len(self.text)

    def loose(self) -> Iterator[Mended]:
        at = 0
        while self.broken is None and (opener := _OPENER.search(self.text, at)) is not None:
            mended = self.attempt(opener.start())
            at = opener.end()
            if mended is not None:
                at = mended.end
                yield mended

    def attempt(self, start: int) -> Mended | None:
        if self.tries >= _MAX_TRIES or self.left <= 0:
            self.broken = Fault("no json", start, "JSON that is easy to tell from the text around it")
            return None
        self.tries += 1
        try:
            mended = mend(self.text, start)
        except Refused as refused:
            self.left -= max(refused.fault.offset - start, 1)
            if refused.fault.begun:
                self.broken = refused.fault
            return None
        self.left -= mended.end - start
        return mended
