"""The whole catalogue against one guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import MissingPackage
from guardrails_lite.testing.faults._catalogue import FAULTS
from guardrails_lite.testing.faults._fault import LONG_S, Fault, Variant
from guardrails_lite.testing.faults._trial import WAYS, Observation, Way, attempt

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard


@dataclass(frozen=True, slots=True)
class Matrix:
    """What a guard did about each fault, in each way of calling."""

    observations: tuple[Observation, ...]

    @property
    def failed(self) -> tuple[Observation, ...]:
        """Where it did something else than expected."""
        return tuple(each for each in self.observations if not each.ok)

    def rows(self) -> list[list[Observation]]:
        """The observations of each variant of each fault together, in the order of the catalogue."""
        rows: dict[tuple[str, str], list[Observation]] = {}
        for each in self.observations:
            rows.setdefault((each.fault.id, each.variant), []).append(each)
        return list(rows.values())

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Write the matrix in Markdown: a line for each variant, a column for each way of calling."""
        head = f"| id | fault | expected | {' | '.join(WAYS)} |"
        rows = [head, "|---" * (3 + len(WAYS)) + "|"]
        for seen in self.rows():
            first = seen[0]
            title = f"{first.fault.title}: {first.variant}" if first.variant else first.fault.title
            cells = [_cell(next((each for each in seen if each.way == way), None)) for way in WAYS]
            row = [first.fault.id, title, " / ".join(first.expected), *cells]
            rows.append(f"| {' | '.join(row)} |")
        return "\n".join(rows)


def faults_matrix(
    guard: Guard[Any],
    *,
    ids: Iterable[str] | None = None,
    ways: Iterable[Way] = WAYS,
    deadline_s: float = 2.5,
    slack_s: float = 0.05,
    workers: int = 4,
    told: Callable[[int, int], None] | None = None,
) -> Matrix:
    """Try *guard*, around the real OpenAI client, against every fault that a server can bring about.

    Tried are its retries, fallbacks, budget, clocks, upstream, accepted endings and mode. Its rules, schema,
    tools and logs are left out, and a fallback to another client asks the lab's server instead: nothing
    leaves this machine. Fixed waits are shortened to a twentieth of the lab's deadline, clocks to less than
    their share of it, and time-outs of fallbacks are left out.

    Args:
        guard: The guard to certify.
        ids: Only these rows, or groups by their letter: ``["H", "S07"]``.
        ways: Only these ways of calling.
        deadline_s: The deadline that stands in for the guard's own, up to 10 seconds. What a fault asks to
            wait is added.
        slack_s: By how much a call may outlive its deadline; a busy machine needs more.
        workers: How many calls to make at once.
        told: Called after each call with how many are done, and of how many.

    Raises:
        MissingPackage: openai is not installed.
        ValueError: *ids* names what is not there, or *deadline_s* is out of its range.
    """
    if not 0 < deadline_s <= LONG_S / 2:
        raise ValueError(f"deadline_s={deadline_s!r} must be more than 0 and at most {LONG_S / 2:g} seconds")
    jobs = list(_jobs(ids, ways))
    if find_spec("openai") is None:
        raise MissingPackage.needed_by("the fault lab", "openai", install="openai")

    def observe(job: tuple[Fault, Variant, Way]) -> Observation:
        fault, variant, way = job
        return attempt(guard, fault, variant, way, deadline_s=deadline_s, slack_s=slack_s)

    # What is imported on first use is imported now, and not in the time of the first rows.
    for way in {way: None for _, _, way in jobs}:
        attempt(guard, FAULTS["H23"], FAULTS["H23"].answers[0], way, deadline_s=deadline_s, slack_s=slack_s)
    seen = []
    with ThreadPoolExecutor(workers) as pool:
        for observation in pool.map(observe, jobs):
            seen.append(observation)
            if told is not None:
                told(len(seen), len(jobs))
    return Matrix(tuple(seen))


def _jobs(ids: Iterable[str] | None, ways: Iterable[Way]) -> Iterator[tuple[Fault, Variant, Way]]:
    wanted = None if ids is None else set(ids)
    unknown = (wanted or set()) - set(FAULTS) - {id[0] for id in FAULTS}
    if unknown:
        raise ValueError(
            f"there are no faults {', '.join(sorted(unknown))}; expected ids such as 'H01' or 'S'"
        )
    for fault in FAULTS.values():
        if wanted is None or fault.id in wanted or fault.id[0] in wanted:
            for variant in fault.answers:
                for way in ways:
                    if fault.streamed is None or fault.streamed == ("stream" in way):
                        yield fault, variant, way


def _cell(observation: Observation | None) -> str:
    if observation is None:
        return ""
    return observation.word if observation.ok else f"**{'; '.join(observation.faults)}**"
