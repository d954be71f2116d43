"""Print recall, false-positive rates with Wilson intervals and the cost of each detector.

    python validators/evaluation/evaluate.py --prompts PATH/TO/dev.jsonl

Positives of `pii` and `secrets` are generated here, those of the others by `links.py`, `hidden.py` and
`payloads.py`, from their own grammars and a fixed seed, and not from the detectors' tables. Negatives are real prompts labelled benign.
`injection` is counted by source, since an attack of one family says little about another.
"""

# ruff: noqa: E501 - templates read best on one line

from __future__ import annotations

import argparse
import base64
import json
import math
import random
import string
import sysconfig
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from hidden import HONEST, hidden
from hiding import hidden_attacks
from links import honest, leaks
from payloads import payloads
from tongues import ATTACKS, tongues
from tongues import HONEST as HONEST_TONGUES
from unseen_attacks import unseen_attacks
from unseen_honest import unseen_honest

from guardrails_lite._validators import Validator
from guardrails_lite_validators import exfiltration, hidden_text, injection, output_injection, pii, secrets

ALNUM = string.ascii_letters + string.digits
Z = 1.96


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    share, spread = hits / total, Z * Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def line(name: str, hits: int, total: int) -> str:
    low, high = wilson(hits, total)
    return f"  {name:34} {hits:5}/{total:<5} {hits / max(total, 1):6.3f}  [{low:.3f}, {high:.3f}]"


# --- generated positives ----------------------------------------------------------------------------


