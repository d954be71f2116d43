"""What a guard's digest stands for: its settings as JSON, bound to the digest, without what is private.

A digest names a policy in every record of a call, and `Policy.config` says what that policy is. Names,
kinds, numbers and choices are in it; texts (words to look for, hosts, questions, fixed answers, headers) are
counted and *withheld*. The digest is one over the configuration and a digest of the *rest*, which is what was
withheld and the code. So whoever reads a configuration can check that it is the one the digest names::

    digest = SHA-256(canonical JSON of {"config": …, "rest": …}), its first 32 hex digits

A withheld text may be short enough to be guessed, and everything else about a policy is known to who reads
the log. So the rest is salted with the configuration and stretched: a guess costs what a password's would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from weakref import WeakValueDictionary

_HEX: Final = 32
_SCRYPT: Final[dict[str, int]] = {"n": 2**12, "r": 8, "p": 1, "dklen": 16}

_ALIVE: Final[WeakValueDictionary[str, Policy]] = WeakValueDictionary()
"""By digest. Guards that decide alike share one, so it is here for as long as any of them is."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Policy:
    """What a guard decides by, as others may read it."""

    digest: str
    config: Mapping[str, Any]
    """The settings, as JSON has them."""
    rest: str
    """A digest of what is not in `config`: what was withheld, and the code."""
    withheld: Mapping[str, str] = field(repr=False)
    """The withheld texts by their places in `config`, such as ``/input/0/params/words``. Never written."""


def policy_of(config: Mapping[str, Any], withheld: Mapping[str, str], code: object) -> Policy:
    """The policy of these settings.

    Args:
        config: What may be read, as JSON has it.
        withheld: What may not, by its place.
        code: What else decides, as JSON has it: digests of functions, say.
    """
    from hashlib import sha256  # it loads OpenSSL, which takes longer than a guard needs to be made

    salt = sha256(canonical(config)).digest()
    secret = sha256(canonical([code, withheld])).digest()
    # Digests of code cannot be guessed, so a guard that withholds nothing need not pay for the stretching.
    rest = _stretched(secret, salt) if withheld else sha256(salt + secret).hexdigest()[:_HEX]
    digest = digest_of(config, rest)
    return _ALIVE.setdefault(digest, Policy(digest, config, rest, withheld))


@lru_cache(maxsize=256)
def _stretched(secret: bytes, salt: bytes) -> str:
    """A digest that takes a while. A program that makes the same guard for each request pays for it once."""
    from hashlib import scrypt

    return scrypt(secret, salt=salt, **_SCRYPT).hex()


def alive(digest: str) -> Policy | None:
    """The policy of that digest, where a guard of this process has it."""
    return _ALIVE.get(digest)


def digest_of(config: object, rest: str) -> str:
    """The digest of a configuration with that rest."""
    from hashlib import sha256

    return sha256(canonical({"config": config, "rest": rest})).hexdigest()[:_HEX]


def canonical(value: object) -> bytes:
    """*value* in one form: keys sorted, no blanks, everything but ASCII escaped."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def is_bound(told: Mapping[str, Any], digest: str) -> bool:
    """Whether what a record tells of a policy is what *digest*, by which it is known, names."""
    rest = told.get("rest")
    if told.get("digest") != digest or not isinstance(rest, str):
        return False
    try:
        return digest_of(told.get("config"), rest) == digest
    except (ValueError, RecursionError):  # no number, or deeper than any guard is
        return False


def rules_of(config: object, side: str) -> list[Mapping[str, Any]]:
    """The rules of a side in a configuration that was read; a stranger may have written it."""
    rules = config.get(side) if isinstance(config, Mapping) else None
    return [rule for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []
