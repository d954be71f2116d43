"""The checks of identifiers: check digits, dates of birth inside, and what is never issued.

Each takes the letters and digits of a value, upper case and without separators, of a shape that its table
has already compared.
"""

from __future__ import annotations

from guardrails_lite_validators._checksums import iso7064_mod11_10, luhn, verhoeff, weighted

_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_day(day: int, month: int) -> bool:
    """Whether a month has such a day, in some year."""
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month]


def _day(number: str, day: int, month: int) -> bool:
    """Whether a date begins at these places of a number."""
    return is_day(int(number[day : day + 2]), int(number[month : month + 2]))


def anything(number: str) -> bool:
    """No check digit: the words beside it must tell."""
    return len(set(number)) > 2


def luhn_digit(number: str) -> bool:
    return len(set(number)) > 2 and luhn(number)


def _mod11(number: str, weights: tuple[int, ...]) -> int:
    return weighted(number, weights) % 11


# --- North America ----------------------------------------------------------------------------------


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
    return number[10] in "HMX" and _day(number, 8, 6) and -total % 10 == int(number[17])


def mx_rfc(number: str) -> bool:
    return _day(number, 8, 6)


# --- South America ----------------------------------------------------------------------------------


def br_cpf(number: str) -> bool:
    first = _mod11(number, tuple(range(1, 10))) % 10
    second = _mod11(number[1:], tuple(range(1, 10))) % 10
    return len(set(number)) > 1 and first == int(number[9]) and second == int(number[10])


