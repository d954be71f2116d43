"""`pii`: each kind of identifier, the words beside it, masks, and stand-ins that can be taken back."""

from __future__ import annotations

import random
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from guardrails_lite import ConfigError, Guard, Outcome, bound, redact
from guardrails_lite.testing import ScriptedModel, check_validator
from guardrails_lite_validators import Pseudonyms, pii
from guardrails_lite_validators._checksums import verhoeff
from guardrails_lite_validators._identifiers import Identifier, identifiers

PUBLISHED = {
    "ABA_ROUTING_NUMBER": "021000021", "AE_EMIRATES_ID": "784-1980-1234567-8", "AR_CUIT": "20-12345678-6",
    "AT_SVNR": "1237 010180", "AU_ABN": "51 824 753 556", "AU_MEDICARE": "2123 45670 1",
    "AU_TFN": "123 456 782",
    "BE_NATIONAL_NUMBER": "85.07.30-033.28", "BR_CNPJ": "11.222.333/0001-81", "BR_CPF": "111.444.777-35",
    "CA_SIN": "130 692 544", "CH_AHV": "756.9217.0769.85", "CL_RUT": "12.345.678-5",
    "CN_RESIDENT_ID": "11010519491231002X", "CZ_BIRTH_NUMBER": "736028/5163", "DE_ID_CARD": "T220001293",
    "DE_SOCIAL_SECURITY": "15070649C103", "DE_TAX_ID": "86095742719", "DK_CPR": "070761-4285",
    "EC_CEDULA": "1710034065", "EE_ISIKUKOOD": "37605030299", "ES_NIE": "X1234567L", "ES_NIF": "12345678Z",
    "FI_PERSONAL_IDENTITY_CODE": "131052-308T", "FR_NIR": "2 55 08 14 168 025 38", "GR_AMKA": "01013099997",
    "HK_ID": "A123456(3)", "HR_OIB": "33392005961", "IE_PPS": "1234567T", "IL_ID": "123456782",
    "IN_AADHAAR": "2341 2341 2346", "IN_GSTIN": "27AAPFU0939F1ZV", "IN_PAN": "ABCPE1234F",
    "IR_NATIONAL_CODE": "0013542419", "IS_KENNITALA": "120174-3399", "IT_FISCAL_CODE": "RSSMRA85T10A562S",
    "JP_MY_NUMBER": "123456789018", "LV_PERSONAL_CODE": "161175-19997", "MEDICAL_LICENSE": "AB1234563",
    "MX_CURP": "HEGG560427MVZRRL04", "NL_BSN": "111222333", "NO_FODSELSNUMMER": "15076500565",
    "NZ_IRD": "49-091-850", "PL_PESEL": "44051401359", "PT_NIF": "123456789", "RO_CNP": "1800101221144",
    "RU_INN": "500100732259", "RU_SNILS": "112-233-445 95", "SA_NATIONAL_ID": "1000000008",
    "SE_PERSONNUMMER": "811228-9874", "SG_NRIC_FIN": "S1234567D", "SI_EMSO": "0101006500006",
    "TH_TNIN": "1-1017-00230-70-8", "TR_NATIONAL_ID": "10000000146", "TW_NATIONAL_ID": "A123456789",
    "UA_RNOKPP": "1759013776", "UK_DRIVING_LICENCE": "MORGA657054SM9IJ", "UK_NHS": "943 476 5919",
    "UK_NINO": "AB123456C", "US_MBI": "1EG4-TE5-MK73", "US_NPI": "1234567893",
    "ZA_ID_NUMBER": "8001015009087",
}  # fmt: skip
"""Examples that offices print in their own documents, none of them anybody's."""

TOLD = {
    row.entity: min(row.words.single or row.words.phrases)
    for row in reversed(identifiers())
    if row.words.single or row.words.phrases
}


def _found(text: str, **options: Any) -> list[tuple[str, str]]:
    return [(str(f.category), text[slice(*f.span)]) for f in pii(**options)(text) if f.span]


@pytest.mark.parametrize(("entity", "number"), PUBLISHED.items())
def test_the_examples_that_offices_publish_are_found(entity: str, number: str) -> None:
    """Beside a word of its own, each is found whole and by its type."""
    text = f"My {TOLD[entity]}: {number}, thanks."

    assert _found(text, entities=[entity]) == [(entity, number)]
    assert number in [value for _, value in _found(text)]


