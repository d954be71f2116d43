"""States in Redis or Valkey: for several hosts.

The policies stay in Python: an update reads the states, changes them here, and writes them back with one
script that does nothing if anybody has written meanwhile; then it is done again. Times are the server's
own, so the hosts' clocks need not agree.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite.reliability._forks import on_fork
from guardrails_lite.reliability._shared_store import StoreUnavailable, loaded
from guardrails_lite.reliability._stores import Keys

R = TypeVar("R")

_WRITE = """
local n = #KEYS
for i = 1, n do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then return 0 end
end
for i = 1, n do
  redis.call('SET', KEYS[i], ARGV[n + i], 'PX', ARGV[2 * n + 1])
end
return 1
"""
_KEPT_MS = 3_600_000


@by_name
class RedisStore:
    """Share breakers, limits and pauses with processes on other hosts. Needs the package `redis`.

    Args:
        url: The server, such as ``redis://localhost:6379/0``.
        workers: How many processes use the store: while it does not answer, each uses one part in *workers*.
        wait_s: The longest an update may take, in seconds.
        prefix: Begins each key, so that applications can share a server.

    Raises:
        ConfigError: an argument that cannot work, or the package is missing.
    """

    poll_s = 0.05

    def __init__(
        self, url: str, *, workers: int = 4, wait_s: float = 0.05, prefix: str = "guardrails-lite"
    ) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ConfigError(f"workers={workers!r} of RedisStore must be a whole number, 1 or more.")
        if not 0 < wait_s <= 5:
            raise ConfigError(f"wait_s={wait_s!r} of RedisStore must be more than 0 and at most 5 seconds.")
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingPackage.needed_by("RedisStore", "redis", install="guardrails-lite[redis]") from error
        self.workers = workers
        self._wait_s = wait_s
        self._prefix = f"{{{prefix}}}:"  # in braces, so that a cluster keeps all keys together
        self._client: Any = redis.Redis.from_url(
            url,
            socket_timeout=wait_s / 2,
            socket_connect_timeout=wait_s / 2,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._write = self._client.register_script(_WRITE)
        self._here = threading.local()
        self._lock = threading.Lock()
        on_fork(self)

    def __repr__(self) -> str:
        return f"RedisStore(..., workers={self.workers})"  # the address may hold a password

    def now_s(self) -> float:
        """The server's time, as of the update that is being made."""
        return float(self._here.now_s)

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Change the states as one step, again if another process came between."""
        ends_s = time.monotonic() + self._wait_s
        # Threads of one process take turns here, or they would only get into each other's way.
        if not self._lock.acquire(timeout=self._wait_s):
            raise StoreUnavailable("other threads are using the server")
        try:
            names = [self._prefix + name for name, _ in keys]
            while time.monotonic() < ends_s:
                before = self._read(names)
                states = [loaded(kind, _parsed(body)) for (_, kind), body in zip(keys, before, strict=True)]
                found = step(*states)
                if self._wrote(names, before, [json.dumps(state.dump()) for state in states]):
                    return found
        finally:
            self._lock.release()
        raise StoreUnavailable("other processes came between, again and again")

    def _read(self, names: list[str]) -> list[str | None]:
        try:
            read = self._client.pipeline(transaction=False)
            read.mget(names)
            read.time()
            before, (seconds, microseconds) = read.execute()
            self._here.now_s = seconds + microseconds / 1e6
            return [body if isinstance(body, str) else None for body in before]
        except Exception as error:  # a server that talks nonsense makes the package fail in any way
            raise StoreUnavailable(type(error).__name__) from error

    def _wrote(self, names: list[str], before: list[str | None], after: list[str]) -> bool:
        try:
            return bool(self._write(keys=names, args=[*(body or "" for body in before), *after, _KEPT_MS]))
        except Exception as error:  # as above
            raise StoreUnavailable(type(error).__name__) from error

    def close(self) -> None:
        """Close the connections. The next update opens new ones."""
        self._client.close()

    def start_afresh(self) -> None:
        """Give up a lock that another thread of the parent may have held."""
        self._lock = threading.Lock()


def _parsed(body: str | None) -> Any:
    try:
        return None if body is None else json.loads(body)
    except ValueError:
        return None
