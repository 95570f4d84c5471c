"""Rules that a person's and a household's values must keep, the same for the import and for the forms.

Rules kept here (numbers of reference 3.18): form of the name (Q-PM-18), certificate (Q-PM-01, 02, 07), gender
and birth date as in the number (Q-PM-04), relation against gender (Q-PM-05), health that contradicts itself
(Q-HE-02), exactly one head (Q-HH-01, 02), at most one spouse, not of the head's gender (Q-HH-03, 04), count
of members (Q-HH-05), telephone (Q-HH-09, Q-EM-06). A finding that must be mended first is `blocking`; the
others are doubts to be looked at. Findings name the field and never carry a personal value. Values are those
of `app.models.fields`; a value that is not said is not judged, because an empty cell or box says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.errors import Fact
from app.models.fields import Value
from app.models.rules import identity

HEAD = "02"  # GB/T 4761-2008
SPOUSE = "10"

# Relations that fix the gender (GB/T 4761-2008, reference 3.16.5).
_MEN = frozenset(("20", "28", "41", "43", "47", "51", "53", "55", "61", "63", "81", "93"))
_WOMEN = frozenset(("30", "38", "42", "44", "48", "52", "54", "56", "62", "64", "72", "94"))

Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found in the field called `field`; `member` is the position in the household, None for the
    household itself."""

    code: str
    field: str
    blocking: bool = True
    member: int | None = None
    facts: tuple[tuple[str, Fact], ...] = ()


# --- forms of text that lose nothing ---


def tidy_name(text: str) -> str:
    """A person's name without invisible characters and without spaces, but for one between two Latin words.
    Rare characters, variation selectors and the middle dot stay as they are."""
    if text.isprintable() and " " not in text:
        return text
    visible = "".join(c if unicodedata.category(c) not in ("Cf", "Cc") else " " * c.isspace() for c in text)
    words = visible.split()
    name = ""
    for word in words:
        latin = re.fullmatch(r"[A-Za-z]{2}", name[-1:] + word[0]) is not None
        name += " " + word if latin else word
    return name


# Text fields that have a form of their own, by kind and field.
TIDY: dict[tuple[str, str], Callable[[str], str]] = {
    ("household", "household_no"): identity.tidy_number,
    ("household", "contact_phone"): identity.tidy_number,
    ("household", "bank_account"): identity.tidy_number,
    ("member", "person_no"): identity.tidy_number,
    ("member", "name"): tidy_name,
    ("member", "cert_no"): identity.tidy_number,
    ("member", "phone"): identity.tidy_number,
}


def tidy(kind: str, field: str, text: str) -> str:
    """`text` in the form of the field, changed only where that loses nothing."""
    form = TIDY.get((kind, field))
    return form(text) if form else text


# --- one person ---


def member_findings(values: Values, *, demo: bool, today: str) -> Iterator[Finding]:
    """What is wrong with one person, in the order of the form. `today` is "YYYY-MM-DD"."""
    name = values.get("name")
    if isinstance(name, str):
        yield from _name(name)
    yield from _certificate(values, demo=demo, today=today)
    born = values.get("birth_date")
    if isinstance(born, str) and born > today:
        yield Finding(code="birth-in-future", field="birth_date")
    gender, relation = values.get("gender"), values.get("relation")
    if (gender == identity.FEMALE and relation in _MEN) or (gender == identity.MALE and relation in _WOMEN):
        yield Finding(code="relation-against-gender", field="relation")
    health = values.get("health")
    if isinstance(health, tuple) and "HEALTHY" in health and len(health) > 1:
        yield Finding(code="health-contradiction", field="health")
    yield from _phone(values, "phone", demo=demo)


def _name(name: str) -> Iterator[Finding]:
    if re.search(r"[0-9A-Za-z]", name):
        yield Finding(code="name-latin", field="name", blocking=False)
    if len(name) < 2:
        yield Finding(code="name-short", field="name", blocking=False)
    if any(unicodedata.category(c) in ("Co", "Cn") for c in name):
        yield Finding(code="name-private-character", field="name", blocking=False)


def _certificate(values: Values, *, demo: bool, today: str) -> Iterator[Finding]:
    number, kind = values.get("cert_no"), values.get("cert_type")
    if not isinstance(number, str):
        return
    kind = kind if isinstance(kind, str) else None
    fault = identity.certificate_fault(kind, number, demo=demo, today=today)
    if fault:
        yield Finding(code=fault, field="cert_no", facts=(("length", len(number)),))
        return
    if not identity.bears_identity(kind):
        return
    gender, born = values.get("gender"), values.get("birth_date")
    if gender is not None and gender != identity.gender_of(number):
        yield Finding(code="gender-against-number", field="gender")
    if born is not None and born != identity.birth_date_of(number):
        yield Finding(code="birth-against-number", field="birth_date")


def _phone(values: Values, field: str, *, demo: bool) -> Iterator[Finding]:
    phone = values.get(field)
    if isinstance(phone, str):
        fault = identity.phone_fault(phone, demo=demo)
        if fault:
            yield Finding(code=fault, field=field)


# --- one household ---


def household_findings(values: Values, *, demo: bool, today: str) -> Iterator[Finding]:
    """What is wrong with the household's own values."""
    yield from _phone(values, "contact_phone", demo=demo)
    account = values.get("bank_account")
    if isinstance(account, str) and not re.fullmatch(r"[0-9]{8,32}", account):
        yield Finding(code="account-form", field="bank_account")
    month = values.get("identified_month")
    if isinstance(month, str) and month > today[:7]:
        yield Finding(code="month-in-future", field="identified_month")


def head_findings(relations: Sequence[Value]) -> Iterator[Finding]:
    """Whether there is exactly one head among the `relations` of all members: without any, each member is
    named, because each may be the head; of several, each head is."""
    heads = [position for position, relation in enumerate(relations) if relation == HEAD]
    if not heads:
        for position in range(len(relations)):
            yield Finding(code="no-head", field="relation", member=position)
    elif len(heads) > 1:
        for position in heads:
            yield Finding(code="several-heads", field="relation", member=position, facts=(("count", len(heads)),))


def family_findings(members: Sequence[Values]) -> Iterator[Finding]:
    """Doubts about how the members of one household fit together."""
    spouses = [position for position, values in enumerate(members) if values.get("relation") == SPOUSE]
    if len(spouses) > 1:
        for position in spouses:
            yield Finding(
                code="several-spouses",
                field="relation",
                blocking=False,
                member=position,
                facts=(("count", len(spouses)),),
            )
    genders = [values.get("gender") for values in members if values.get("relation") == HEAD]
    for position in spouses:
        if len(genders) == 1 and genders[0] is not None and members[position].get("gender") == genders[0]:
            yield Finding(code="spouse-gender", field="gender", blocking=False, member=position)


def count_finding(values: Values, members: int) -> Finding | None:
    """Whether the household's own count says the number of its `members`."""
    said = values.get("member_count")
    if said is None or said == members:
        return None
    return Finding(code="member-count", field="member_count", blocking=False, facts=(("members", members),))
