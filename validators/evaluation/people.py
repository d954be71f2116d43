"""Personal data of people in 36 locales, for the evaluation of `pii`; prints how much of it is found.

    pip install faker && python validators/evaluation/people.py

Values are those of Faker's providers, which know nothing of the detector; the sentences are ours. Every third
has no word that tells what the value is. Of national identifiers those kinds are asked for of which Faker makes
numbers by the rules of the issuer; its British account numbers are a character too short, and left out.
"""

# ruff: noqa: E501 - tables read best with one subject on one line

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

from evaluate import line
from faker import Faker

from guardrails_lite_validators import pii

LOCALES = (
    "bg_BG", "cs_CZ", "da_DK", "de_AT", "de_CH", "de_DE", "el_GR", "en_CA", "en_GB", "en_IN", "en_US", "es_CL", "es_ES", "es_MX", "et_EE",
    "fi_FI", "fr_FR", "he_IL", "hr_HR", "hu_HU", "it_IT", "ko_KR", "nl_BE", "nl_NL", "no_NO", "pl_PL", "pt_BR", "ro_RO", "sv_SE", "tr_TR",
    "zh_CN", "lv_LV", "ru_RU", "th_TH", "uk_UA", "zh_TW",
)  # fmt: skip
ANYWHERE = {
    "CREDIT_CARD": ("credit_card_number", "card"),
    "DATE_TIME": ("date_of_birth", "date of birth"),
    "EMAIL_ADDRESS": ("email", "e-mail"),
    "IBAN_CODE": ("iban", "account"),
    "IP_ADDRESS": ("ipv4_public", "IP address"),
    "MAC_ADDRESS": ("mac_address", "MAC address"),
    "PHONE_NUMBER": ("phone_number", "phone"),
}
"""The entity, Faker's method for it, and the word that tells of it."""
IDENTIFIERS = (
    ("cs_CZ", "birth_number", "CZ_BIRTH_NUMBER", "rodné číslo"), ("el_GR", "ssn", "GR_AMKA", "ΑΜΚΑ"),
    ("de_AT", "ssn", "AT_SVNR", "SVNR"), ("de_CH", "ssn", "CH_AHV", "AHV"), ("de_DE", "rvnr", "DE_SOCIAL_SECURITY", "Versicherungsnummer"),
    ("en_CA", "ssn", "CA_SIN", "SIN"), ("en_IN", "pan", "IN_PAN", "PAN"), ("en_US", "ssn", "US_SSN", "SSN"),
    ("en_US", "itin", "US_ITIN", "ITIN"), ("es_CL", "rut", "CL_RUT", "RUT"), ("es_ES", "nie", "ES_NIE", "NIE"), ("es_ES", "nif", "ES_NIF", "NIF"),
    ("es_MX", "curp", "MX_CURP", "CURP"), ("et_EE", "ssn", "EE_ISIKUKOOD", "isikukood"), ("fi_FI", "ssn", "FI_PERSONAL_IDENTITY_CODE", "henkilötunnus"),
    ("fr_FR", "ssn", "FR_NIR", "sécurité sociale"), ("he_IL", "ssn", "IL_ID", "ת.ז"), ("hr_HR", "ssn", "HR_OIB", "OIB"),
    ("it_IT", "ssn", "IT_FISCAL_CODE", "codice fiscale"), ("ko_KR", "ssn", "KR_RRN", "주민등록번호"), ("nl_BE", "ssn", "BE_NATIONAL_NUMBER", "rijksregisternummer"),
    ("nl_NL", "ssn", "NL_BSN", "BSN"), ("no_NO", "ssn", "NO_FODSELSNUMMER", "fødselsnummer"), ("pl_PL", "pesel", "PL_PESEL", "PESEL"),
    ("pt_BR", "cpf", "BR_CPF", "CPF"), ("ro_RO", "ssn", "RO_CNP", "CNP"), ("sv_SE", "ssn", "SE_PERSONNUMMER", "personnummer"),
    ("tr_TR", "ssn", "TR_NATIONAL_ID", "kimlik"), ("zh_CN", "ssn", "CN_RESIDENT_ID", "身份证"),
    ("es_MX", "rfc", "MX_RFC", "RFC"), ("hu_HU", "ssn", "HU_PERSONAL_ID", "személyi szám"), ("lv_LV", "ssn", "LV_PERSONAL_CODE", "personas kods"),
    ("pt_BR", "cnpj", "BR_CNPJ", "CNPJ"), ("ru_RU", "individuals_inn", "RU_INN", "ИНН"), ("ru_RU", "snils", "RU_SNILS", "СНИЛС"),
    ("th_TH", "ssn", "TH_TNIN", "เลขประจำตัวประชาชน"), ("uk_UA", "ssn", "UA_RNOKPP", "РНОКПП"), ("zh_TW", "ssn", "TW_NATIONAL_ID", "身分證"),
)  # fmt: skip
TOLD = (
    "My {word} is {value}.",
    "{word}: {value}",
    "please note the {word} {value}, thanks",
    "name\tAda\n{word}\t{value}\n",
)
UNTOLD = ("{value}", "He wrote {value} on the form.", "see {value} (from her)")


def people(draw: random.Random, *, each: int) -> Iterator[tuple[str, str, str]]:
    """The entity, the value, and a text with it: so many of each identifier, and of what every locale has."""
    fakers = {locale: Faker(locale) for locale in LOCALES}
    for locale, fake in fakers.items():
        fake.seed_instance(f"{locale} {draw.random()}")
    asked = [
        (locale, method, entity, word)
        for entity, (method, word) in ANYWHERE.items()
        for locale, fake in fakers.items()
        if method != "iban" or not fake.iban().startswith("GB")
    ]
    times = [max(each * len(IDENTIFIERS) // len(asked) + 1, 1)] * len(asked) + [each] * len(IDENTIFIERS)
    for (locale, method, entity, word), many in zip((*asked, *IDENTIFIERS), times, strict=True):
        for _ in range(many):
            value = str(getattr(fakers[locale], method)())
            untold = draw.random() < 1 / 3 and entity != "DATE_TIME"  # a date of nobody's birth is nobody's
            yield entity, value, draw.choice(UNTOLD if untold else TOLD).format(word=word, value=value)


def main() -> None:
    find = pii()
    hits: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    national = {entity for *_, entity, _ in IDENTIFIERS}
    for entity, value, text in people(random.Random(1), each=17):
        at = text.index(value)
        found = [f for f in find(text) if f.span and f.span[0] < at + len(value) and at < f.span[1]]
        typed = any(f.category == entity for f in found)
        for group in (entity, "~ all", "~ national identifiers" if entity in national else "~ others"):
            hits[group] = [sum(pair) for pair in zip(hits[group], (typed, bool(found), 1), strict=True)]
    for title, place in (("pii: found as what it is", 0), ("pii: found as anything", 1)):
        print(title)
        for entity, counts in sorted(hits.items()):
            print(line(entity, counts[place], counts[2]))


if __name__ == "__main__":
    main()
