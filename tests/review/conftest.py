"""A served review desk, and a browser to look at it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from guardrails_lite.audit.index import Index
from guardrails_lite.review._app import application
from guardrails_lite.review._desk import Desk
from guardrails_lite.review._door import Door
from guardrails_lite.review._place import Directory
from tests.review import browser as chromium
from tests.review import story
from tests.review.browser import Browser

Serve = Callable[..., str]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a month behind it; nobody writes to it."""
    root = tmp_path_factory.mktemp("story") / "log"
    story.told(root)
    with Index(root) as index:
        index.update()
    return root


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    """A copy of that log, to be written to."""
    return Path(shutil.copytree(written, tmp_path / "log"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a desk on a log until the test ends; its address."""
    with ExitStack() as stack:

        def start(root: Path, *, door: Door | None = None, needs: int = 1, rules: Iterable[Path] = ()) -> str:
            held = Desk(Directory(root), needs=needs, rules=rules, clock=lambda: story.NOW_NS)
            return stack.enter_context(served(held, door or Door("ada")))

        yield start


@contextmanager
def served(held: Desk, door: Door) -> Iterator[str]:
    """A desk behind a real server."""
    config = uvicorn.Config(application(held, door), port=0, log_level="error", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    sock = config.bind_socket()
    sock.listen()  # so that nobody comes too early
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


@pytest.fixture
def visitor(root: Path, serve: Serve) -> Iterator[httpx.Client]:
    """Somebody who visits a desk without a browser."""
    with httpx.Client(base_url=serve(root), follow_redirects=True, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this process."""
    if chromium.PROGRAM is None:
        pytest.skip("no Chromium on this machine; .ci/debian-packages.txt names the package")
    with chromium.running() as found:
        yield found
