"""How many wrong tokens the desk looks at, and what its operator hears of them."""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import Final

from guardrails_lite._harmless import safe

MOST: Final = 10
"""So many wrong tokens are looked at in any `WITHIN_S`."""
WITHIN_S: Final = 60.0

_logger = logging.getLogger("guardrails_lite.review")


class Tries:
    """The newest wrong tokens, whoever tried them.

    Addresses are not told apart: behind a proxy all may be one, and whoever guesses may have many.
    """

    def __init__(self) -> None:
        self._at_s: deque[float] = deque(maxlen=MOST)

    def wait_s(self, now_s: float) -> int:
        """For how many more whole seconds no token is looked at; 0: the next one is."""
        if len(self._at_s) < MOST:
            return 0
        return max(0, math.ceil(self._at_s[0] + WITHIN_S - now_s))

    def count(self, now_s: float, address: str) -> None:
        """Remember a wrong token, and warn of it; nothing of the token is told."""
        self._at_s.append(now_s)
        _logger.warning("wrong token at the review desk, from %s", safe(address))
        if wait_s := self.wait_s(now_s):
            _logger.warning("too many wrong tokens at the review desk: none is looked at for %d s", wait_s)