def luhn(draw: random.Random, beginning: str, length: int) -> str:
    body = beginning + "".join(draw.choice("0123456789") for _ in range(length - len(beginning) - 1))
    total = sum(int(c) if i % 2 else sum(divmod(2 * int(c), 10)) for i, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def iban(draw: random.Random, country: str, length: int) -> str:
    account = "".join(draw.choice(string.digits) for _ in range(length - 4))
    number = "".join(str(int(char, 36)) for char in account + country + "00")
    return f"{country}{98 - int(number) % 97:02}{account}"


def grouped(digits: str, by: int, mark: str) -> str:
    return mark.join(digits[at : at + by] for at in range(0, len(digits), by))


def shaped(draw: random.Random, shape: str) -> str:
    """``#`` any digit, ``%`` one from 2 to 9, ``?`` a lower-case letter."""
    pools = {"#": string.digits, "%": "23456789", "?": string.ascii_lowercase}
    return "".join(draw.choice(pools[char]) if char in pools else char for char in shape)


CARDS = (("4", 16), ("4", 13), ("4", 19), ("51", 16), ("2223", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16),
         ("65", 16), ("3528", 16), ("36", 14), ("305", 14), ("62", 16), ("5018", 16), ("6304", 13), ("2200", 16))  # fmt: skip
IBANS = (
    ("DE", 22),
    ("ES", 24),
    ("AT", 20),
    ("CH", 21),
    ("BE", 16),
    ("DK", 18),
    ("FI", 18),
    ("PL", 28),
    ("PT", 25),
    ("NO", 15),
)
PHONES = ("%##-%##-####", "(%##) %##-####", "+1 %##-%##-####", "1-%##-%##-####", "%##.%##.####", "+44 20 #### ####", "020 7### ####",
          "07### ######", "+49 30 #######", "030 #######", "(0%##) ######", "+33 6 ## ## ## ##", "06 ## ## ## ##", "+34 6## ### ###",
          "+39 06 #######", "+81-3-####-####", "03-####-####", "+55 11 9####-####", "(11) 9####-####", "+91 98### #####", "+46 8 ### ## ##",
          "08-### ## ##", "+48 6## ### ###", "+61 4## ### ###", "+86 138 #### ####")  # fmt: skip
FRAMES = (
    "My {what} is {value}.",
    "{value}",
    "please note {what}: {value}, thanks",
    "Contact\t{value}\nbefore Monday",
    "He wrote {value} on the form",
)


def personal(draw: random.Random) -> Iterable[tuple[str, str, str]]:
    """Entity, value, text."""
    makers: dict[str, tuple[str, Callable[[], str]]] = {
        "CREDIT_CARD": ("card", lambda: luhn(draw, *draw.choice(CARDS))),
        "EMAIL_ADDRESS": ("e-mail", lambda: shaped(draw, draw.choice(("????.????@????.com", "???##@????.co.uk", "?+??@mail.????.org", "????_??@???-???.de")))),
        "IBAN_CODE": ("account", lambda: draw.choice((str, lambda i: grouped(i, 4, " ")))(iban(draw, *draw.choice(IBANS)))),
        "IP_ADDRESS": ("address", lambda: ".".join(str(draw.randint(11, 250)) for _ in range(4))),
        "PHONE_NUMBER": ("number", lambda: shaped(draw, draw.choice(PHONES))),
        "US_SSN": ("SSN", lambda: shaped(draw, "5##-%#-%###")),
    }  # fmt: skip
    for entity, (what, make) in makers.items():
        for _ in range(300):
            value = make()
            yield entity, value, draw.choice(FRAMES).format(what=what, value=value)


def token(draw: random.Random, size: int, alphabet: str = ALNUM) -> str:
    return "".join(draw.choice(alphabet) for _ in range(size))


def credentials(draw: random.Random) -> Iterable[tuple[str, str]]:
    """Kind, text."""
    hexes, base32 = "0123456789abcdef", string.ascii_uppercase + "234567"
    forms: dict[str, Callable[[], str]] = {
        "vendor": lambda: draw.choice((
            "AKIA" + token(draw, 16, base32), "ghp_" + token(draw, 36), "xoxb-" + token(draw, 12, string.digits) + "-" + token(draw, 24),
            "sk_live_" + token(draw, 24), "SG." + token(draw, 22) + "." + token(draw, 43), "AIza" + token(draw, 35),
            "glpat-" + token(draw, 20), "npm_" + token(draw, 36), "sk-ant-api03-" + token(draw, 93), "hf_" + token(draw, 34, string.ascii_letters),
            "dop_v1_" + token(draw, 64, hexes), "shpat_" + token(draw, 32, hexes), "key-" + token(draw, 32, hexes)))
        ,
        "assigned": lambda: draw.choice(("api_key = \"{}\"", "SECRET_KEY={}", "\"client_secret\": \"{}\"", "auth_token: {}", "export API_TOKEN={}", "my api key is {}")).format(token(draw, draw.choice((24, 32, 40)))),
        "password": lambda: draw.choice(("password = \"{}\"", "the password is {}", "DB_PASSWORD={}", "pwd: {}")).format(
            token(draw, 6, string.ascii_letters) + token(draw, 3, string.digits) + draw.choice("!#%&*")),
        "url": lambda: f"postgres://admin:{token(draw, 14)}@db.internal:5432/app",
        "private key": lambda: "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(token(draw, 64) for _ in range(12)) + "\n-----END RSA PRIVATE KEY-----",
    }  # fmt: skip
    for kind, make in forms.items():
        for _ in range(200):
            yield kind, draw.choice(("{}", "use this: {}\nok?", "config:\n  {}\n")).format(make())


def near_misses(draw: random.Random) -> Iterable[str]:
    hexes = "0123456789abcdef"
    for _ in range(60):
        yield f"commit {token(draw, 40, hexes)}"
        yield f"id {token(draw, 8, hexes)}-{token(draw, 4, hexes)}-4{token(draw, 3, hexes)}-a{token(draw, 3, hexes)}-{token(draw, 12, hexes)}"
        yield f'integrity="sha384-{base64.b64encode(draw.randbytes(48)).decode()}"'
        yield draw.choice(
            (
                "api_key = os.environ['API_KEY']",
                "password: ${DB_PASSWORD}",
                "token = <your-token-here>",
                "AKIAIOSFODNN7EXAMPLE",
            )
        )


# --- the report -------------------------------------------------------------------------------------


def cost(find: Validator, texts: list[str]) -> float:
    """Microseconds per 1,000 characters over the texts: the best of three runs."""
    size = sum(map(len, texts))
    best = math.inf
    for _ in range(3):
        started = time.thread_time()
        for text in texts:
            find(text)
        best = min(best, time.thread_time() - started)
    return best / size * 1e9


def by_kind(title: str, find: Validator, texts: Iterable[tuple[str, str]]) -> None:
    """Print how many texts of each kind are found."""
    hits: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for kind, text in texts:
        found = bool(find(text))
        for group in (kind, "~ all"):
            hits[group][0] += found
            hits[group][1] += 1
    print(title)
    for kind, (hit, total) in sorted(hits.items()):
        print(line(kind, hit, total))


def surrounded(
    draw: random.Random, attacks: list[str], benign: list[str], *, each: int
) -> Iterable[tuple[str, str]]:
    """Attacks between the words of benign prompts: how long the whole is, and the text."""
    for size in (500, 2_000, 10_000):
        for attack in draw.sample(attacks, each):
            around = ""
            while len(around) < size:
                around += draw.choice(benign) + "\n"
            at = around.rfind(" ", 0, draw.randint(0, size)) + 1
            yield f"from {size:6} characters on", f"{around[:at]}{attack} {around[at:]}"


def code(draw: random.Random, *, pieces: int) -> Iterable[tuple[str, str]]:
    """Some lines of files of the standard library and of what else is installed beside it."""
    places = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")}
    files = sorted(file for place in places for file in place.rglob("*") if file.suffix in _CODE)
    for file in draw.sample(files, min(pieces, len(files))):
        rows = file.read_text("utf-8", "replace").split("\n")
        at = draw.randrange(max(len(rows) - 20, 1))
        yield file.suffix, "\n".join(rows[at : at + draw.randint(8, 30)])[:2500]


_CODE = (".py", ".pyi", ".md", ".rst", ".html", ".js", ".css", ".sh", ".sql", ".c", ".h")


def report(prompts: Path, seed: int) -> None:
    rows = [json.loads(row) for row in prompts.read_text(encoding="utf-8").split("\n") if row]
    benign = [row["text"] for row in rows if row["label"] == 0]
    draw = random.Random(seed)
    print("pii: recall by type (span and type)")
    hits: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    find = pii()
    for entity, value, text in personal(draw):
        found = any(f.category == entity and f.span and text[slice(*f.span)] == value for f in find(text))
        hits[entity][0] += found
        hits[entity][1] += 1
    for entity, (hit, total) in sorted(hits.items()):
        print(line(entity, hit, total))
    print("secrets: recall by kind")
    hits.clear()
    find = secrets()
    for kind, text in credentials(draw):
        hits[kind][0] += bool(find(text))
        hits[kind][1] += 1
    for kind, (hit, total) in hits.items():
        print(line(kind, hit, total))
    misses = list(near_misses(draw))
    print(line("near misses flagged", sum(bool(find(text)) for text in misses), len(misses)))
    by_kind("exfiltration: recall by place", exfiltration(), leaks(draw, each=100))
    by_kind("exfiltration: honest links flagged", exfiltration(), honest(draw, each=60))
    by_kind("hidden_text: recall by way", hidden_text(), hidden(draw, benign, each=100))
    by_kind("hidden_text: honest use flagged", hidden_text(), (("in many scripts", text) for text in HONEST))
    by_kind("output_injection: recall by sink", output_injection(), payloads(draw, each=120))
    by_kind("output_injection: pieces of code flagged", output_injection(), code(draw, pieces=800))
    print("injection: by source, which it has learnt from; training/train.py --held-out has honest rates")
    hits.clear()
    find = injection()
    for row in rows:
        hits[f"{row['label']} {row['source']}"][0] += bool(find(row["text"]))
        hits[f"{row['label']} {row['source']}"][1] += 1
    for kind, (hit, total) in sorted(hits.items()):
        print(line(kind, hit, total))
    clear = [row["text"] for row in rows if row["label"] and 30 < len(row["text"]) < 1500]
    clear = [text for text in clear if text.isascii() and find(text)]
    by_kind("injection: attacks found in clear text, hidden", find, hidden_attacks(draw, clear, each=50))
    by_kind("injection: attacks by language", find, tongues(ATTACKS))
    by_kind("injection: honest requests by language", find, tongues(HONEST_TONGUES))
    tool = injection(source="tool")
    by_kind("injection: unseen attacks", find, unseen_attacks())
    by_kind("injection: unseen honest texts", find, unseen_honest())
    by_kind("injection as a tool's: unseen attacks", tool, unseen_attacks())
    by_kind("injection as a tool's: unseen honest texts", tool, unseen_honest())
    by_kind("injection as a tool's: attacks by language", tool, tongues(ATTACKS))
    by_kind("injection as a tool's: honest requests by language", tool, tongues(HONEST_TONGUES))
    by_kind("injection as a tool's: pieces of code and its documents flagged", tool, code(draw, pieces=800))
    inside = surrounded(draw, [text for text in clear if len(text) < 300], benign, each=60)
    by_kind("injection: attacks found alone, inside benign prompts", find, inside)
    by_kind("pii: pieces of code and its documents flagged", pii(), code(random.Random(seed), pieces=800))
    print("benign prompts flagged, and cost in µs per kB")
    for find in (pii(), secrets(), injection(), hidden_text(), exfiltration(), output_injection()):
        print(
            line(find.name, sum(bool(find(text)) for text in benign), len(benign)),
            f" {cost(find, benign[:400]):7.0f}",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=Path, required=True, help="JSONL with text, label and source")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report(arguments.prompts, arguments.seed)


if __name__ == "__main__":
    main()
