"""Numbers that name a person: identity number, disability certificate, telephone.

Rules kept here: an identity number has 18 places and the check character of GB 11643-1999 (ISO 7064 MOD 11-2,
computed by python-stdnum); places 1-2 are a province of GB/T 2260, 7-14 a birth date that exists and is not
in the future, place 17 is odd for men. We do not look the region up any further: codes change every year and
people keep theirs. Prefix 99 and telephones that begin with 100 are fiction, valid only where the county's
genesis says demo. A disability certificate is the identity number, the category (1-7) and the grade (1-4),
then perhaps two places of a reissue (numbering of the China Disabled Persons' Federation). Nothing is
completed or repaired here except what loses nothing: width, spaces, a small x.

Every check returns the code of what is wrong, None when nothing is; the sentences stand in `app.messages`.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from stdnum.cn import ric

MALE = "1"  # GB/T 2261.1
FEMALE = "2"

IDENTITY_CARDS = frozenset({"111", "112", "113"})  # card, temporary card, household book: one number
DISABILITY_CARD = "901"

# GB/T 2260: provinces, then the residence permits of Hong Kong, Macao and Taiwan.
_PROVINCES = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_FICTION = "99"
_NO_NUMBER = "999999"  # written in real registers for "has none"
_FIRST_YEAR = 1900

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_LANDLINE = re.compile(r"0[0-9]{2,3}[2-9][0-9]{6,7}")
_FICTITIOUS_PHONE = re.compile(r"100[0-9]{8}")
_OTHER_CERTIFICATE = re.compile(r"[0-9A-Z()]{5,22}")


def tidy_number(text: str) -> str:
    """`text` with half-width characters, capital letters, no spaces and no hyphens: what loses nothing."""
    if text.isascii() and text.isalnum():
        return text.upper()
    narrow = unicodedata.normalize("NFKC", text)
    return "".join(c for c in narrow if not c.isspace() and c not in "-‐‑–—").upper()


def identity_fault(number: str, *, demo: bool, today: str) -> str | None:  # noqa: PLR0911 - one return for each rule
    """What is wrong with the identity `number` on the day `today` ("YYYY-MM-DD"), None when nothing is."""
    if len(number) == 15 and number.isascii() and number.isdigit():
        return "identity-15-digits"
    if len(number) != 18:
        return "identity-length"
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        return "identity-characters"
    if number.startswith(_NO_NUMBER):
        return "identity-none"
    if number[:2] == _FICTION and not demo:
        return "identity-fictitious"
    if number[:2] != _FICTION and not _PROVINCES.fullmatch(number[:2]):
        return "identity-region"
    try:
        born = date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")
    except ValueError:
        return "identity-date"
    if born.year < _FIRST_YEAR:
        return "identity-date"
    if born.isoformat() > today:
        return "identity-future"
    if ric.calc_check_digit(number) != number[-1]:
        return "identity-check-digit"
    return None


def disability_fault(number: str, *, demo: bool, today: str) -> str | None:
    """What is wrong with the disability certificate `number` (20 or 22 places), None when nothing is."""
    if len(number) not in (20, 22):
        return "disability-length"
    if not re.fullmatch(r"[1-7][1-4](B[1-9]|[0-9]{2})?", number[18:]):
        return "disability-grade"
    return identity_fault(number[:18], demo=demo, today=today)


def certificate_fault(kind: str | None, number: str, *, demo: bool, today: str) -> str | None:
    """What is wrong with the certificate `number` of the type `kind` (code list `cert_type`; None when not
    said, the length decides then)."""
    if kind == DISABILITY_CARD or (kind is None and len(number) in (20, 22)):
        return disability_fault(number, demo=demo, today=today)
    if kind is None or kind in IDENTITY_CARDS:
        return identity_fault(number, demo=demo, today=today)
    return None if _OTHER_CERTIFICATE.fullmatch(number) else "certificate-characters"


def bears_identity(kind: str | None) -> bool:
    """Whether the first 18 places of a certificate of the type `kind` are an identity number."""
    return kind is None or kind in IDENTITY_CARDS or kind == DISABILITY_CARD


def birth_date_of(number: str) -> str:
    """Birth date "YYYY-MM-DD" in places 7-14 of a checked identity number or disability certificate."""
    return f"{number[6:10]}-{number[10:12]}-{number[12:14]}"


def gender_of(number: str) -> str:
    """Gender code (GB/T 2261.1) by place 17 of a checked identity number: odd is male."""
    return MALE if int(number[16]) % 2 else FEMALE


def phone_fault(phone: str, *, demo: bool) -> str | None:
    """What is wrong with `phone` (digits only: mobile, or landline with area code), None when nothing is."""
    if _FICTITIOUS_PHONE.fullmatch(phone):
        return None if demo else "phone-fictitious"
    if _MOBILE.fullmatch(phone) or _LANDLINE.fullmatch(phone):
        return None
    return "phone-form"
