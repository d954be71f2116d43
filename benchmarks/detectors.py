"""What the detectors cost on a message of 1 kB, and beside Presidio's pattern recognizers."""

from __future__ import annotations

import time
from importlib.util import find_spec

import guardrails_lite_validators as detectors
from benchmarks.install import import_ms
from guardrails_lite import Guard, Validator, block, redact

Row = tuple[str, float, str, float | None, bool]

ROUNDS = 200
TOGETHER_US = 150
TIMES_FASTER = 50
IMPORT_MS = 50
BATCH_MS, BATCHES, CALLS = 50, 20, 100
EACH_US = {"pii": 60, "secrets": 50, "injection": 300, "hidden_text": 40, "exfiltration": 40}
OTHERS = ("output_injection", "code", "refusal", "profanity")
MESSAGE = (
    "Hello, I bought the blue kettle last week and it does not heat up any more. Could you tell me how I "
    "can send it back, and whether the shop pays for the parcel? I have looked at the page about returns,"
    " but I did not understand which form I need, and the one at the counter did not know either. My "
    "order is number 4711, and the parcel came on Tuesday; the box is still here. If it is easier, I can "
    "bring it to the shop in Main Street on Friday after four. Please do not send another kettle of the "
    "same kind: my neighbour has one, and hers broke after a month too. Could I have the green one "
    "instead? It costs a little more, and I would pay the difference. You reach me at ada@example.org or,"
    " in the evening, under 212-555-0123. By the way, the lid of the old one never closed well, so "
    "perhaps you would like to tell the people who make them. They might want to look at the hinge, where"
    " a small spring comes off when it gets hot. Many thanks for your help, and all the best to everybody"
    " in the shop. Yours, Ada"
)
NOTHING_FOUND = MESSAGE.replace("ada@example.org", "my usual address").replace(
    "212-555-0123", "my old number"
)


def rows() -> list[Row]:
    """The least processor time of many runs each, in turns; other work on the machine only adds to it."""
    made: dict[str, Validator] = {name: getattr(detectors, name)() for name in EACH_US}
    others: dict[str, Validator] = {name: getattr(detectors, name)() for name in OTHERS}
    others["competitors"] = detectors.competitors(["Acme", "Globex", "Initech", "Umbrella"])
    others |= {"language": detectors.language(["en"]), "readability": detectors.readability(max_grade=9)}
    least = _least_us(made, ROUNDS) | _least_us(others, ROUNDS)
    per_kb = len(MESSAGE) / 1000
    together = {"nothing found": _together_us(NOTHING_FOUND), "two things masked": _together_us(MESSAGE)}
    told: list[Row] = [
        (
            f"{name}(), for each 1,000 characters",
            least[name] / per_kb,
            "µs",
            bound,
            bound is None or least[name] / per_kb <= bound,
        )
        for name, bound in ((name, EACH_US.get(name)) for name in least)
    ]
    told += [
        (
            f"a guard of {', '.join(EACH_US)}, over one of none, a message of 1 kB, {what}",
            took,
            "µs",
            TOGETHER_US,
            took <= TOGETHER_US,
        )
        for what, took in together.items()
    ]
    if find_spec("presidio_analyzer") is not None:
        told += _over_presidio(made["pii"])
    over = import_ms("guardrails_lite_validators")
    told.append(("import guardrails_lite_validators", over, "ms", IMPORT_MS, over <= IMPORT_MS))
    return told


def _over_presidio(pii: Validator) -> list[Row]:
    """How many times as long Presidio takes as `pii`, with the two running in turns in the same process.

    Batches show what each costs in a program that uses it: from the second call on it finds its own code
    and tables in the processor's caches. Call by call, each finds them full of what the other left there,
    which costs the shorter one far more.
    """
    pair = {"presidio": detectors.presidio(), "pii": pii}
    batch, call = _least_us_in_batches(pair), _least_us(pair, CALLS)
    rows: list[Row] = []
    for way, took in (
        (f"in batches of {BATCH_MS} ms, in turns", batch),
        ("call by call, in turns", call),
    ):
        times = took["presidio"] / took["pii"]
        name = f"presidio() without a model, over pii(), {way}"
        rows.append((name, times, "times", TIMES_FASTER, times >= TIMES_FASTER))
    return [*rows, ("pii() right after presidio()", call["pii"], "µs", None, True)]


def _least_us_in_batches(made: dict[str, Validator]) -> dict[str, float]:
    """The least time of a call, each taken as the mean of a batch."""
    least = dict.fromkeys(made, float("inf"))
    for _ in range(BATCHES):
        for name, find in made.items():
            began, calls = time.thread_time(), 0
            while (took := time.thread_time() - began) < BATCH_MS / 1000:
                find(MESSAGE)
                calls += 1
            least[name] = min(least[name], took / calls * 1e6)
    return least


def _together_us(message: str) -> float:
    """What the five detectors add to a guard's look at a message: what they find is acted on, too."""
    rules = [redact(detectors.pii()), redact(detectors.secrets()), block(detectors.injection())]
    rules += [redact(detectors.hidden_text()), block(detectors.exfiltration())]
    guards = {"five": Guard(input=rules, log=[]), "none": Guard(log=[])}
    least = dict.fromkeys(guards, float("inf"))
    for turn in range(ROUNDS + 1):
        for name, guard in guards.items():
            began = time.thread_time()
            guard.check(message)
            if turn:
                least[name] = min(least[name], (time.thread_time() - began) * 1e6)
    return least["five"] - least["none"]


def _least_us(made: dict[str, Validator], rounds: int) -> dict[str, float]:
    least = dict.fromkeys(made, float("inf"))
    for turn in range(rounds + 1):
        for name, find in made.items():
            began = time.thread_time()
            find(MESSAGE)
            if turn:  # the first loads tables
                least[name] = min(least[name], (time.thread_time() - began) * 1e6)
    return least
