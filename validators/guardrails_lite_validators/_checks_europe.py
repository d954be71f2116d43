"""The checks of identifiers of Europe: check digits, dates of birth inside, what is never issued.

Each takes the letters and digits of a value, upper case and without separators, of a shape that
`_identifiers` has already compared.
"""

from __future__ import annotations

from guardrails_lite_validators._checksums import ean13, iso7064_mod11_10, luhn, mod11, weighted
from guardrails_lite_validators._days import day_at, is_day

# --- Britain, Ireland ------------------------------------------------------------------------------


def uk_nhs(number: str) -> bool:
    return len(set(number)) > 2 and mod11(number[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) == -int(number[9]) % 11


def uk_nino(number: str) -> bool:
    return (
        number[0] not in "DFIQUV"
        and number[1] not in "DFIOQUV"
        and number[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
        and number[-1] in "ABCD"
    )


def uk_driving_licence(number: str) -> bool:
    surname = number[:5].rstrip("9")  # filled up with nines
    return surname.isalpha() and int(number[6:8]) % 50 in range(1, 13) and 1 <= int(number[8:10]) <= 31


_PPS = "WABCDEFGHIJKLMNOPQRSTUV"


def ie_pps(number: str) -> bool:
    total = weighted(number, (8, 7, 6, 5, 4, 3, 2))
    if len(number) == 9 and number[8] in _PPS:
        total += 9 * _PPS.index(number[8])
    return number[7] == _PPS[total % 23]


# --- Western and Southern Europe -------------------------------------------------------------------


def fr_nir(number: str) -> bool:
    body = number[:13].replace("2A", "19").replace("2B", "18")
    month = int(number[3:5])
    return (
        number[0] in "123478"
        and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)
        and body.isdigit()
        and 97 - int(body) % 97 == int(number[13:])
    )


def de_tax_id(number: str) -> bool:
    counts = sorted(number[:10].count(digit) for digit in "0123456789")
    return number[0] != "0" and counts[-1] in (2, 3) and counts[-2] < 2 and iso7064_mod11_10(number)


def de_social_security(number: str) -> bool:
    letter = f"{ord(number[8]) - 64:02}"
    digits = number[:8] + letter + number[9:11]
    total = sum(
        sum(divmod((ord(char) - 48) * weight, 10))
        for char, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)
    )
    day = int(number[2:4])
    return is_day(day - 50 if day > 50 else day, int(number[4:6])) and total % 10 == int(number[11])


def de_id_card(number: str) -> bool:
    total = sum(int(char, 36) * (7, 3, 1)[place % 3] for place, char in enumerate(number[:9]))
    return number[0] in "CFGHJKLMNPRTVWXYZ" and total % 10 == int(number[9])


def at_svnr(number: str) -> bool:
    return (
        number[0] != "0"
        and mod11(number, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) == int(number[3])
        and day_at(number, 4, 6)
    )


def ch_ahv(number: str) -> bool:
    return number.startswith("756") and ean13(number)


_NIF = "TRWAGMYFPDXBNJZSQVHLCKE"


def es_nif(number: str) -> bool:
    return _NIF[int(number[:-1]) % 23] == number[-1]


def es_nie(number: str) -> bool:
    return number[0] in "XYZ" and _NIF[int(str("XYZ".index(number[0])) + number[1:-1]) % 23] == number[-1]


_ODD_PLACES = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def it_fiscal_code(number: str) -> bool:
    total = 0
    for place, char in enumerate(number[:15]):
        value = ord(char) - (48 if char.isdigit() else 65)
        total += value if place % 2 else _ODD_PLACES[value]
    return (
        number[8] in "ABCDEHLMPRST"
        and 1 <= int(number[9:11]) % 40 <= 31
        and chr(65 + total % 26) == number[15]
    )


def nl_bsn(number: str) -> bool:
    return len(set(number)) > 2 and mod11(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) == 0


def be_national_number(number: str) -> bool:
    body, check = number[:9], int(number[9:])
    born = 97 - int(body) % 97 == check or (number[0] < "5" and 97 - int("2" + body) % 97 == check)
    return born and is_day(int(number[4:6]), int(number[2:4]) % 20)


