"""When an upstream is no longer asked, and how it is tried again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability import Breaker
from guardrails_lite.reliability._breaker import Circuit, Verdict

BREAKER = Breaker(min_calls=4, open_s=10, longest_open_s=30)


class Driver:
    """A circuit with its clock, and dice that show the middle."""

    def __init__(self, breaker: Breaker = BREAKER) -> None:
        self.breaker = breaker
        self.circuit = Circuit()
        self.now_s = 0.0
        self.number = 0

    def enter(self, lease_s: float = 60.0) -> tuple[str, int] | None:
        if not self.circuit.admits(self.breaker, self.now_s):
            return None
        self.number += 1
        name = f"p{self.number}"
        return name, self.circuit.enter(name, lease_ends_s=self.now_s + lease_s)

    def leave(self, permit: tuple[str, int] | None, verdict: Verdict, took_s: float = 1.0) -> None:
        assert permit is not None, "the call was not admitted"
        self.circuit.leave(
            self.breaker, *permit, verdict, now_s=self.now_s, took_s=took_s, random=lambda: 0.5
        )

    def run(self, *verdicts: Verdict, took_s: float = 1.0) -> None:
        for verdict in verdicts:
            self.leave(self.enter(), verdict, took_s)

    def opened(self) -> Driver:
        self.run("bad", "bad", "bad", "bad")
        assert self.circuit.state == "open"
        return self


def test_it_opens_on_a_share_of_enough_calls() -> None:
    """Half of at least four calls must fail; three failures alone say too little."""
    driver = Driver()
    driver.run("bad", "bad", "bad")
    assert driver.circuit.state == "closed"
    driver.run("good", "good", "good", "good", "bad")
    assert driver.circuit.state == "open"


def test_old_failures_are_forgotten() -> None:
    """Failures from before the window do not add up with new ones."""
    driver = Driver()
    driver.run("bad", "bad", "bad")
    driver.now_s = 61.0
    driver.run("bad")
    assert driver.circuit.state == "closed"


def test_the_window_is_never_shorter_than_the_calls() -> None:
    """With calls of 90 s a window of 60 s stretches, or it would never hold four of them."""
    driver = Driver()
    for _ in range(3):
        driver.run("bad", took_s=90.0)
        driver.now_s += 50
    driver.run("bad", took_s=90.0)
    assert driver.circuit.state == "open"


def test_slow_calls_open_it_too() -> None:
    """An upstream that answers everything, but crawls, is not asked any more."""
    driver = Driver(Breaker(min_calls=4, slow_s=5, slow_share=0.75))
    driver.run("good")
    driver.run("good", "good", took_s=6.0)
    assert driver.circuit.state == "closed"
    driver.run("good", took_s=6.0)
    assert driver.circuit.state == "open"


def test_while_open_nothing_goes() -> None:
    """Until its time has come nobody is admitted, and it says when to ask again."""
    driver = Driver().opened()
    driver.now_s = 9.9
    assert driver.enter() is None
    assert driver.circuit.retry_at_s(driver.now_s) == pytest.approx(10.0)
    driver.now_s = 10.0
    assert driver.enter() is not None


def test_half_open_admits_one_probe_at_a_time() -> None:
    """Of fifty callers at once, one goes; other breakers let all fifty through."""
    driver = Driver().opened()
    driver.now_s = 10.0
    assert sum(driver.enter() is not None for _ in range(50)) == 1


def test_enough_good_probes_close_it() -> None:
    """Two good probes, one after another, close it; the next failures count from nothing."""
    driver = Driver().opened()
    driver.now_s = 10.0
    driver.run("good")
    assert driver.circuit.state == "half-open"
    driver.run("good")
    assert driver.circuit.state == "closed"
    driver.run("bad", "bad", "bad")
    assert driver.circuit.state == "closed"


def test_bad_probes_open_it_for_longer() -> None:
    """Each failed probe doubles the time, up to the longest; a closed circuit starts over."""
    driver = Driver().opened()
    waits = []
    for _ in range(4):
        driver.now_s = driver.circuit.until_s
        driver.run("bad")
        waits.append(driver.circuit.until_s - driver.now_s)
    assert waits == [20.0, 30.0, 30.0, 30.0]
    driver.now_s = driver.circuit.until_s
    driver.run("good", "good")
    driver.opened()
    assert driver.circuit.until_s - driver.now_s == 10.0


def test_a_cancelled_probe_says_nothing() -> None:
    """It neither closes nor opens the circuit, and its place is free for the next one."""
    driver = Driver().opened()
    driver.now_s = 10.0
    for _ in range(10):
        driver.run("neutral")
    assert driver.circuit.state == "half-open"
    assert driver.enter() is not None


def test_a_probe_that_never_returns_loses_its_lease() -> None:
    """A hung probe does not hold the circuit half-open for ever."""
    driver = Driver().opened()
    driver.now_s = 10.0
    hung = driver.enter(lease_s=30.0)
    assert driver.enter() is None
    assert driver.circuit.retry_at_s(driver.now_s) == 40.0
    driver.now_s = 40.0
    driver.run("good", "good")
    driver.leave(hung, "bad")
    assert driver.circuit.state == "closed"


def test_late_results_are_ignored() -> None:
    """A call from before the circuit opened says nothing about the upstream of now."""
    driver = Driver()
    early = driver.enter()
    driver.opened()
    driver.now_s = 10.0
    probe = driver.enter()
    driver.leave(early, "good")
    assert driver.circuit.successes == 0
    driver.leave(early, "bad")
    assert driver.circuit.state == "half-open"
    driver.leave(probe, "good")
    assert driver.circuit.successes == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"failure_share": 0}, "failure_share=0 of Breaker must be a share above 0 to 1"),
        ({"slow_share": 1.1}, "slow_share=1.1"),
        ({"min_calls": 0}, "min_calls=0 of Breaker must be a whole number, 1 or more"),
        ({"probes": True}, "probes=True"),
        ({"successes": 1.0}, "successes=1.0"),
        ({"window_s": 0}, "window_s=0 of Breaker must be more than 0 seconds"),
        ({"slow_s": -1}, "slow_s=-1 of Breaker must be more than 0 seconds, or None"),
        ({"open_s": float("inf")}, "open_s=inf"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    """A wrong setting is an error when it is written."""
    with pytest.raises(ConfigError, match=message):
        Breaker(**settings)


def test_it_prints_as_the_code_that_made_it() -> None:
    """The repr shows what differs from the defaults."""
    assert repr(Breaker()) == "Breaker()"
    assert repr(BREAKER) == "Breaker(min_calls=4, open_s=10, longest_open_s=30)"


class Circuits(RuleBasedStateMachine):
    """Law: whatever happens, probes never exceed the limit, and neutral or late results change nothing."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(Breaker(min_calls=3, open_s=5, longest_open_s=20, probes=2, successes=2))
        self.out: dict[str, tuple[int, float]] = {}

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 6.0, 25.0, 90.0]))
    def wait(self, seconds: float) -> None:
        self.driver.now_s += seconds

    @rule(target=calls, lease_s=st.sampled_from([1.0, 30.0]))
    def enter(self, lease_s: float) -> tuple[str, int] | None:
        permit = self.driver.enter(lease_s)
        if permit is not None:
            assert self.driver.circuit.state != "open"
            self.out[permit[0]] = (permit[1], self.driver.now_s + lease_s)
        return permit

    @rule(call=consumes(calls), verdict=st.sampled_from(["good", "bad", "neutral"]))
    def leave(self, call: tuple[str, int] | None, verdict: Verdict) -> None:
        if call is None:
            return
        circuit = self.driver.circuit
        before = circuit.state, circuit.epoch, circuit.successes, len(circuit.recent)
        self.out.pop(call[0])
        self.driver.leave(call, verdict)
        if verdict == "neutral" or call[1] != before[1]:
            assert (circuit.state, circuit.epoch, circuit.successes, len(circuit.recent)) == before

    @rule()
    def survive_a_store(self) -> None:
        """What a shared store keeps is the whole state."""
        dumped = json.loads(json.dumps(self.driver.circuit.dump()))
        again = Circuit()
        again.load(dumped)
        assert again.dump() == self.driver.circuit.dump()
        self.driver.circuit = again

    @invariant()
    def probes_are_limited(self) -> None:
        circuit, now_s = self.driver.circuit, self.driver.now_s
        if circuit.state == "half-open":
            out = [ends_s for epoch, ends_s in self.out.values() if epoch == circuit.epoch and ends_s > now_s]
            assert len(out) <= 2
        assert circuit.successes < 2


TestCircuits = Circuits.TestCase
