"""Check digits: what tells a number that was issued from one that was typed at random."""

from __future__ import annotations

_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B, the check of payment cards and many identifiers."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        total += _LUHN_DOUBLED[value] if position % 2 else value
    return total % 10 == 0


def iso7064_mod97_10(text: str) -> bool:
    """ISO/IEC 7064 MOD 97-10 with letters as 10 to 35, as IBAN uses it after moving its head."""
    number = "".join(str(int(char, 36)) for char in text)
    return int(number) % 97 == 1


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """The sum of each digit times its weight."""
    return sum((ord(char) - 48) * weight for char, weight in zip(digits, weights, strict=False))
