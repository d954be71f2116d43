"""``guardrails-lite eval``: how well a guard does on labelled examples, with intervals and cost."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard import Guard
from guardrails_lite._plugins import load, parameters
from guardrails_lite._rules import warn
from guardrails_lite._validators import Validator
from guardrails_lite.cli._parser import share
from guardrails_lite.cli._scan import NO_VALIDATOR
from guardrails_lite.cli._terminal import fail, print_json, print_table, progress, safe

if TYPE_CHECKING:
    from guardrails_lite.evaluation import Calibration, Evaluation, Example


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "data", metavar="FILE", help="a .jsonl file: each line an object with a text and a label"
    )
    parser.add_argument(
        "--guard",
        metavar="FILE",
        action="append",
        default=[],
        help="a guard in TOML or YAML; give it twice to compare two guards",
    )
    parser.add_argument(
        "--validators",
        metavar="NAMES",
        help="validators to try instead of a guard, or to compare a guard with; default: injection",
    )
    parser.add_argument(
        "--side",
        choices=("input", "output"),
        default="input",
        help="which rules to use for lines that do not say; default: %(default)s",
    )
    parser.add_argument("--field", default="text", help="the field with the text; default: %(default)s")
    parser.add_argument("--label", default="label", help="the field with the label; default: %(default)s")
    parser.add_argument(
        "--kind", metavar="FIELD", help="the field to group by; default: kind, otherwise source"
    )
    parser.add_argument(
        "--target-fpr",
        type=share,
        metavar="RATE",
        help="also find, for each of --validators that has a threshold, the lowest threshold that flags no "
        "more than this share of the benign examples",
    )
    parser.add_argument("--html", metavar="FILE", help="also write a report with plots")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--min-recall", type=share, metavar="RATE", help="exit with 1 if recall is below this"
    )
    parser.add_argument(
        "--max-fpr",
        type=share,
        metavar="RATE",
        help="exit with 1 if the false-positive rate is above this",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate. Exits with 0, 1 if a required rate is missed, 2 for wrong use, 5 for unreadable data."""
    from guardrails_lite.evaluation import html_report, read_examples

    try:
        guards = _guards(arguments)
        examples = list(
            read_examples(arguments.data, text=arguments.field, label=arguments.label, kind=arguments.kind)
        )
        if not examples:
            return fail(f"{arguments.data} contains no examples", 5)
        evaluations = [_evaluated(guard, examples, arguments.side) for guard in guards]
        calibrations = _calibrations(arguments, examples)
        if arguments.html:
            Path(arguments.html).write_text(
                html_report(evaluations, calibrations=calibrations), encoding="utf-8"
            )
    except ConfigError as error:
        return fail(error)
    except UnicodeDecodeError:
        return fail(f"{arguments.data} is not UTF-8; convert it first", 5)
    except OSError as error:
        return fail(f"{error.filename}: cannot be read or written ({error.strerror})", 5)
    except ValueError as error:
        return fail(error, 5)
    if arguments.json:
        print_json(_as_json(evaluations, calibrations))
    else:
        _print(evaluations, calibrations)
    return max(_missed(each, arguments) for each in evaluations)


def _guards(arguments: argparse.Namespace) -> list[Guard[Any]]:
    guards = [Guard.from_file(file) for file in arguments.guard]
    if arguments.validators is not None or not guards:
        rules = [warn(load(name, {})) for name in _names(arguments)]
        if not rules:
            raise ConfigError(NO_VALIDATOR)
        guards.append(Guard(name=", ".join(_names(arguments)), input=rules, output=rules))
    if len(guards) > 2:
        raise ConfigError(f"{len(guards)} guards were given, but at most two can be compared")
    return guards


def _names(arguments: argparse.Namespace) -> list[str]:
    named = "injection" if arguments.validators is None else arguments.validators
    return [name for name in named.split(",") if name.strip()]


def _evaluated(guard: Guard[Any], examples: Sequence[Example], side: Any) -> Evaluation:
    from guardrails_lite.evaluation import evaluate

    return evaluate(guard, progress(examples, total=len(examples), what="examples"), side=side)


