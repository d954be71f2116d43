"""`Pseudonyms`: stand-ins for personal data that keep their meaning within a conversation.

The same value gets the same stand-in wherever it comes up in a conversation, so the model can still tell two
people apart; another conversation gets another. A stand-in is a keyed digest and says nothing about the
value. Values are remembered in memory, up to a limit, so that an output rule can put them back.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite._who import who_calls

_TOKEN = re.compile(r"\[([A-Z][A-Z_]{1,38}[A-Z])_([0-9A-F]{10})\]")
_LONGEST = 40 + 1 + 10 + 2


class Pseudonyms:
    """Hide values on the way in, and restore them on the way out where you allow it::

        names = Pseudonyms()
        guard = Guard(input=[redact(pii(mask=names.hide))], output=[redact(names.restore())])

    With a schema, put the rule on a field instead, and only that field is restored:
    ``Annotated[str, redact(names.restore())]``.

    A conversation is what `bound` names by ``session``, and by ``tenant`` and ``user`` if it names them; a
    stand-in of one conversation is not restored in another. Without `bound` all calls share one.

    Args:
        key: 16 bytes or more, so that stand-ins stay the same after a restart; default: a random one.
        remember: How many values are kept, the least recently used forgotten first. 0: none, so that
            stand-ins cannot be turned back.

    Raises:
        ConfigError: a key that is too short, or a negative limit.
    """

    def __init__(self, *, key: bytes | None = None, remember: int = 100_000) -> None:
        if key is not None and (not isinstance(key, bytes) or len(key) < 16):
            raise ConfigError(
                "key of Pseudonyms(...) must be 16 bytes or more; secrets.token_bytes(32) makes one"
            )
        if isinstance(remember, bool) or not isinstance(remember, int) or remember < 0:
            raise ConfigError(f"remember={remember!r} of Pseudonyms(...) must be a whole number, 0 or more")
        self._key = key or os.urandom(32)
        self._remember = remember
        self._values: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "Pseudonyms()" if self._remember else "Pseudonyms(remember=0)"

    def hide(self, entity: str, value: str) -> str:
        """The stand-in for *value*: ``[EMAIL_ADDRESS_3F9A0C27D1]``. Made for the `mask` of `pii`."""
        conversation = _conversation()
        said = "\0".join((conversation, entity, value)).encode("utf-8", "surrogatepass")
        token = f"[{entity}_{hmac.new(self._key, said, hashlib.sha256).hexdigest()[:10].upper()}]"
        if self._remember:
            with self._lock:
                self._values[conversation, token] = value
                self._values.move_to_end((conversation, token))
                while len(self._values) > self._remember:
                    self._values.popitem(last=False)
        return token

    def restore(self, *, entities: Iterable[str] | None = None) -> Validator:
        """A validator that finds the stand-ins of this conversation; `redact` then puts the values back.

        Args:
            entities: Only those of these types, such as ``["EMAIL_ADDRESS"]``; default: all.

        Raises:
            ConfigError: nothing is remembered, so nothing could be restored.
        """
        if not self._remember:
            raise ConfigError("Pseudonyms(remember=0) keeps no values, so restore() could never find one")
        allowed = (
            None if entities is None else frozenset((entities,) if isinstance(entities, str) else entities)
        )

        @validator(
            name="Pseudonyms.restore",
            window=_LONGEST,
            params={} if allowed is None else {"entities": sorted(allowed)},
        )
        def find(text: str) -> Iterator[Finding]:
            if "[" not in text:
                return
            conversation = _conversation()
            for found in _TOKEN.finditer(text):
                value = self._values.get((conversation, found.group()))
                if value is not None and (allowed is None or found[1] in allowed):
                    yield Finding(
                        "stands for a value that was hidden",
                        span=found.span(),
                        category=found[1],
                        replacement=value,
                    )

        return find


def _conversation() -> str:
    who = who_calls()
    return "\0".join(who.get(name, "") for name in ("tenant", "user", "session"))
