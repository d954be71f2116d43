"""Identifiers that states, tax offices and insurers give to people: one row each.

A row has the shapes in which a number is written (``9`` a digit, ``A`` a letter, ``_`` a space), the check
that tells an issued number from one typed at random, how sure a number of that shape is when nothing
beside it says what it is, and the words that say so. Shapes are looked up, not searched for, so that a
row costs nothing on a text without its shape.
"""

# ruff: noqa: E501 - a table reads best with long rows

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from guardrails_lite_validators import _checks_america as america
from guardrails_lite_validators import _checks_elsewhere as elsewhere
from guardrails_lite_validators import _checks_europe as europe
from guardrails_lite_validators._checksums import anything, luhn_digit
from guardrails_lite_validators._pii_context import Around, Words, words

WITH_WORD, STRONGER, WEAKER = 0.95, 0.4, 0.15
"""The score beside a word of the row's own, and what other words for an identifier add."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """One kind of identifier."""

    entity: str
    message: str
    shapes: dict[str, float]
    check: Callable[[str], bool]
    words: Words


STRONG_WORDS = words(
    "identity, identification, identidad, identidade, identité, ausweis, ausweisnummer, personalnummer, ssn, social security, "
    "national id, national identity, national number, personal number, personal code, personal id, id number, id no, id card, "
    "personal identity, citizen, citizenship, resident id, tax id, tax number, tin, taxpayer, steuernummer, fiscal, "
    "sozialversicherungsnummer, sécurité sociale, insurance number, passport number, personnummer, isikukood, cédula, cedula, "
    "dni, rodné číslo, personal identification, 身份证, 証明, 주민등록번호, идентификационный, ת.ז, הזהות, هوية, pesel, cpf, "
    "nif, bsn, cnp, oib, government id, identity number, identity card"
)
"""Words for an identifier of a person, of whatever country."""
WEAK_WORDS = words(
    "id, ids, identifier, tax, national, insurance, registry, registration, passport, document, documento, number, nr, no, "
    "nummer, número, numero, numéro, номер, 番号, 号码, 번호, applicant, patient, employee, client, customer"
)
"""Words for numbers of many kinds."""


def _row(entity: str, what: str, shapes: str, check: Callable[[str], bool], told: str) -> Identifier:
    """Read one row: ``999-99-9999:0.8`` is a shape and its score with no word beside it."""
    scored = (shape.rsplit(":", 1) for shape in shapes.split())
    return Identifier(
        entity,
        f"contains {what}",
        {shape.replace("_", " "): float(score) for shape, score in scored},
        check,
        words(told),
    )


@functools.cache
def identifiers() -> tuple[Identifier, ...]:
    """The table."""
    return (
        # North America
        _row("US_SSN", "a US social security number",
             "999-99-9999:.8 999_99_9999:.4 999.99.9999:.4 999999999:.1", america.us_ssn,
             "ssn, ssns, social, social security, ss#, ss no, soc sec, seguro social"),
        _row("US_ITIN", "a US taxpayer identification number",
             "999-99-9999:.6 999_99_9999:.3 999999999:.1", america.us_itin, "itin, taxpayer, tin, tax id"),
        _row("US_NPI", "a US provider identifier", "9999999999:.1", america.us_npi, "npi, provider, prescriber"),
        _row("US_MBI", "a US Medicare number",
             "9AA9-AA9-AA99:.8 9A99-AA9-AA99:.8 9A99-A99-AA99:.8 9AA9-A99-AA99:.8 9AA9AA9AA99:.5 9A99AA9AA99:.5 "
             "9A99A99AA99:.5 9AA9A99AA99:.5", america.us_mbi, "mbi, medicare, beneficiary"),
        _row("MEDICAL_LICENSE", "a US prescriber's number", "AA9999999:.3", america.us_dea,
             "dea, prescriber, medical license, license, physician"),
        _row("ABA_ROUTING_NUMBER", "a US bank routing number", "999999999:.1", america.aba_routing,
             "aba, routing, rtn, transit, wire"),
        _row("US_PASSPORT", "a US passport number", "A99999999:.1 999999999:.05", anything,
             "passport, passports, travel document"),
        _row("US_BANK_NUMBER", "a US bank account number",
             "99999999:.05 999999999:.05 9999999999:.05 99999999999:.05 999999999999:.05 9999999999999:.05", anything,
             "bank account, account number, account no, acct, checking, savings, checking account, savings account"),
        _row("US_DRIVER_LICENSE", "a US driver's licence number",
             "A9999999:.1 A99999999:.1 A999999999999:.1 A999-9999-9999:.2 99999999:.05 999999999:.05", anything,
             "driver's license, drivers license, driver license, driver's licence, driving licence, dl, dl#, lic#"),
        _row("CA_SIN", "a Canadian social insurance number", "999-999-999:.55 999_999_999:.5 999999999:.1",
             america.ca_sin, "sin, social insurance, canada, canadian, nas, assurance sociale"),
        _row("MX_CURP", "a Mexican population registry code", "AAAA999999AAAAAA99:.95 AAAA999999AAAAAAA9:.95",
             america.mx_curp, "curp, clave única"),
        _row("MX_RFC", "a Mexican tax code", "AAAA999999AAA:.6 AAAA999999AA9:.6 AAAA9999999A9:.6 AAAA999999999:.5 "
             "AAAA999999A99:.6 AAAA99999999A:.5", america.mx_rfc, "rfc, registro federal"),
        _row("MX_NSS", "a Mexican social security number", "99999999999:.2", luhn_digit,
             "nss, imss, seguro social, seguridad social, mexico, méxico, mexican, mexicana"),
        # South America
        _row("BR_CPF", "a Brazilian taxpayer number", "999.999.999-99:.95 999999999-99:.8 99999999999:.6",
             america.br_cpf, "cpf, cadastro, contribuinte, brazil, brazilian, brasil"),
        _row("BR_CNPJ", "a Brazilian company number", "99.999.999/9999-99:.9 99999999999999:.4", america.br_cnpj, "cnpj"),
        _row("AR_CUIT", "an Argentine taxpayer number", "99-99999999-9:.85 99999999999:.3", america.ar_cuit,
             "cuit, cuil, dni, argentina, argentine"),
        _row("CL_RUT", "a Chilean identity number", "99.999.999-9:.85 99.999.999-A:.85 9.999.999-9:.8 9.999.999-A:.8 "
             "99999999-9:.5 99999999-A:.5 9999999-A:.4 9999999-9:.3", america.cl_rut, "rut, run, chile, chilean"),
        _row("EC_CEDULA", "an Ecuadorian identity number", "9999999999:.1", america.ec_cedula, "cédula, cedula, ecuador"),
        # Britain, Ireland
        _row("UK_NHS", "a British health service number", "999_999_9999:.5 999-999-9999:.3 9999999999:.2", europe.uk_nhs,
             "nhs, national health, health service, patient"),
        _row("UK_NINO", "a British national insurance number",
             "AA999999A:.85 AA_99_99_99_A:.95 AA_999999_A:.9 AA999999_A:.8 AA-99-99-99-A:.95", europe.uk_nino,
             "nino, national insurance, ni number, ni no, insurance"),
        _row("UK_NINO", "a British national insurance number",
             "AA999999A:.5 AA_99_99_99_A:.6 AA_999999_A:.5 AA999999_A:.5", anything,
             "nino, national insurance, ni number, ni no, insurance"),
        _row("UK_PASSPORT", "a British passport number", "AA9999999:.1", anything, "passport, uk passport"),
        _row("UK_DRIVING_LICENCE", "a British driving licence number", "AAAAA999999AA9AA:.9 AAAAA999999A99AA:.9 AAAA9999999AA9AA:.9 AAAA9999999A99AA:.9", europe.uk_driving_licence,
             "driving licence, licence, dvla"),
        _row("IE_PPS", "an Irish public service number", "9999999A:.6 9999999AA:.7", europe.ie_pps,
             "pps, ppsn, pps number, irish"),
        # Western and Southern Europe
        _row("FR_NIR", "a French social security number",
             "999999999999999:.95 9_99_99_99_999_999_99:.95 999999A99999999:.95 9_99_99_9A_999_999_99:.95 "
             "9999999999999_99:.95", europe.fr_nir, "nir, sécurité sociale, insee, carte vitale"),
        _row("DE_TAX_ID", "a German tax number", "99999999999:.5 99_999_999_999:.7", europe.de_tax_id,
             "steuer-id, steueridentifikationsnummer, idnr, identifikationsnummer, steuernummer, steuer, german, germany"),
        _row("DE_SOCIAL_SECURITY", "a German pension insurance number", "99999999A999:.85 99_999999_A_999:.9",
             europe.de_social_security, "rentenversicherungsnummer, versicherungsnummer, sozialversicherungsnummer"),
        _row("DE_ID_CARD", "a German identity card number", "A999999999:.1 AAA99AA999:.3 A99A99AA99:.3 A99AAA9A99:.3 AA9999A999:.3",
             europe.de_id_card, "personalausweis, ausweis, ausweisnummer, reisepass"),
        _row("AT_SVNR", "an Austrian insurance number", "9999999999:.55 9999_999999:.7 9999-999999:.6", europe.at_svnr,
             "svnr, sv-nummer, sozialversicherungsnummer, versicherungsnummer, sozialversicherung, austria, austrian"),
        _row("CH_AHV", "a Swiss insurance number", "999.9999.9999.99:.95 9999999999999:.8 999_9999_9999_99:.95", europe.ch_ahv,
             "ahv, avs, ahv-nummer, swiss, schweiz"),
        _row("ES_NIF", "a Spanish identity number", "99999999A:.6 99999999-A:.75 99.999.999-A:.9 99.999.999A:.85",
             europe.es_nif, "nif, dni, d.n.i, n.i.f, spain, spanish"),
        _row("ES_NIE", "a Spanish foreigner's number", "A9999999A:.75 A-9999999-A:.9 A9999999-A:.85", europe.es_nie,
             "nie, extranjero"),
        _row("IT_FISCAL_CODE", "an Italian fiscal code", "AAAAAA99A99A999A:.95", europe.it_fiscal_code,
             "codice fiscale, fiscale, c.f"),
        _row("IT_VAT_CODE", "an Italian tax number", "99999999999:.1", luhn_digit, "partita iva, p.iva, iva, vat"),
        _row("NL_BSN", "a Dutch citizen number", "999999999:.2 9999.99.999:.7 9999_99_999:.4 999.999.999:.3", europe.nl_bsn,
             "bsn, burgerservicenummer, sofinummer, dutch, netherlands, nederland"),
        _row("BE_NATIONAL_NUMBER", "a Belgian national number", "99.99.99-999.99:.95 99999999999:.85 999999-999-99:.9 999999_999_99:.8",
             europe.be_national_number, "rijksregisternummer, national number, insz, niss, registre national, belgian"),
        _row("PT_NIF", "a Portuguese tax number", "999999999:.15 999_999_999:.3", europe.pt_nif,
             "nif, contribuinte, número de contribuinte, portugal, portuguese"),
        _row("GR_AMKA", "a Greek insurance number", "99999999999:.5", europe.gr_amka, "amka, αμκα, greek, greece"),
        # Northern Europe
        _row("SE_PERSONNUMMER", "a Swedish identity number",
             "999999-9999:.75 99999999-9999:.9 999999+9999:.8 9999999999:.25 999999999999:.5", europe.se_personnummer,
             "personnummer, samordningsnummer, pnr, swedish, sweden, sverige"),
        _row("FI_PERSONAL_IDENTITY_CODE", "a Finnish identity code",
             "999999-9999:.92 999999-999A:.95 999999A999A:.95 999999A9999:.95 999999+999A:.95 999999+9999:.92", europe.fi_hetu,
             "hetu, henkilötunnus, henkilotunnus, finnish, finland, suomi"),
        _row("NO_FODSELSNUMMER", "a Norwegian identity number", "99999999999:.9 999999_99999:.95", europe.no_fodselsnummer,
             "fødselsnummer, fodselsnummer, fnr, norwegian, norway, norge, d-nummer"),
        _row("DK_CPR", "a Danish identity number", "999999-9999:.55 9999999999:.1", europe.dk_cpr,
             "cpr, cpr-nummer, personnummer, danish, denmark, danmark"),
        _row("IS_KENNITALA", "an Icelandic identity number", "999999-9999:.8 9999999999:.4", europe.is_kennitala,
             "kennitala, kt, iceland, icelandic"),
        _row("EE_ISIKUKOOD", "an Estonian or Lithuanian personal code", "99999999999:.7", europe.baltic_code,
             "isikukood, asmens kodas, estonia, estonian, lithuania, lithuanian"),
        _row("LV_PERSONAL_CODE", "a Latvian personal code", "999999-99999:.75", europe.lv_code,
             "personas kods, latvia, latvian"),
        # Central and Eastern Europe
        _row("PL_PESEL", "a Polish identity number", "99999999999:.6", europe.pl_pesel, "pesel, poland, polish, polska"),
        _row("CZ_BIRTH_NUMBER", "a Czech or Slovak birth number",
             "999999/9999:.9 999999/999:.6 9999999999:.3", europe.cz_birth_number,
             "rodné číslo, rodne cislo, rč, r.č, czech, slovak"),
        _row("HU_PERSONAL_ID", "a Hungarian identity number", "99999999999:.55 9-999999-9999:.9 9_999999_9999:.8",
             europe.hu_personal_id, "személyi szám, személyi, hungarian, hungary"),
        _row("RO_CNP", "a Romanian personal code", "9999999999999:.85", europe.ro_cnp, "cnp, cod numeric, romania, romanian"),
        _row("HR_OIB", "a Croatian identity number", "99999999999:.5", europe.hr_oib, "oib, croatia, croatian, hrvatska"),
        _row("SI_EMSO", "an identity number of Slovenia, Serbia or a neighbour", "9999999999999:.8", europe.yu_jmbg,
             "emšo, emso, jmbg, jmb, matični, slovenia, serbia"),
        _row("BG_EGN", "a Bulgarian identity number", "9999999999:.4", europe.bg_egn, "egn, егн, bulgaria, bulgarian"),
        _row("RU_INN", "a Russian tax number", "999999999999:.6", europe.ru_inn, "инн, inn, налог, russia, russian"),
        _row("RU_SNILS", "a Russian pension number", "999-999-999_99:.95 999-999-999-99:.9 99999999999:.2", europe.ru_snils,
             "снилс, snils"),
        _row("UA_RNOKPP", "a Ukrainian tax number", "9999999999:.2", europe.ua_rnokpp,
             "рнокпп, іпн, інн, rnokpp, ukraine, ukrainian"),
        _row("KZ_IIN", "a Kazakh identity number", "999999999999:.6", europe.kz_iin, "иин, жсн, iin, kazakhstan"),
        # Asia, Africa, Oceania
        _row("TR_NATIONAL_ID", "a Turkish identity number", "99999999999:.65", elsewhere.tr_national_id,
             "tckn, kimlik, t.c, tc kimlik, turkish, turkey, türkiye"),
        _row("IL_ID", "an Israeli identity number", "999999999:.15", luhn_digit,
             "ת.ז, תעודת זהות, teudat zehut, israel, israeli"),
        _row("AE_EMIRATES_ID", "an Emirates identity number", "999-9999-9999999-9:.95 999999999999999:.8", elsewhere.ae_emirates_id,
             "emirates id, uae"),
        _row("SA_NATIONAL_ID", "a Saudi identity number", "9999999999:.1", elsewhere.sa_national_id, "iqama, saudi, هوية, الهوية"),
        _row("EG_NATIONAL_ID", "an Egyptian identity number", "99999999999999:.5", elsewhere.eg_national_id, "egypt, egyptian, الرقم القومي"),
        _row("IR_NATIONAL_CODE", "an Iranian national code", "9999999999:.1 999-999999-9:.8", elsewhere.ir_national_code,
             "کد ملی, iran, iranian, melli"),
        _row("PK_CNIC", "a Pakistani identity number", "99999-9999999-9:.85", anything, "cnic, nadra, pakistan"),
        _row("IN_AADHAAR", "an Indian Aadhaar number", "9999_9999_9999:.55 9999-9999-9999:.55 999999999999:.4", elsewhere.in_aadhaar,
             "aadhaar, aadhar, uidai, uid, आधार, india, indian"),
        _row("IN_PAN", "an Indian tax account number", "AAAAA9999A:.65", elsewhere.in_pan, "pan, pan card, permanent account, income tax"),
        _row("IN_GSTIN", "an Indian goods and services tax number", "99AAAAA9999A9A9:.9 99AAAAA9999A9AA:.9", elsewhere.in_gstin, "gst, gstin"),
        _row("IN_VOTER", "an Indian voter number", "AAA9999999:.2", anything, "voter, epic, voter id, elector"),
        _row("IN_PASSPORT", "an Indian passport number", "A9999999:.1", anything, "passport, passport no, passport number"),
        _row("CN_RESIDENT_ID", "a Chinese resident number", "999999999999999999:.95 99999999999999999A:.95", elsewhere.cn_resident_id,
             "身份证, 身份證, 身份证号, resident id"),
        _row("TW_NATIONAL_ID", "a Taiwanese identity number", "A999999999:.8", elsewhere.tw_national_id, "身分證, 身分證字號, taiwan"),
        _row("HK_ID", "a Hong Kong identity number", "A999999(9):.9 A999999(A):.9 AA999999(9):.9 A9999999:.3", elsewhere.hk_id,
             "hkid, hong kong, 香港身份證"),
        _row("JP_MY_NUMBER", "a Japanese individual number", "999999999999:.2 9999_9999_9999:.4 9999-9999-9999:.4", elsewhere.jp_my_number,
             "マイナンバー, 個人番号, my number, japan, japanese"),
        _row("KR_RRN", "a Korean resident number", "999999-9999999:.8 9999999999999:.2", elsewhere.kr_rrn, "주민등록번호, 주민번호, rrn, korea, korean"),
        _row("KR_RRN", "a Korean resident number", "999999-9999999:.4", anything, "주민등록번호, 주민번호, rrn, korea, korean"),
        _row("MY_NRIC", "a Malaysian identity number", "999999-99-9999:.9", elsewhere.my_nric, "mykad, nric, kad pengenalan, malaysia"),
        _row("ID_NIK", "an Indonesian identity number", "9999999999999999:.5", elsewhere.id_nik, "nik, ktp, induk kependudukan, indonesia"),
        _row("SG_NRIC_FIN", "a Singaporean identity number", "A9999999A:.9", elsewhere.sg_nric, "nric, fin, singapore"),
        _row("TH_TNIN", "a Thai identity number", "9-9999-99999-99-9:.9 9_9999_99999_99_9:.9 9999999999999:.4", elsewhere.th_tnin,
             "บัตรประชาชน, เลขประจำตัวประชาชน, thai, thailand"),
        _row("TH_TNIN", "a Thai identity number", "9-9999-99999-99-9:.6", anything, "thai, thailand"),
        _row("PH_UMID", "a Philippine social security number", "9999-9999999-9:.75 99-9999999-9:.6", anything,
             "umid, crn, sss, philippine, philippines"),
        _row("ZA_ID_NUMBER", "a South African identity number", "9999999999999:.65 999999_9999_99_9:.9", elsewhere.za_id,
             "rsa, sa id, south africa, south african"),
        _row("NG_NIN", "a Nigerian identity number", "99999999999:.05", anything, "nin, nimc, nigeria, nigerian"),
        _row("AU_TFN", "an Australian tax number", "999_999_999:.4 999-999-999:.4 999999999:.15", elsewhere.au_tfn,
             "tfn, tax file, australia, australian"),
        _row("AU_MEDICARE", "an Australian Medicare number", "9999_99999_9:.7 9999-99999-9:.7 9999999999:.1", elsewhere.au_medicare,
             "medicare, australia"),
        _row("AU_ABN", "an Australian business number", "99_999_999_999:.7 99999999999:.3", elsewhere.au_abn, "abn, australian business"),
        _row("NZ_IRD", "a New Zealand tax number", "99-999-999:.4 999-999-999:.4 99999999:.05 999999999:.1", elsewhere.nz_ird,
             "ird, inland revenue, new zealand"),
        # Whatever the country: a number that is called one
        _row("NATIONAL_ID", "a number that is called a personal identifier",
             "99999999:.15 999999999:.15 9999999999:.15 99999999999:.15 999999999999:.15 9999999999999:.15 99999999999999:.15 "
             "A99999999:.15 AA9999999:.15 AA999999:.15 A9999999:.15 999999999A:.15 99999999A:.15 AA9999999A:.15", anything, ""),
    )  # fmt: skip


@functools.cache
def by_shape() -> dict[bytes, list[tuple[Identifier, float]]]:
    """The rows of each shape, with its score."""
    table: dict[bytes, list[tuple[Identifier, float]]] = {}
    for row in identifiers():
        for shape, score in row.shapes.items():
            table.setdefault(shape.encode("ascii"), []).append((row, score))
    return table


@functools.cache
def _sizes() -> dict[bytes, tuple[int, ...]]:
    """How long the shapes are that begin with the same few characters: most numbers begin none."""
    sizes: dict[bytes, set[int]] = {}
    for shape in by_shape():
        sizes.setdefault(shape[:_BEGINNING], set()).add(len(shape))
    return {beginning: tuple(sorted(lengths)) for beginning, lengths in sizes.items()}


_BEGINNING = 8
"""The length of the shortest shape."""
_LONGEST_SHAPE = 24
_AS_SHAPE = bytes(
    ord("9") if chr(code).isdigit() else ord("A") if chr(code).isalpha() else code for code in range(128)
).ljust(256)


def named(text: str, start: int) -> Iterator[tuple[str, int, int, float]]:
    """The identifiers that begin at *start*, with their entity and score."""
    shape = text[start : start + _LONGEST_SHAPE].encode("ascii", "replace").translate(_AS_SHAPE)
    for size in _sizes().get(shape[:_BEGINNING], ()):
        end = start + size
        if end > len(text):
            return
        rows = by_shape().get(shape[:size])
        if rows is None or _goes_on(text, end):
            continue
        value = "".join(filter(str.isalnum, text[start:end])).upper()
        around: Around | None = None
        for row, score in rows:
            if not row.check(value):
                continue
            around = around or Around(text, start, end)
            if around.has(row.words):
                score = max(score, WITH_WORD)
            elif around.has(STRONG_WORDS):
                score = max(score, min(score + STRONGER, 0.9))
            elif around.has(WEAK_WORDS):
                score = max(score, min(score + WEAKER, 0.9))
            yield row.entity, start, end, score


def _goes_on(text: str, end: int) -> bool:
    """Whether what ends there is part of something longer."""
    after = text[end : end + 2]
    return after[:1].isalnum() or after[:1] == "_" or (after[:1] in "-./" and after[1:].isdigit())