def br_cnpj(number: str) -> bool:
    first = -_mod11(number, (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10
    second = -_mod11(number, (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10
    return len(set(number)) > 2 and first == int(number[12]) and second == int(number[13])


def ar_cuit(number: str) -> bool:
    check = -_mod11(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return number[:2] in ("20", "23", "24", "25", "26", "27", "30", "33", "34") and check in (
        int(number[10]),
        10 if number[10] == "9" else -1,
    )


def cl_rut(number: str) -> bool:
    total = sum((ord(char) - 48) * (2 + place % 6) for place, char in enumerate(reversed(number[:-1])))
    return len(set(number)) > 2 and "0123456789K"[-total % 11] == number[-1]


def ec_cedula(number: str) -> bool:
    return 1 <= int(number[:2]) <= 24 and number[2] < "6" and luhn(number)


# --- Britain, Ireland -------------------------------------------------------------------------------


def uk_nhs(number: str) -> bool:
    return len(set(number)) > 2 and _mod11(number[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) == -int(number[9]) % 11


def uk_nino(number: str) -> bool:
    return (
        number[0] not in "DFIQUV"
        and number[1] not in "DFIOQUV"
        and number[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
        and number[-1] in "ABCD"
    )


def uk_driving_licence(number: str) -> bool:
    return int(number[6:8]) % 50 in range(1, 13) and 1 <= int(number[8:10]) <= 31


_PPS = "WABCDEFGHIJKLMNOPQRSTUV"


def ie_pps(number: str) -> bool:
    total = weighted(number, (8, 7, 6, 5, 4, 3, 2))
    if len(number) == 9 and number[8] in _PPS:
        total += 9 * _PPS.index(number[8])
    return number[7] == _PPS[total % 23]


# --- Western and Southern Europe --------------------------------------------------------------------


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
        and _mod11(number, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) == int(number[3])
        and _day(number, 4, 6)
    )


def ch_ahv(number: str) -> bool:
    return number.startswith("756") and ean13(number)


def ean13(number: str) -> bool:
    """GS1's check digit, of Swiss insurance numbers as of articles in a shop."""
    return weighted(number, (1, 3) * 6 + (1,)) % 10 == 0


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
    return number[8] in "ABCDEHLMPRST" and chr(65 + total % 26) == number[15]


def nl_bsn(number: str) -> bool:
    return len(set(number)) > 2 and _mod11(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) == 0


def be_national_number(number: str) -> bool:
    body, check = number[:9], int(number[9:])
    born = 97 - int(body) % 97 == check or 97 - int("2" + body) % 97 == check
    return born and is_day(int(number[4:6]), int(number[2:4]) % 20)


def pt_nif(number: str) -> bool:
    return number[0] in "12356789" and -_mod11(number[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10 == int(
        number[8]
    )


def gr_amka(number: str) -> bool:
    return _day(number, 0, 2) and luhn(number)


# --- Northern Europe --------------------------------------------------------------------------------


def se_personnummer(number: str) -> bool:
    number = number[-10:]
    day = int(number[4:6])
    return is_day(day - 60 if day > 60 else day, int(number[2:4])) and luhn(number)


_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def fi_hetu(number: str) -> bool:
    serial = number[-4:-1]
    return (
        _day(number, 0, 2)
        and serial.isdigit()
        and number[6:-4] in ("", *"ABCDEFUVWXY")
        and _HETU[int(number[:6] + serial) % 31] == number[-1]
    )


def no_fodselsnummer(number: str) -> bool:
    first = -_mod11(number, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -_mod11(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    day = int(number[:2])
    return (
        is_day(day - 40 if day > 40 else day, int(number[2:4]) % 40)
        and first == int(number[9])
        and second == int(number[10])
    )


def dk_cpr(number: str) -> bool:
    return _day(number, 0, 2)


def is_kennitala(number: str) -> bool:
    return (
        _day(number, 0, 2)
        and number[9] in "089"
        and -_mod11(number, (3, 2, 7, 6, 5, 4, 3, 2)) % 11 == int(number[8])
    )


def baltic_code(number: str) -> bool:
    """Estonia and Lithuania."""
    check = _mod11(number, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1))
    if check == 10:
        check = _mod11(number, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 10
    return number[0] in "123456" and _day(number, 5, 3) and check == int(number[10])


def lv_code(number: str) -> bool:
    if number.startswith("32"):
        return True
    return _day(number, 0, 2) and number[6] in "012"


# --- Central and Eastern Europe ---------------------------------------------------------------------


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
    rising = _mod11(number, tuple(range(1, 11)))
    falling = _mod11(number, tuple(range(10, 0, -1)))
    return number[0] in "1234" and _day(number, 5, 3) and int(number[10]) in (rising, falling)


def ro_cnp(number: str) -> bool:
    check = _mod11(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9))
    return number[0] in "12345678" and _day(number, 5, 3) and (1 if check == 10 else check) == int(number[12])


def hr_oib(number: str) -> bool:
    return len(set(number)) > 2 and iso7064_mod11_10(number)


def yu_jmbg(number: str) -> bool:
    """Slovenia, Serbia and their neighbours."""
    check = -_mod11(number, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return number[4] in "089" and _day(number, 0, 2) and check == int(number[12])


def bg_egn(number: str) -> bool:
    month = int(number[2:4])
    return (
        (1 <= month <= 12 or 41 <= month <= 52)
        and is_day(int(number[4:6]), month % 40)
        and _mod11(number, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 10 == int(number[9])
    )


def ru_inn(number: str) -> bool:
    first = _mod11(number, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 10
    second = _mod11(number, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 10
    return number[:2] != "00" and first == int(number[10]) and second == int(number[11])


def ru_snils(number: str) -> bool:
    total = weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, 1)) % 101
    return len(set(number)) > 2 and total % 100 == int(number[9:])


def ua_rnokpp(number: str) -> bool:
    return weighted(number, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(number[9])


def kz_iin(number: str) -> bool:
    check = _mod11(number, tuple(range(1, 12)))
    if check == 10:
        check = _mod11(number, (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2))
    return number[6] in "123456" and _day(number, 4, 2) and check == int(number[11])


# --- Asia, Africa, Oceania --------------------------------------------------------------------------


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
    return number[0] in "23" and _day(number, 5, 3) and (1 <= place <= 35 or place == 88)


def ir_national_code(number: str) -> bool:
    rest = _mod11(number, (10, 9, 8, 7, 6, 5, 4, 3, 2))
    return len(set(number)) > 2 and int(number[9]) == (rest if rest < 2 else 11 - rest)


def in_aadhaar(number: str) -> bool:
    return number[0] not in "01" and verhoeff(number)


def in_pan(number: str) -> bool:
    return number[3] in "ABCFGHLJPTK"


def in_gstin(number: str) -> bool:
    return 1 <= int(number[:2]) <= 38 and number[5] in "ABCFGHLJPTK" and number[13] == "Z"


def cn_resident_id(number: str) -> bool:
    total = weighted(number, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return number[6:8] in ("19", "20") and _day(number, 12, 10) and "10X98765432"[total % 11] == number[17]


_REGIONS = {char: value for value, char in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO", 10)}


def tw_national_id(number: str) -> bool:
    region = _REGIONS[number[0]]
    total = region // 10 + region % 10 * 9 + weighted(number[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))
    return number[1] in "1289" and total % 10 == 0


def hk_id(number: str) -> bool:
    letters = number.rstrip("0123456789A") if number[-1] == "A" else number.rstrip("0123456789")
    head = letters.rjust(2)
    values = [36 if char == " " else ord(char) - 55 for char in head]
    digits = number[len(letters) :]
    total = 9 * values[0] + 8 * values[1] + weighted(digits[:6], (7, 6, 5, 4, 3, 2))
    return len(digits) == 7 and "0123456789A"[-total % 11] == digits[6]


def jp_my_number(number: str) -> bool:
    rest = _mod11(number, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
    return len(set(number)) > 2 and int(number[11]) == (0 if rest <= 1 else 11 - rest)


def kr_rrn(number: str) -> bool:
    return number[6] in "12345678" and _day(number, 4, 2)


def my_nric(number: str) -> bool:
    return _day(number, 4, 2)


def id_nik(number: str) -> bool:
    day = int(number[6:8])
    return 11 <= int(number[:2]) <= 94 and is_day(day - 40 if day > 40 else day, int(number[8:10]))


_NRIC = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK"),
         "M": (3, "KLJNPQRTUWX")}  # fmt: skip


def sg_nric(number: str) -> bool:
    if number[0] not in _NRIC:
        return False
    offset, letters = _NRIC[number[0]]
    rest = (offset + weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2))) % 11
    return number[8] == (letters[10 - rest] if number[0] == "M" else letters[rest])


def th_tnin(number: str) -> bool:
    return number[0] != "0" and -_mod11(number, (13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10 == int(
        number[12]
    )


def za_id(number: str) -> bool:
    return _day(number, 4, 2) and number[10] in "012" and luhn(number)


def au_tfn(number: str) -> bool:
    return len(set(number)) > 2 and _mod11(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) == 0


def au_medicare(number: str) -> bool:
    return number[0] in "23456" and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def au_abn(number: str) -> bool:
    first = str(int(number[0]) - 1)
    return (
        number[0] != "0" and weighted(first + number[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0
    )


def nz_ird(number: str) -> bool:
    body = number[:-1].rjust(8, "0")
    check = -_mod11(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -_mod11(body, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return 10_000_000 < int(number) < 150_000_000 and check == int(number[-1])
