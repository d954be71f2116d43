"""What `policy.loaded` says: the meaning of the digest by which calls name the policy that decided them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from guardrails_lite._policy import alive, is_bound
from guardrails_lite.audit._pseudonym import Pseudonyms
from guardrails_lite.audit._settings import Capture

_LONGEST: Final = 2**20
"""Bytes of what a policy consists of: each segment tells it anew."""


def explanation(
    digest: str, *, pseudonyms: Pseudonyms, capture: Capture, encode: Callable[[object], bytes]
) -> bytes | None:
    """What the policy of that digest is, as an entry's payload; None: nothing can be said of it here."""
    policy = alive(digest)
    if policy is None:
        return None
    told = {
        "digest": digest,
        "config": policy.config,
        "rest": policy.rest,
        "withheld": {place: pseudonyms.of("withheld", text) for place, text in policy.withheld.items()},
        "capture": capture,
    }
    body = encode(told)
    # What is too long, or deeper than JSON is read, would be found as forged: it is not told then.
    return body if len(body) <= _LONGEST and is_bound(json.loads(body), digest) else None