def _calibrations(arguments: argparse.Namespace, examples: Sequence[Example]) -> list[Calibration]:
    from guardrails_lite.evaluation import calibrate
    from guardrails_lite.evaluation._evaluate import rules_meant

    if arguments.target_fpr is None:
        return []
    names = [name for name in _names(arguments) if "threshold" in parameters(name)]
    if not names:
        raise ConfigError("--target-fpr: none of --validators has a threshold")

    def calibrated(name: str) -> Calibration:
        make = functools.partial(_with_threshold, name)
        rules = (warn(make(0.5)),)
        about = [each for each in examples if not each.rule or rules_meant(rules, each.rule)]
        return calibrate(
            make,
            [text for each in about if not each.positive for _, text in each.texts],
            target_fpr=arguments.target_fpr,
            # of several texts, it is not known in which one something should be found
            positive=[each.text for each in about if each.positive and not each.others],
        )

    return [calibrated(name) for name in names]


def _with_threshold(name: str, threshold: float) -> Validator:
    return load(name, {"threshold": threshold})


def _missed(evaluation: Evaluation, arguments: argparse.Namespace) -> int:
    recall, fpr = evaluation.recall, evaluation.false_positive_rate
    low = arguments.min_recall is not None and not recall.share >= arguments.min_recall
    high = arguments.max_fpr is not None and not fpr.share <= arguments.max_fpr
    return int(low or high)


def _as_json(evaluations: Sequence[Evaluation], calibrations: Sequence[Calibration]) -> dict[str, Any]:
    from guardrails_lite.evaluation import compare

    told: dict[str, Any] = {"evaluations": [each.to_dict() for each in evaluations]}
    if len(evaluations) == 2:
        positive, benign = compare(*evaluations)
        told["comparison"] = {"positive": positive.to_dict(), "benign": benign.to_dict()}
    if calibrations:
        told["calibrations"] = [each.to_dict() for each in calibrations]
    return told


def _print(evaluations: Sequence[Evaluation], calibrations: Sequence[Calibration]) -> None:
    from guardrails_lite.evaluation import compare

    print_table(
        ("guard", "recall", "precision", "false positives", "µs/kB"),
        [
            (each.name, each.recall, each.precision, each.false_positive_rate, f"{each.us_per_kb:.0f}")
            for each in evaluations
        ],
    )
    for each in evaluations:
        if each.broken:
            print(safe(f"{each.name}: a rule broke on {counted(each.broken, 'example')}"))
        _print_kinds(each)
    if len(evaluations) == 2:
        _print_title("flagged by both, only the first, only the second, neither; p by McNemar's exact test")
        print_table(
            ("", "both", "first", "second", "neither", "p"),
            [
                (what, pair.both, pair.only_first, pair.only_second, pair.neither, f"{pair.p_value:.3g}")
                for what, pair in zip(("positive", "benign"), compare(*evaluations), strict=True)
            ],
        )
    for calibration in calibrations:
        _print_title(
            f"{calibration.validator!r}: false positives {calibration.false_positive_rate}, "
            f"recall {calibration.recall}"
        )


def _print_title(text: str) -> None:
    print(f"\n{safe(text)}")


def _print_kinds(evaluation: Evaluation) -> None:
    for what, positive in (("positive", True), ("benign", False)):
        rates = evaluation.by_kind(positive=positive)
        if len(rates) > 1:
            _print_title(f"{evaluation.name}: {what} examples flagged")
            print_table(
                ("kind", "flagged", "of", "share"),
                [(kind or "-", rate.hits, rate.total, rate) for kind, rate in rates.items()],
            )
    if spans := evaluation.by_span():
        _print_title(f"{evaluation.name}: expected spans covered")
        print_table(
            ("category", "of", "by the same category", "by any"),
            [(category, typed.total, typed, covered) for category, (typed, covered) in spans.items()],
        )
    _print_title(f"{evaluation.name}: found in")
    confusion = evaluation.confusion()
    print_table(
        ("kind", "found"),
        [
            (kind, ", ".join(f"{category} x{times}" for category, times in found.most_common(6)))
            for kind, found in confusion.items()
        ],
        empty="nothing",
    )
