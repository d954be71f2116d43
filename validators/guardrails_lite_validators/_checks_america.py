"""The checks of identifiers of America: check digits, dates of birth inside, what is never issued.

Each takes the letters and digits of a value, upper case and without separators, of a shape that
`_identifiers` has already compared.
"""

from __future__ import annotations

from guardrails_lite_validators._checksums import luhn, mod11, weighted
from guardrails_lite_validators._days import day_at

# --- North America ---------------------------------------------------------------------------------


def us_ssn(number: str) -> bool:
    return (
        number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"
    )


def us_itin(number: str) -> bool:
    group = int(number[3:5])
    return number[0] == "9" and 50 <= group <= 99 and group not in (89, 93) and not 66 <= group <= 69


def us_npi(number: str) -> bool:
    return number[0] in "12" and luhn("80840" + number)


_MBI = "0123456789ACDEFGHJKMNPQRTUVWXY"


def us_mbi(number: str) -> bool:
    return number[0] != "0" and all(char in _MBI for char in number)


def us_dea(number: str) -> bool:
    digits = number[2:]
    total = weighted(digits[:6], (1, 2, 1, 2, 1, 2))
    return number[0] in "ABCDEFGHJKLMPRSTUX" and total % 10 == int(digits[6])


def aba_routing(number: str) -> bool:
    first = int(number[:2])
    issued = first <= 12 or 21 <= first <= 32 or 61 <= first <= 72 or first == 80
    return issued and number != "0" * 9 and weighted(number, (3, 7, 1) * 3) % 10 == 0


def ca_sin(number: str) -> bool:
    return number[0] not in "08" and luhn(number)


_CURP = {char: value for value, char in enumerate("0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ")}


def mx_curp(number: str) -> bool:
    total = sum(_CURP[char] * (18 - place) for place, char in enumerate(number[:17]))
    return number[10] in "HMX" and day_at(number, 8, 6) and -total % 10 == int(number[17])


def mx_rfc(number: str) -> bool:
    return day_at(number, 8, 6)


# --- South America ---------------------------------------------------------------------------------


def br_cpf(number: str) -> bool:
    first = mod11(number, tuple(range(1, 10))) % 10
    second = mod11(number[1:], tuple(range(1, 10))) % 10
    return len(set(number)) > 1 and first == int(number[9]) and second == int(number[10])


def br_cnpj(number: str) -> bool:
    first = -mod11(number, (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10
    second = -mod11(number, (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10
    return len(set(number)) > 2 and first == int(number[12]) and second == int(number[13])


def ar_cuit(number: str) -> bool:
    check = -mod11(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return number[:2] in ("20", "23", "24", "25", "26", "27", "30", "33", "34") and check in (
        int(number[10]),
        10 if number[10] == "9" else -1,
    )


def cl_rut(number: str) -> bool:
    total = sum((ord(char) - 48) * (2 + place % 6) for place, char in enumerate(reversed(number[:-1])))
    return len(set(number)) > 2 and "0123456789K"[-total % 11] == number[-1]


def ec_cedula(number: str) -> bool:
    province = int(number[:2])  # 30 and 50: issued abroad, and to foreigners
    return (1 <= province <= 24 or province in (30, 50)) and number[2] < "7" and luhn(number)
