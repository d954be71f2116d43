"""A hedged call stepped by hand, up to where both sends are under way and the test decides which lands."""

from __future__ import annotations

import concurrent.futures
from typing import Any

from guardrails_lite import Guard, Hedge, Retry
from guardrails_lite._engine._effects import Write
from guardrails_lite._engine._flights import Flight, Land, Landing, Launch
from guardrails_lite._messages import Call
from tests.engine.test_steps import SAID, Steps

ALWAYS = Hedge(after_s=1.0, max_share=1.0)
ONCE = Retry(attempts=1)
PRICED = Call(SAID.messages, {"model": "m"})
DOWN = ConnectionError("no route to host 10.1.2.3")


class Played(Flight):
    """A flight whose landing the test decides."""

    def __init__(self) -> None:
        super().__init__(concurrent.futures.Future())
        self.cancelled = False

    def brings(self, raw: Any) -> None:
        """It lands with a reply."""
        self.future.set_result(Landing(raw, False))  # type: ignore[union-attr]

    def fails(self, error: BaseException) -> None:
        """It lands with an error."""
        self.future.set_exception(error)  # type: ignore[union-attr]

    def cancel(self) -> None:
        """Told to end."""
        self.cancelled = True


class Race(Steps):
    """Play the driver of a hedged call, up to where both sends are under way."""

    def __init__(self, guard: Guard[Any], said: Call = SAID) -> None:
        super().__init__(guard, said)
        self.flights: list[Played] = []

    def launch(self) -> Played:
        """Let a send set off."""
        assert isinstance(self.asked, Launch)
        flight = Played()
        self.flights.append(flight)
        self.answer(flight)
        return flight

    def both(self) -> tuple[Played, Played]:
        """Let the first be late, so that the second sets off."""
        first = self.launch()
        assert self.asked == Land([first], 1.0)
        self.answer()
        return first, self.launch()

    def land(self, flight: Played, brings: Any) -> Any:
        """Land a flight; return what is asked for next."""
        assert isinstance(self.asked, Land)
        if isinstance(brings, BaseException):
            flight.fails(brings)
        else:
            flight.brings(brings)
        return self.answer()

    def interrupt(self, kind: type[BaseException]) -> None:
        """Interrupt, then answer to the end; a core that is collected asks for nothing any more."""
        if kind is GeneratorExit:
            self.core.throw(GeneratorExit)
        self.fail(kind())
        self.to_the_end()

    def to_the_end(self) -> Any:
        """Answer what is left; return the record."""
        record = None
        while self.asked is not None:
            if isinstance(self.asked, Write):
                record = self.asked.entry
            self.answer(self.asked.run())
        return record


def hedged(**settings: Any) -> Guard[Any]:
    """A guard that may hedge every call."""
    return Guard(**{"hedge": Hedge(after_s=1.0, max_share=1.0), "retry": ONCE, "log": [].append, **settings})


def sends(record: Any) -> list[tuple[int, str, str | None]]:
    """Number, result and error of each attempt, as they were booked."""
    return [(step.number, step.result, step.error) for step in record.attempts]


def notes(record: Any) -> list[tuple[str, str | None]]:
    """The notes about hedging."""
    return [(note.what, note.detail) for note in record.notes if "hedge" in note.what]
