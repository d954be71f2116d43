"""The checks of identifiers of Asia, Africa and Oceania: check digits, dates inside, what is never issued.

Each takes the letters and digits of a value, upper case and without separators, of a shape that
`_identifiers` has already compared.
"""

from __future__ import annotations

from guardrails_lite_validators._checksums import luhn, luhn_mod36, mod11, verhoeff, weighted
from guardrails_lite_validators._days import day_at, is_day

# --- Asia, Africa, Oceania -------------------------------------------------------------------------


def tr_national_id(number: str) -> bool:
    digits = [ord(char) - 48 for char in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] != 0 and digits[9] == tenth and digits[10] == sum(digits[:10]) % 10


def ae_emirates_id(number: str) -> bool:
    return number.startswith("784") and luhn(number)


def sa_national_id(number: str) -> bool:
    return number[0] in "12" and luhn(number)


def eg_national_id(number: str) -> bool:
    place = int(number[7:9])
    return number[0] in "23" and day_at(number, 5, 3) and (1 <= place <= 35 or place == 88)


def ir_national_code(number: str) -> bool:
    rest = mod11(number, (10, 9, 8, 7, 6, 5, 4, 3, 2))
    return len(set(number)) > 2 and int(number[9]) == (rest if rest < 2 else 11 - rest)


def in_aadhaar(number: str) -> bool:
    return number[0] not in "01" and verhoeff(number)


def in_pan(number: str) -> bool:
    return number[3] in "ABCFGHLJPTK"


def in_gstin(number: str) -> bool:
    state = int(number[:2])  # 97 and 99: other territories, and the federation
    known = (1 <= state <= 38 or state in (97, 99)) and number[5] in "ABCFGHLJPTK"
    return known and number[13] == "Z" and luhn_mod36(number)


def cn_resident_id(number: str) -> bool:
    total = weighted(number, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return number[6:8] in ("19", "20") and day_at(number, 12, 10) and "10X98765432"[total % 11] == number[17]


_REGIONS = {char: value for value, char in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO", 10)}


def tw_national_id(number: str) -> bool:
    region = _REGIONS[number[0]]
    total = region // 10 + region % 10 * 9 + weighted(number[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))
    return number[1] in "1289" and total % 10 == 0


def hk_id(number: str) -> bool:
    letters, digits = number[:-7], number[-7:]
    head = letters.rjust(2)
    values = [36 if char == " " else ord(char) - 55 for char in head]
    total = 9 * values[0] + 8 * values[1] + weighted(digits[:6], (7, 6, 5, 4, 3, 2))
    return letters.isalpha() and digits[:6].isdigit() and "0123456789A"[-total % 11] == digits[6]


def jp_my_number(number: str) -> bool:
    rest = mod11(number, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
    return len(set(number)) > 2 and int(number[11]) == (0 if rest <= 1 else 11 - rest)


def kr_rrn(number: str) -> bool:
    return number[6] in "12345678" and day_at(number, 4, 2)


def my_nric(number: str) -> bool:
    return day_at(number, 4, 2)


def id_nik(number: str) -> bool:
    day = int(number[6:8])
    return 11 <= int(number[:2]) <= 96 and is_day(day - 40 if day > 40 else day, int(number[8:10]))


_NRIC = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK"),
         "M": (3, "KLJNPQRTUWX")}  # fmt: skip


def sg_nric(number: str) -> bool:
    if number[0] not in _NRIC:
        return False
    offset, letters = _NRIC[number[0]]
    rest = (offset + weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2))) % 11
    return number[8] == (letters[10 - rest] if number[0] == "M" else letters[rest])


def th_tnin(number: str) -> bool:
    rest = mod11(number, (13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2))
    return number[0] not in "09" and (11 - rest) % 10 == int(number[12])


def za_id(number: str) -> bool:
    return day_at(number, 4, 2) and number[10] in "012" and luhn(number)


def au_tfn(number: str) -> bool:
    return len(set(number)) > 2 and mod11(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) == 0


def au_medicare(number: str) -> bool:
    return number[0] in "23456" and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def au_abn(number: str) -> bool:
    first = str(int(number[0]) - 1)  # the check stands in front, from 11 to 99
    total = weighted(first + number[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19))
    return number[:2] > "10" and total % 89 == 0


def nz_ird(number: str) -> bool:
    body = number[:-1].rjust(8, "0")
    check = -mod11(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -mod11(body, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return 10_000_000 < int(number) < 150_000_000 and check == int(number[-1])
