"""What `redact(pii())` wrote into a text before: the names of its masks are nobody's words.

A guard often masks addresses before it looks for orders. ``[EMAIL_ADDRESS]`` is then no talk of e-mail,
and yet an address: "send it all to [EMAIL_ADDRESS]" asks for what it asked for before. So the mask of an
address is read as the beginning of one, and any other as blanks. Masks of secrets stay, for somebody may
ask for the ``[PASSWORD]``; and so does all else in brackets, which may be what an attacker wrote.
"""

from __future__ import annotations

import functools
import re


def unmasked(text: str) -> str:
    """A text in lower case with what its masks stand for; all else stays, and where it stands."""
    return _MASK.sub(_shown, text) if "[" in text else text


_MASK = re.compile(r"\[[a-z_]{3,40}\]")
_BEGINNINGS = {"EMAIL_ADDRESS": "a@", "URL": "http:"}


def _shown(found: re.Match[str]) -> str:
    return _masks().get(found.group(), found.group())


@functools.cache
def _masks() -> dict[str, str]:
    """What is read in place of each mask, of the same length."""
    from guardrails_lite_validators._pii import messages

    shown = {f"[{kind}]".lower(): _BEGINNINGS.get(kind, "") for kind in messages()}
    return {mask: beginning.ljust(len(mask)) for mask, beginning in shown.items()}