CHECKED = [
    row
    for row in identifiers()
    if row.check.__name__
    not in (
        "anything",
        "dk_cpr",
        "in_pan",
        "kr_rrn",
        "us_mbi",
        "us_ssn",
        "us_itin",
        "my_nric",
        "id_nik",
        "eg_national_id",
        "mx_rfc",
        "uk_nino",
        "uk_driving_licence",
    )
]


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.entity)
def test_a_wrong_check_digit_is_nobodys_number(row: Identifier) -> None:
    """Of numbers typed at random with a row's shape, few pass its check, and those that do are found."""
    draw = random.Random(11)
    shape = max(row.shapes, key=lambda shape: row.shapes[shape])
    passed = []
    for _ in range(4000):
        number = "".join(
            draw.choice("0123456789")
            if char == "9"
            else draw.choice("ABCDEFGHJKLMNPQRSTUVWXYZ")
            if char == "A"
            else char
            for char in shape
        )
        if row.check("".join(filter(str.isalnum, number)).upper()):
            passed.append(number)

    assert len(passed) < 4000 / 8
    for number in passed[:5]:
        if row.words.single or row.words.phrases:
            assert _found(f"{TOLD[row.entity]} {number}", entities=[row.entity]) == [(row.entity, number)]


@pytest.mark.parametrize(
    ("entity", "number"),
    [
        ("TH_TNIN", "6-9245-19592-64-1"),  # nothing is left by eleven: the digit is one, not zero
        ("HK_ID", "A808592(A)"),  # an A in front as well as at the end
        ("SI_EMSO", "0101006500090"),  # ten is left: the digit is zero
        ("EC_CEDULA", "3041852520"),  # issued abroad
        ("PT_NIF", "451234561"),  # of somebody who lives abroad
        ("UK_DRIVING_LICENCE", "HILL9657054SM9IJ"),  # a surname of four letters, filled up with a nine
        ("UK_DRIVING_LICENCE", "MORGA657054S99IJ"),  # one first name only
        ("IN_GSTIN", "97AAPFU0939F1ZO"),  # other territories
    ],
)
def test_the_rarer_numbers_of_a_kind_are_found(entity: str, number: str) -> None:
    """What few numbers of a kind have is allowed by its specification, too."""
    assert _found(f"My {TOLD[entity]}: {number}, thanks.", entities=[entity]) == [(entity, number)]


@pytest.mark.parametrize(
    ("entity", "number"),
    [
        ("IN_GSTIN", "27AAPFU0939F1ZA"),  # the last sign is a check
        ("LV_PERSONAL_CODE", "161175-19998"),
        ("AU_ABN", "10 439 777 814"),  # check digits go from 11 to 99
        ("TH_TNIN", "9119000191966"),  # no such class of people
        ("IT_FISCAL_CODE", "RSSMRA85T35A562G"),  # born on the 35th
        ("UK_DRIVING_LICENCE", "HILL5657054SM9IJ"),  # a surname is filled up with nines only
    ],
)
def test_what_no_office_issues_is_not_found(entity: str, number: str) -> None:
    """A number of the right shape whose check digit or parts are wrong is nobody's."""
    assert _found(f"My {TOLD[entity]}: {number}, thanks.", entities=[entity]) == []


def test_verhoeff_finds_every_swap_and_every_slip() -> None:
    """What Luhn's check misses: 09 for 90."""
    assert verhoeff("2363")
    assert not any(verhoeff(wrong) for wrong in ("2633", "2336", "3263", "2364", "2353", "2063"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("card 2223003122003222", [("CREDIT_CARD", "2223003122003222")]),
        ("4000000000000000006", [("CREDIT_CARD", "4000000000000000006")]),
        ("transfer it to ES0362236069363743588952 please", [("IBAN_CODE", "ES0362236069363743588952")]),
        ("GB29 NWBK 6016 1331 9268 19 is the account", [("IBAN_CODE", "GB29 NWBK 6016 1331 9268 19")]),
        ("eth0 00:1A:2b:3c:4d:5e up", [("MAC_ADDRESS", "00:1A:2b:3c:4d:5e")]),
        ("aabb.ccdd.ee0f", [("MAC_ADDRESS", "aabb.ccdd.ee0f")]),
        ("born on July 27, 2000.", [("DATE_TIME", "July 27, 2000")]),
        ("Date of birth: 03/04/1980", [("DATE_TIME", "03/04/1980")]),
        ("né le 3 mars 1980 à Lyon", [("DATE_TIME", "3 mars 1980")]),
        ("生年月日: 1980年3月4日", [("DATE_TIME", "1980年3月4日")]),
        ("geboren am 3. März 1980", [("DATE_TIME", "3. März 1980")]),
        ("The meeting is on July 27, 2000 at 10:20.", []),
        ("my site is http://www.ada-smith.net/", [("URL", "http://www.ada-smith.net/")]),
        ("see https://linkedin.com/in/ada-smith now", [("URL", "https://linkedin.com/in/ada-smith")]),
        ("read https://docs.python.org/3/library/re.html", []),
        ("read https://blog.acme.com/2024/07/how-we-ship", []),
        ("self.get(x), section 4.2.1.3, version 10.2.3.4", []),
        ("H1, INTRODUCTORY, 2019-2020, 1,000,000 and 3.14159265358979", []),
        ("550e8400-e29b-41d4-a716-446655440000", []),
        ("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", [("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")]),
        ("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", []),
        ("+(371) 23379701", [("PHONE_NUMBER", "+(371) 23379701")]),
        ("my public id is 12345678901", []),
    ],
)
def test_what_counts_and_what_does_not(text: str, found: list[tuple[str, str]]) -> None:
    """Cases that rule-based detectors are known to miss or to invent."""
    assert _found(text) == found


