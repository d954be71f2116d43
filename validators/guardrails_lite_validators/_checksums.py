"""Check digits: what tells a number that was issued from one that was typed at random."""

from __future__ import annotations

from operator import mul

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
    total: int = sum(map(mul, map(ord, digits), weights))
    return total - 48 * sum(weights[: len(digits)])


def mod11(digits: str, weights: tuple[int, ...]) -> int:
    """What is left of that sum by eleven."""
    return weighted(digits, weights) % 11


def ean13(number: str) -> bool:
    """GS1's check digit, of Swiss insurance numbers as of articles in a shop."""
    return weighted(number, (1, 3) * 6 + (1,)) % 10 == 0


def luhn_mod36(text: str) -> bool:
    """Luhn's check over digits and letters, as Indian tax numbers have it."""
    total = 0
    for position, char in enumerate(reversed(text)):
        value = int(char, 36) * (1 + position % 2)
        total += value // 36 + value % 36
    return total % 36 == 0


def iso7064_mod11_10(digits: str) -> bool:
    """ISO/IEC 7064 MOD 11,10, of German and Croatian tax numbers."""
    product = 10
    for char in digits[:-1]:
        product = (product + ord(char) - 48) % 10 or 10
        product = product * 2 % 11
    return (product + ord(digits[-1]) - 48) % 10 == 1


def verhoeff(digits: str) -> bool:
    """Verhoeff's check (1969) over the dihedral group of the pentagon, of Indian identity numbers."""
    check = 0
    for position, char in enumerate(reversed(digits)):
        check = _times(check, _permuted(ord(char) - 48, position))
    return check == 0


def _times(left: int, right: int) -> int:
    """Turn and mirror a pentagon: 0 to 4 are turns, 5 to 9 turns with a mirroring."""
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5


_STEP = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permuted(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = _STEP[digit]
    return digit


def luhn_digit(number: str) -> bool:
    """Luhn's check, of a number that is no row of one or two digits."""
    return len(set(number)) > 2 and luhn(number)


def anything(number: str) -> bool:
    """No check digit: the words beside it must tell."""
    return len(set(number)) > 2
