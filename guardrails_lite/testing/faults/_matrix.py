"""The whole catalogue against one guard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Write the matrix in Markdown: a line for each variant, a column for each way of calling."""
        lines: dict[tuple[str, str], dict[Way, Observation]] = {}
        for each in self.observations:
            lines.setdefault((each.fault.id, each.variant), {})[each.way] = each
        head = f"| id | fault | expected | {' | '.join(WAYS)} |"
        rows = [head, "|---" * (3 + len(WAYS)) + "|"]
        for (id, variant), seen in lines.items():
            first = next(iter(seen.values()))
            title = f"{first.fault.title}: {variant}" if variant else first.fault.title
            cells = [_cell(seen.get(way)) for way in WAYS]
            rows.append(f"| {id} | {title} | {' / '.join(first.expected)} | {' | '.join(cells)} |")
        return "\n".join(rows)


def faults_matrix(
    guard: Guard[Any],
    *,
    ids: Iterable[str] | None = None,
    ways: Iterable[Way] = WAYS,
    deadline_s: float = 2.5,
    slack_s: float = 0.05,
    workers: int = 4,
) -> Matrix:
    """Try *guard*, around the real OpenAI client, against every fault that a server can bring about.

    Tried are its retries, fallbacks, budget, accepted endings and mode. Its rules, schema, tools and logs
    are left out, and a fallback to another client asks the lab's server instead: nothing leaves this
    machine.

    Args:
        guard: The guard to certify.
        ids: Only these rows, or groups by their letter: ``["H", "S07"]``.
        ways: Only these ways of calling.
        deadline_s: The deadline that stands in for the guard's own, up to 10 seconds. What a fault asks to
            wait is added.
        slack_s: By how much a call may outlive its deadline; a busy machine needs more.
        workers: How many calls to make at once.
    """
    if not 0 < deadline_s <= LONG_S / 2:
        raise ValueError(f"deadline_s={deadline_s!r} must be more than 0 and at most {LONG_S / 2:g} seconds")
    jobs = list(_jobs(ids, ways))

    def observe(job: tuple[Fault, Variant, Way]) -> Observation:
        fault, variant, way = job
        return attempt(guard, fault, variant, way, deadline_s=deadline_s, slack_s=slack_s)

    with ThreadPoolExecutor(workers) as pool:
        return Matrix(tuple(pool.map(observe, jobs)))


def _jobs(ids: Iterable[str] | None, ways: Iterable[Way]) -> Iterator[tuple[Fault, Variant, Way]]:
    from guardrails_lite.testing.faults import FAULTS

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
