"""The names of calls: each has its own, whoever else draws names at the same time."""

from __future__ import annotations

import os
import re
import threading

import pytest

from guardrails_lite import Guard
from guardrails_lite._engine._ids import CallIds
from guardrails_lite.testing import ScriptedModel

NOW_S = 1_764_288_000.0


def test_every_call_has_a_name_of_its_own() -> None:
    """More calls than are drawn ahead at a time: 32 hexadecimal digits each, and no two the same."""
    guard = Guard(log=[])
    names = [guard.run(ScriptedModel(["fine"]), "hi").record.id for _ in range(200)]
    assert len({*names}) == 200
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)


def test_threads_draw_different_names() -> None:
    """What one thread has drawn, no other one gets."""
    ids, names = CallIds(), list[str]()

    def draw() -> None:
        mine = [ids.next(NOW_S) for _ in range(5_000)]
        names.extend(mine)

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*names}) == len(names) == 40_000


@pytest.mark.parametrize("later_s", [1.0, 3_600.0, -3_600.0])
def test_what_was_drawn_is_forgotten_after_a_second(later_s: float) -> None:
    """A machine may be woken twice from one image: then both hold what was drawn, and use none of it."""
    ids = CallIds()
    ids.next(NOW_S)
    drawn = {*ids._drawn}
    assert drawn
    assert ids.next(NOW_S + 0.5) in drawn
    assert ids.next(NOW_S + later_s) not in drawn
    assert drawn.isdisjoint(ids._drawn)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_draws_its_own() -> None:
    """What the parent had drawn ahead is the parent's."""
    ids = CallIds()
    ids.next(NOW_S)
    drawn = {*ids._drawn}

    child = os.fork()
    if child == 0:
        os._exit(0 if ids.next(NOW_S) not in drawn else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ids.next(NOW_S) in drawn
