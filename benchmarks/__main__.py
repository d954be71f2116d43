"""Run every benchmark and print one table: python -m benchmarks [NAME ...] [--json].

Each module of this folder has ``rows() -> list[Row]``. A row is a tuple of the name, the value, its unit,
the bound that we hold ourselves to (or None) and whether the value keeps it. Ratios compare things that
were measured in turns in the same run. The exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from collections.abc import Iterable, Sequence

import benchmarks

Row = tuple[str, float, str, float | None, bool]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks named, or all of them."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    names = [name for name in names if not name.startswith("_")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and hold the bounds.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)}; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(names)}")

    rows: list[Row] = []
    for name in options.names or names:
        began = time.perf_counter()
        rows += importlib.import_module(f"benchmarks.{name}").rows()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    sys.stdout.write(_as_json(rows) if options.json else _as_table(rows))
    return 0 if all(ok for *_, ok in rows) else 1


def _as_json(rows: Iterable[Row]) -> str:
    keys = ("name", "value", "unit", "bound", "ok")
    return "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)


def _as_table(rows: Iterable[Row]) -> str:
    lines = ["| what | measured | bound | |", "| --- | ---: | ---: | --- |"]
    for name, value, unit, bound, ok in rows:
        limit = "" if bound is None else f"{bound:g} {unit}"
        lines.append(f"| {name} | {value:.4g} {unit} | {limit} | {'' if ok else 'missed'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
