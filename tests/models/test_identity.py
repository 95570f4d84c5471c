"""Identity numbers, disability certificates and telephones against the standard's own arithmetic."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.rules import identity

TODAY = "2026-11-21"

# GB 11643-1999, written out: weights and check characters of the standard, independent of the library.
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHARACTERS = "10X98765432"


def with_check(body: str) -> str:
    """`body` of 17 digits with its check character."""
    return body + CHARACTERS[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11]


def fault(number: str, *, demo: bool = True) -> str | None:
    return identity.identity_fault(number, demo=demo, today=TODAY)


numbers = st.builds(
    lambda region, born, order: with_check(f"99{region:04d}{born:%Y%m%d}{order:03d}"),
    st.integers(0, 9998),
    st.dates(date(1900, 1, 1), date(2026, 11, 21)),
    st.integers(0, 999),
)


@given(numbers)
def test_every_number_made_by_the_standard_is_right(number: str) -> None:
    assert fault(number) is None
    assert identity.birth_date_of(number).replace("-", "") == number[6:14]
    assert identity.gender_of(number) == ("1" if number[16] in "13579" else "2")


@given(numbers, st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_is_always_found(number: str, place: int, other: str) -> None:
    changed = number[:place] + other + number[place + 1 :]
    assert (fault(changed) is None) == (changed == number)


@given(numbers, st.integers(0, 16))
def test_two_neighbours_swapped_are_always_found(number: str, place: int) -> None:
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert (fault(swapped) is None) == (swapped == number)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("990101198503120010", None),
        ("99010820140621302X", None),
        ("99010820140621302x", "identity-characters"),
        ("99010119850312001", "identity-length"),
        ("990101850312001", "identity-15-digits"),
        ("", "identity-length"),
        ("９９０１０１１９８５０３１２００１０", "identity-characters"),
        ("990101198503120011", "identity-check-digit"),
        (with_check("99010119850230001"), "identity-date"),
        (with_check("99010118991231001"), "identity-date"),
        (with_check("99010119850012001"), "identity-date"),
        (with_check("99010120261121001"), None),
        (with_check("99010120261122001"), "identity-future"),
        (with_check("99999919850312001"), "identity-none"),
        (with_check("16010119850312001"), "identity-region"),
        (with_check("00010119850312001"), "identity-region"),
        (with_check("84000019850312001"), "identity-region"),
    ],
)
def test_what_is_wrong_is_named(number: str, code: str | None) -> None:
    assert fault(number) == code


def test_fictitious_numbers_are_only_for_a_demo_county() -> None:
    assert fault("990101198503120010", demo=False) == "identity-fictitious"
    assert identity.phone_fault("10012345678", demo=False) == "phone-fictitious"
    assert identity.phone_fault("10012345678", demo=True) is None


def test_residence_permits_of_hong_kong_macao_and_taiwan_count() -> None:
    for region in ("810000", "820000", "830000"):
        # A body no person can bear: the day number 1 of the standard, order 000.
        first = "19000101"
        assert fault(with_check(f"{region}{first}000"), demo=False) is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("99010119850312001043", None),
        ("99010119850312001043B1", None),
        ("99010119850312001083", "disability-grade"),
        ("99010119850312001045", "disability-grade"),
        ("990101198503120010431", "disability-length"),
        ("99010119850312001143", "identity-check-digit"),
    ],
)
def test_disability_certificates(number: str, code: str | None) -> None:
    assert identity.disability_fault(number, demo=True, today=TODAY) == code
    assert identity.certificate_fault("901", number, demo=True, today=TODAY) == code


def test_other_certificates_are_judged_by_their_characters_only() -> None:
    assert identity.certificate_fault("414", "E00000000", demo=False, today=TODAY) is None
    assert identity.certificate_fault("414", "E1", demo=False, today=TODAY) == "certificate-characters"
    assert identity.certificate_fault("113", "990101198503120011", demo=True, today=TODAY) == "identity-check-digit"


@pytest.mark.parametrize(
    ("phone", "code"),
    [
        ("000000000000", "phone-form"),  # no exchange begins with 0
        ("1001234", "phone-form"),
        ("12000000000", "phone-form"),
        ("110", "phone-form"),
        ("", "phone-form"),
        ("000020000000", None),  # no such area, but the form of one
    ],
)
def test_telephones(phone: str, code: str | None) -> None:
    assert identity.phone_fault(phone, demo=False) == code


def test_numbers_are_tidied_without_loss() -> None:
    assert identity.tidy_number(" ９９０１０８ 20140621-302x ") == "99010820140621302X"
    assert identity.tidy_number("990101198503120010") == "990101198503120010"
