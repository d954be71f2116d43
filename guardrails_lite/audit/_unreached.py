"""Why a server was not reached, without a word of its address, which may be a secret."""

from __future__ import annotations


def why(error: Exception) -> str:
    """What the system says of *error*, as ``Connection refused``; of any other, its class."""
    reason = getattr(error, "reason", error)  # urllib puts one around it
    told = reason.strerror if isinstance(reason, OSError) else None
    return told or type(error).__name__