def pt_nif(number: str) -> bool:
    issued = number[0] in "12356789" or number.startswith("45")
    return issued and -mod11(number[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10 == int(number[8])


def gr_amka(number: str) -> bool:
    return day_at(number, 0, 2) and luhn(number)


# --- Northern Europe -------------------------------------------------------------------------------


def se_personnummer(number: str) -> bool:
    number = number[-10:]
    day = int(number[4:6])
    return is_day(day - 60 if day > 60 else day, int(number[2:4])) and luhn(number)


_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def fi_hetu(number: str) -> bool:
    serial = number[-4:-1]
    return (
        day_at(number, 0, 2)
        and serial.isdigit()
        and number[6:-4] in ("", *"ABCDEFUVWXY")
        and _HETU[int(number[:6] + serial) % 31] == number[-1]
    )


def no_fodselsnummer(number: str) -> bool:
    first = -mod11(number, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -mod11(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    day = int(number[:2])
    return (
        is_day(day - 40 if day > 40 else day, int(number[2:4]) % 40)
        and first == int(number[9])
        and second == int(number[10])
    )


def dk_cpr(number: str) -> bool:
    return day_at(number, 0, 2)


def is_kennitala(number: str) -> bool:
    return (
        day_at(number, 0, 2)
        and number[9] in "089"
        and -mod11(number, (3, 2, 7, 6, 5, 4, 3, 2)) % 11 == int(number[8])
    )


def baltic_code(number: str) -> bool:
    """Estonia and Lithuania."""
    check = mod11(number, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1))
    if check == 10:
        check = mod11(number, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 10
    return number[0] in "123456" and day_at(number, 5, 3) and check == int(number[10])


def lv_code(number: str) -> bool:
    """Numbers issued since July 2017 begin with 32 and tell nothing; older ones begin with a date."""
    if number.startswith("32"):
        return True
    check = (1 + weighted(number, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10
    return day_at(number, 0, 2) and number[6] in "012" and check == int(number[10])


# --- Central and Eastern Europe --------------------------------------------------------------------


def pl_pesel(number: str) -> bool:
    month = int(number[2:4])
    return (
        (1 <= month <= 12 or 21 <= month <= 32)
        and is_day(int(number[4:6]), month % 20)
        and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    )


def cz_birth_number(number: str) -> bool:
    month = int(number[2:4]) % 50
    dated = is_day(int(number[4:6]), month - 20 if month > 20 else month)
    return dated and (
        len(number) == 9 or int(number) % 11 == 0 or (int(number[:9]) % 11 == 10 and number[9] == "0")
    )


def hu_personal_id(number: str) -> bool:
    rising = mod11(number, tuple(range(1, 11)))
    falling = mod11(number, tuple(range(10, 0, -1)))
    return number[0] in "1234" and day_at(number, 5, 3) and int(number[10]) in (rising, falling)


def ro_cnp(number: str) -> bool:
    check = mod11(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9))
    return (
        number[0] in "12345678" and day_at(number, 5, 3) and (1 if check == 10 else check) == int(number[12])
    )


def hr_oib(number: str) -> bool:
    return len(set(number)) > 2 and iso7064_mod11_10(number)


def yu_jmbg(number: str) -> bool:
    """Slovenia, Serbia and their neighbours."""
    check = -mod11(number, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11 % 10
    return number[4] in "089" and day_at(number, 0, 2) and check == int(number[12])


def bg_egn(number: str) -> bool:
    month = int(number[2:4])
    return (
        (1 <= month <= 12 or 41 <= month <= 52)
        and is_day(int(number[4:6]), month % 40)
        and mod11(number, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 10 == int(number[9])
    )


def ru_inn(number: str) -> bool:
    first = mod11(number, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 10
    second = mod11(number, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 10
    return number[:2] != "00" and first == int(number[10]) and second == int(number[11])


def ru_snils(number: str) -> bool:
    total = weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, 1)) % 101
    return len(set(number)) > 2 and total % 100 == int(number[9:])


def ua_rnokpp(number: str) -> bool:
    return weighted(number, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(number[9])


def kz_iin(number: str) -> bool:
    check = mod11(number, tuple(range(1, 12)))
    if check == 10:
        check = mod11(number, (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2))
    return number[6] in "123456" and day_at(number, 4, 2) and check == int(number[11])
