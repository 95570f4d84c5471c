"""Masks hide what they should and keep what people need to recognise each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.fields import Field, Privacy, RecordKind, Type, Value
from app.models.records.registry import KINDS
from app.models.rules import masking
from app.models.rules.masking import Eye, Shown, Surface, Whose
from app.models.rules.rights import Sight

IDENTITY = "990101197410284134"


def test_forms_of_the_data_dictionary() -> None:
    assert masking.mask_identity(IDENTITY) == "9901****4134"
    assert masking.mask_identity(IDENTITY, 6, 4) == "990101****4134"
    assert masking.mask_identity(IDENTITY, 3, 4) == "990****4134"
    assert masking.mask_phone("10054596917") == "100****6917"
    assert masking.mask_phone("0876-2120000") == "****0000"
    assert masking.mask_account("6200000609875289481") == "****9481"
    assert masking.mask_identity("") == ""
    assert masking.mask_phone("12317") == "****"


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("陈丽", "陈*"),
        ("欧阳嘉欣", "欧阳*"),
        ("欧阳", "欧*"),
        ("阿·布", "阿*"),
        ("买买提•阿不都", "买买提*"),
        ("𬱖华", "𬱖*"),
        ("王", "王*"),
        ("", ""),
    ],
)
def test_names_keep_the_surname(name: str, masked: str) -> None:
    assert masking.mask_name(name) == masked


def test_public_names_have_two_stars() -> None:
    assert masking.mask_public_name("陈嘉欣") == "陈**"


def test_numbers_in_free_text_are_masked_where_they_stand() -> None:
    written = f"其子证件{IDENTITY}，电话100 5459 6917，卡号6200 0006 0987 5289 481，合作医疗2025年缴400元。"
    assert masking.scrub(written) == "其子证件****4134，电话100****6917，卡号****9481，合作医疗2025年缴400元。"
    assert masking.tells_number(written)
    assert not masking.tells_number("2026-11-21 收入 10,676.97 元，卡 7QK3-M2ZX-9WVT-R5PC-X，电话 0876-2120000")


@given(st.text("0123456789", min_size=15, max_size=22), st.text("，。元 号", max_size=3))
def test_no_long_number_survives_scrubbing(number: str, around: str) -> None:
    scrubbed = masking.scrub(f"证{around}{number}{around}完")
    assert number not in scrubbed


@given(st.text(max_size=60))
def test_a_mask_never_shows_all(value: str) -> None:
    for mask in (masking.mask_identity, masking.mask_phone, masking.mask_account):
        assert mask(value) != value or not value or set(value) == {"*"}


# --- the table of reference 7.2: every field of every kind, on every surface, for every sight ---

SAMPLES: dict[Type, Value] = {
    Type.TEXT: "测试写下的字",
    Type.LONG_TEXT: "他的证件是 990101197410284134，电话 10054596917。",
    Type.CODE: "X1",
    Type.CODES: ("X1", "X2"),
    Type.YES_NO: 1,
    Type.DATE: "1974-10-28",
    Type.MONTH: "2026-11",
    Type.INSTANT: 1_795_229_880_000,
    Type.MONEY: 1_067_697,
    Type.AREA: 320,
    Type.COUNT: 4,
    Type.LINK: b"\x01" * 16,
    Type.BYTES: b"\x02" * 16,
}
OF_FIELD: dict[str, Value] = {
    "name": "陈嘉欣",
    "cert_no": IDENTITY,
    "phone": "10054596917",
    "contact_phone": "10054596917",
    "bank_account": "6200000609875289481",
    "risk_1": "ILLNESS",
    "risk_2": "DISABILITY",
    "tags": ("DIBAO", "SERIOUS_ILLNESS"),
}
NUMBERS = {"cert_no", "phone", "contact_phone", "bank_account"}
ON_WALLS = {"village", "villager_group", "natural_village", "member_count", "monitor_category"}
EYES = [Eye(personal=c, sensitive=d) for c in Sight for d in Sight if d.value <= c.value]
EVERY_FIELD = [(kind, field) for kind in KINDS for field in kind.fields]


def whose_of(kind: RecordKind) -> list[Whose]:
    return [Whose.HEAD, Whose.MEMBER, Whose.CHILD] if kind.name == "member" else [Whose.NOBODY]


def class_of(kind: RecordKind, field: Field, whose: Whose) -> Privacy:
    """The class of the sample, said once more and in other words than the module's."""
    if whose is Whose.CHILD or (kind.name == "household" and field.name in ("risk_1", "risk_2", "tags")):
        return Privacy.D
    return Privacy.A if whose is Whose.HEAD and field.name == "name" else field.privacy


def told(shown: Shown) -> str:
    return repr(shown.text if shown.hidden else shown.value)


@pytest.mark.parametrize("surface", list(Surface))
@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD, ids=lambda each: each.name)
def test_what_is_seen_of_every_field(kind: RecordKind, field: Field, surface: Surface) -> None:
    value = OF_FIELD.get(field.name, SAMPLES[field.type])
    for whose in whose_of(kind):
        privacy = class_of(kind, field, whose)
        for eye in EYES:
            shown = masking.show(field, value, surface, eye, whose)
            sight = eye.sight(privacy)
            where = f"{kind.name}.{field.name} of {whose} on {surface} for {eye}"
            personal = field.privacy in (Privacy.C, Privacy.D)
            number = field.name in NUMBERS and personal
            written = field.type is Type.LONG_TEXT
            plain = told(shown) == repr(value)
            assert shown.revealable <= (surface is Surface.SCREEN and sight is not Sight.NEVER), where
            if surface is Surface.FULL:
                assert plain, where
                continue
            assert not (number and plain), where
            assert not (written and (IDENTITY in told(shown) or "10054596917" in told(shown))), where
            if surface in (Surface.SCREEN, Surface.LOG):
                assert plain == (sight is Sight.OPEN and not number and not written), where
                assert surface is Surface.LOG or shown.revealable == (shown.hidden and sight is not Sight.NEVER), where
            elif surface is Surface.PAPER_WORK:
                assert plain == (sight is not Sight.NEVER and not number and not written), where
            elif surface is Surface.PAPER_WALL:
                public = field.name in ON_WALLS and kind.name != "member"
                assert plain == (public or (whose is Whose.HEAD and field.name == "name")), where
            elif surface is Surface.PUBLIC:
                assert plain <= (field.name in ("village", "member_count") and kind.name != "member"), where
            elif surface is Surface.LIST:
                assert not (plain and privacy in (Privacy.C, Privacy.D) and field.name != "cert_type"), where
                assert not (plain and field.type is Type.MONEY), where
                assert whose is not Whose.CHILD or told(shown) == "''", where


def test_nobody_else_knows_how_to_mask(root: Path) -> None:
    for path in [*(root / "app").rglob("*.py"), *(root / "county").rglob("*.py")]:
        if path.name != "masking.py":
            assert not re.search(r"\bmask_[a-z]+\(", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize(
    ("born", "today", "expected"),
    [
        ("2012-11-21", "2026-11-20", Whose.CHILD),
        ("2012-11-21", "2026-11-21", Whose.MEMBER),  # 14 years on this day
        ("2012-11-20", "2026-11-21", Whose.MEMBER),
    ],
)
def test_a_child_is_one_until_the_day_it_is_fourteen(born: str, today: str, expected: Whose) -> None:
    assert masking.whose_is({"birth_date": born, "relation": "20"}, today) is expected
    number = "990101" + born.replace("-", "") + "002X"
    assert masking.whose_is({"cert_no": number, "cert_type": "111", "relation": "20"}, today) is expected
