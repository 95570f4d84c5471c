"""Masks hide what they should and keep what people need to recognise each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.rules import masking

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
