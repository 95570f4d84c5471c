"""The rules that import and forms share, rule by rule."""

from __future__ import annotations

import pytest

from app.models.fields import Value
from app.models.rules import quality

TODAY = "2026-11-21"
GOOD: dict[str, Value] = {
    "name": "韦测一",
    "gender": "1",
    "cert_no": "990101198503120010",
    "birth_date": "1985-03-12",
    "relation": "02",
    "phone": "10012345678",
    "health": ("HEALTHY",),
}


def found(**changes: Value) -> list[tuple[str, str, bool]]:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return [(f.code, f.field, f.blocking) for f in quality.member_findings(values, demo=True, today=TODAY)]


def test_a_good_person_and_an_empty_one_have_no_findings() -> None:
    assert found() == []
    assert list(quality.member_findings({}, demo=False, today=TODAY)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gender": "2"}, ("gender-against-number", "gender", True)),
        ({"birth_date": "1985-03-13"}, ("birth-against-number", "birth_date", True)),
        ({"cert_no": None, "birth_date": "2026-11-22"}, ("birth-in-future", "birth_date", True)),
        ({"relation": "30"}, ("relation-against-gender", "relation", True)),
        ({"health": ("HEALTHY", "CHRONIC")}, ("health-contradiction", "health", True)),
        ({"phone": "1001234"}, ("phone-form", "phone", True)),
        ({"name": "韦3"}, ("name-latin", "name", False)),
        ({"name": "韦"}, ("name-short", "name", False)),
        ({"name": "韦\ue000一"}, ("name-private-character", "name", False)),
        ({"cert_no": "990101198503120011"}, ("identity-check-digit", "cert_no", True)),
    ],
)
def test_each_rule(changes: dict[str, Value], expected: tuple[str, str, bool]) -> None:
    assert found(**changes) == [expected]


def test_a_certificate_of_another_kind_says_nothing_of_gender() -> None:
    assert found(cert_type="414", cert_no="E00000000", gender="2") == []


def test_disability_certificate_begins_with_the_identity_number() -> None:
    assert found(cert_type="901", cert_no="99010119850312001043") == []
    assert found(cert_type="901", cert_no="99010119850312001043", gender="2")[0][0] == "gender-against-number"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" 韦\u3000测 一 ", "韦测一"),
        ("韦测一\u200b\u202e", "韦测一"),
        ("阿依·测试", "阿依·测试"),
        ("Anna  Test", "Anna Test"),
        ("𠮷测一", "𠮷测一"),
        ("韦\U000e0100一", "韦\U000e0100一"),
    ],
)
def test_names_lose_only_what_nobody_sees(typed: str, kept: str) -> None:
    assert quality.tidy_name(typed) == kept
    assert quality.tidy_name(kept) == kept


def test_exactly_one_head() -> None:
    assert list(quality.head_findings(["02", "10", "20"])) == []
    assert [(f.code, f.member) for f in quality.head_findings(["10", None])] == [
        ("no-head", 0),
        ("no-head", 1),
    ]
    assert [(f.code, f.member) for f in quality.head_findings(["02", "20", "02"])] == [
        ("several-heads", 0),
        ("several-heads", 2),
    ]
    assert list(quality.head_findings([])) == []


def test_spouses_are_doubts() -> None:
    head, wife, second = (
        {"relation": "02", "gender": "1"},
        {"relation": "10", "gender": "2"},
        {"relation": "10", "gender": "1"},
    )
    assert list(quality.family_findings([head, wife])) == []
    codes = [(f.code, f.member, f.blocking) for f in quality.family_findings([head, wife, second])]
    assert codes == [
        ("several-spouses", 1, False),
        ("several-spouses", 2, False),
        ("spouse-gender", 2, False),
    ]


def test_count_of_members() -> None:
    assert quality.count_finding({"member_count": 3}, 3) is None
    assert quality.count_finding({}, 3) is None
    found = quality.count_finding({"member_count": 4}, 3)
    assert found is not None
    assert found.facts == (("members", 3),)


def test_household_values() -> None:
    values: dict[str, Value] = {
        "contact_phone": "12",
        "bank_account": "62 00",
        "identified_month": "2026-12",
    }
    codes = [f.code for f in quality.household_findings(values, demo=True, today=TODAY)]
    assert codes == ["phone-form", "account-form", "month-in-future"]