def test_a_word_beside_a_number_counts_only_whole() -> None:
    """ "Public" holds no "lic", and a word far away says nothing."""
    number = "D12345678"
    assert _found(f"driver's license {number}")
    assert not _found(f"publicly listed {number}")
    assert not _found(f"driver's license. {'and then we walked on ' * 4}{number}")


@pytest.mark.parametrize(
    "options", [{"entities": ["NOBODY"]}, {"entities": []}, {"threshold": 2}, {"mask": "x"}]
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """With the parameter and what was expected."""
    with pytest.raises(ConfigError, match=rf"{next(iter(options))}=.* of pii\(...\)"):
        pii(**options)


# --- masks ---


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("ada@example.org", "***@******e.org"),
        ("8.8.4.4", "*.*.*.*"),
    ],
)
def test_a_partial_mask_leaves_four_of_eight_or_more(value: str, masked: str) -> None:
    """The shape stays; a short value leaves nothing."""
    guard = Guard(input=[redact(pii(mask="partial"))])

    assert guard.check(f"from {value} now").text == f"from {masked} now"


def test_a_mask_may_be_a_function_and_is_named_in_the_repr() -> None:
    """It gets the type and the value; the repr, and so the digest, has its name and no address."""

    def initials(entity: str, value: str) -> str:
        return f"<{entity[:2]}{len(value)}>"

    guard = Guard(input=[redact(pii(mask=initials))])
    assert guard.check("to ada@example.org").text == "to <EM15>"
    assert "initials" in repr(guard)
    assert "0x" not in repr(guard)


# --- stand-ins ---


SAID = "I am ada@example.org, not bob@example.org. ada@example.org!"


def _conversation(names: Pseudonyms, reply: Any, **options: Any) -> tuple[Any, str]:
    """What the caller gets, and what the model saw."""
    model = ScriptedModel([reply])
    guard: Guard[Any] = Guard(input=[redact(pii(mask=names.hide))], **options)
    outcome: Outcome[Any] = guard.run(model, [{"role": "user", "content": SAID}])
    return outcome.value, str(model.calls[0].messages[-1]["content"])


def test_the_same_value_has_the_same_stand_in_in_one_conversation_only() -> None:
    """Two people stay two; another conversation, or another key, has other stand-ins."""
    names = Pseudonyms()
    with bound(session="s-1"):
        first, second = names.hide("EMAIL_ADDRESS", "ada"), names.hide("EMAIL_ADDRESS", "bob")
        assert first == names.hide("EMAIL_ADDRESS", "ada") != second
    with bound(session="s-2"):
        assert names.hide("EMAIL_ADDRESS", "ada") != first
    assert Pseudonyms().hide("EMAIL_ADDRESS", "ada") != Pseudonyms().hide("EMAIL_ADDRESS", "ada")
    key = b"k" * 16
    assert Pseudonyms(key=key).hide("X", "ada") == Pseudonyms(key=key).hide("X", "ada")


def test_the_model_never_sees_the_value_and_the_user_gets_it_back() -> None:
    """Hidden on the way in, restored on the way out."""
    names = Pseudonyms()
    token = names.hide("EMAIL_ADDRESS", "ada@example.org")
    value, seen = _conversation(names, f"I wrote to {token}.", output=[redact(names.restore())])

    assert value == "I wrote to ada@example.org."
    assert "example.org" not in seen
    assert seen.count(token) == 2


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_stream_is_restored_however_it_is_cut(size: int) -> None:
    """A stand-in that is split over chunks is put back whole."""
    names = Pseudonyms()
    said = f"Dear {names.hide('EMAIL_ADDRESS', 'ada@example.org')}, [EMAIL_ADDRESS_0000000000] and [x]."
    guard = Guard(output=[redact(names.restore())])
    live = guard.stream(lambda messages: iter(said[at : at + size] for at in range(0, len(said), size)), "go")

    assert "".join(live) == "Dear ada@example.org, [EMAIL_ADDRESS_0000000000] and [x]."


