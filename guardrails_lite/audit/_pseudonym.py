"""Keyed pseudonyms: the same person is the same word, and nobody without the key can guess which.

A plain hash of an e-mail address is still personal data, for it can be guessed. A pseudonym is an
HMAC-SHA-256 under a key of this log; who holds the key can look a known value up, and destroying the key
makes every pseudonym meaningless. Keys belong to periods, so that old pseudonyms can be unlinked.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path

from guardrails_lite._errors import ConfigError
from guardrails_lite._who import key_name
from guardrails_lite.audit._disk import replace_secret
from guardrails_lite.audit._note import b64, unb64
from guardrails_lite.audit._registry import read_config

_KEPT = 4096


class Pseudonyms:
    """The pseudonyms of one log, under the newest of its keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[str, bytes] = {}
        self._known: dict[tuple[str, str], str] = {}

    def load(self, *, make: bool) -> None:
        """Read the keys; where there are none and *make* says so, make the first one.

        Raises:
            ConfigError: they cannot be read. Others in their place would call everybody something else.
        """
        if make and not os.path.lexists(self.path):
            self._keys = {"1": secrets.token_bytes(32)}
            self._save()
            return
        try:
            held = json.loads(self.path.read_bytes())
            self._keys = {period: unb64(key) for period, key in held.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{self.path}: the pseudonyms' key cannot be read ({type(error).__name__}), so no value "
                "can be looked up and nothing added. Give keys=, or look for the pseudonym itself."
            ) from error

    def of(self, kind: str, value: str) -> str:
        """The pseudonym of *value*, which is a *kind* such as ``"user"``."""
        found = self._known.get((kind, value))
        if found is None:
            period = next(reversed(self._keys))
            found = _word(period, self._keys[period], kind, value)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[kind, value] = found
        return found

    def all_of(self, kind: str, value: str) -> list[str]:
        """What *value* may be called in this log: one pseudonym for each period."""
        return [_word(period, key, kind, value) for period, key in self._keys.items()]

    def rotate(self) -> str:
        """Start a new period; the keys of older ones stay until `forget`. Returns its name."""
        period = str(max(map(int, self._keys), default=0) + 1)
        self._keys[period] = secrets.token_bytes(32)
        self._save()
        self._known.clear()
        return period

    def forget(self, period: str) -> None:
        """Destroy the key of *period*: its pseudonyms can no longer be looked up."""
        if period == next(reversed(self._keys)):
            self.rotate()
        del self._keys[period]
        self._save()
        self._known.clear()

    def _save(self) -> None:
        held = {period: b64(key) for period, key in self._keys.items()}
        replace_secret(self.path, json.dumps(held).encode())


def pseudonyms_in(
    directory: str | os.PathLike[str],
    kind: str,
    value: str,
    *,
    keys: str | os.PathLike[str] | None = None,
) -> list[str]:
    """What *value* may be called in the log in *directory*, found without opening it for writing.

    Args:
        directory: A directory that `AuditLog` made.
        kind: What it names: ``"user"``, ``"session"`` or ``"api_key"``.
        value: As it was bound.
        keys: Where the log's keys are; default: ``keys`` in *directory*.

    Raises:
        ConfigError: *directory* is not a compliance log, or one of a newer format; or the key is not
            there, so nobody can say what *value* is called.
    """
    read_config(Path(directory) / "log.json")
    place = (Path(keys) if keys is not None else Path(directory) / "keys") / "pseudonym.key"
    names = Pseudonyms(place)
    names.load(make=False)
    return names.all_of(kind, value)


def _word(period: str, key: bytes, kind: str, value: str) -> str:
    if kind == "api_key":
        value = key_name(value)  # a wrapped client's key is known by this name only
    text = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
    return f"p{period}:{hmac.digest(key, text, 'sha256')[:16].hex()}"