def test_only_the_fields_that_allow_it_are_restored() -> None:
    """A rule on a field of the schema restores there and nowhere else."""
    names = Pseudonyms()
    token = names.hide("EMAIL_ADDRESS", "ada@example.org")

    class Letter(BaseModel):
        to: Annotated[str, redact(names.restore())]
        summary: str

    value, _ = _conversation(names, f'{{"to": "{token}", "summary": "for {token}"}}', schema=Letter)

    assert value == Letter(to="ada@example.org", summary=f"for {token}")


def test_a_stand_in_of_another_conversation_or_type_is_left_alone() -> None:
    """Nobody gets at another user's values by repeating a stand-in."""
    names = Pseudonyms()
    guard = Guard(output=[redact(names.restore(entities=["EMAIL_ADDRESS"]))])
    with bound(session="s-1"):
        mail, phone = names.hide("EMAIL_ADDRESS", "ada@example.org"), names.hide("PHONE_NUMBER", "212")
        assert guard.check(f"{mail} {phone}", side="output").text == f"ada@example.org {phone}"
    with bound(session="s-2"):
        assert guard.check(mail, side="output").text == mail


def test_values_are_forgotten_beyond_the_limit_and_never_printed() -> None:
    """The least recently used goes first; with 0 nothing is kept at all."""
    names = Pseudonyms(remember=2)
    one, two, _ = (names.hide("X_Y", value) for value in ("one", "two", "three"))
    guard = Guard(output=[redact(names.restore())])

    assert guard.check(one + two, side="output").text == one + "two"
    assert "two" not in repr(names) + repr(guard) + repr(names.restore()(two))
    with pytest.raises(ConfigError, match="keeps no values"):
        Pseudonyms(remember=0).restore()
    with pytest.raises(ConfigError, match="must be 16 bytes or more"):
        Pseudonyms(key=b"short")
    with pytest.raises(ConfigError, match="remember=-1"):
        Pseudonyms(remember=-1)


def test_restoring_keeps_every_promise_of_a_validator() -> None:
    """Spans, window, repetition, time."""
    names = Pseudonyms()
    token = names.hide("EMAIL_ADDRESS", "ada@example.org")

    check_validator(names.restore(), examples=[f"to {token}!"], benign=["[EMAIL_ADDRESS]", "none"], rounds=40)


@pytest.mark.parametrize(
    ("entity", "value"),
    [
        ("CREDIT_CARD", "4111\u00a01111\u00a01111\u00a01111"),
        ("CREDIT_CARD", "4111\u20111111\u20111111\u20111111"),
        ("CREDIT_CARD", "4111  1111  1111  1111"),
        (
            "CREDIT_CARD",
            "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11",
        ),
        ("IBAN_CODE", "GB82-WEST-1234-5698-7654-32"),
        ("IBAN_CODE", "GB82\u00a0WEST\u00a01234\u00a05698\u00a07654\u00a032"),
        ("IBAN_CODE", "DE 89370400440532013000"),
        ("US_SSN", "536\u201322\u20131234"),
        ("PHONE_NUMBER", "0(532)\u00a0123 45 67"),
        ("PHONE_NUMBER", "01-35-91-13-52"),
        ("EMAIL_ADDRESS", "ada\uff20example.org"),
    ],
)
def test_typeset_values_are_found_as_typed_ones(entity: str, value: str) -> None:
    """Hard blanks, long hyphens and full-width digits are how documents and input methods write them."""
    text = f"tel, ssn, card, account: {value} of Ada"
    found = [(finding.category, finding.span) for finding in pii()(text)]

    assert found == [(entity, (25, 25 + len(value)))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-04 INFO user mobile=09779978231 ok", "09779978231"),
        ("2026-01-04 INFO tel=+27 82 245 0476", "+27 82 245 0476"),
    ],
)
def test_a_number_that_a_log_line_names_is_found_and_its_date_is_not(text: str, value: str) -> None:
    """The word for a telephone stands before the sign of equality; the day of the line is no number."""
    assert [text[slice(*finding.span)] for finding in pii()(text) if finding.span] == [value]


def test_a_date_of_birth_may_be_written_in_one() -> None:
    """As in passports."""
    text = "DOB 22SEP1990"

    assert [(finding.category, finding.span) for finding in pii()(text)] == [("DATE_TIME", (4, 13))]
