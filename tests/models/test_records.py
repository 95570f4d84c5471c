"""The declarations: permanent numbers, code lists that exist, and one place to touch for a new field."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, inspect

from app.errors import InputProblem
from app.models import tables
from app.models.codelists import codelist
from app.models.fields import Field, Merge, Privacy, Type, plain, text
from app.models.records.registry import BY_NAME, KINDS

GOLDEN = Path(__file__).parent.parent / "vectors" / "records.json"


def test_numbers_are_permanent() -> None:
    """A number once given stays; a new kind or field is added to the file, nothing in it is changed."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    declared = {
        kind.name: {"number": kind.number, "fields": {f.name: [f.number, f.type.value] for f in kind.fields}}
        for kind in KINDS
    }
    assert declared == golden


def test_kinds_have_distinct_numbers_and_known_targets() -> None:
    assert len({kind.number for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        if kind.home is not None:
            assert kind.field(kind.home).type is Type.LINK
        for field in kind.fields:
            assert field.target is None or field.target in BY_NAME
            assert (field.codes is not None) == (field.type in (Type.CODE, Type.CODES))
            if field.codes is not None:
                codes = codelist(field.codes).codes
                assert len({c.code for c in codes}) == len({c.label for c in codes}) == len(codes)
                for code in codes:
                    field.check((code.code,) if field.type is Type.CODES else code.code)


def test_fields_about_health_disability_and_accounts_are_class_d() -> None:
    for kind, name in (("member", "health"), ("household", "bank_account"), ("household", "risk_1")):
        assert BY_NAME[kind].field(name).privacy is Privacy.D


def test_a_kind_refuses_a_number_given_twice() -> None:
    kind = BY_NAME["household"]
    with pytest.raises(ValueError, match="unique"):
        replace(kind, fields=(*kind.fields, text(1, "again", "重号")))


@pytest.mark.parametrize(
    ("field", "good", "bad", "code"),
    [
        (text(1, "t", "文本", limit=3), "三个字", "四个字呀", "text-too-long"),
        (text(1, "t", "文本"), "𬱖·㛃", "退\x08格", "bad-text"),
        (plain(Type.DATE, 1, "d", "日期"), "2024-02-29", "2023-02-29", "no-such-date"),
        (plain(Type.DATE, 1, "d", "日期"), "2024-02-29", "2024-2-9", "bad-date"),
        (plain(Type.MONTH, 1, "m", "月份"), "2024-02", "2024-13", "bad-month"),
        (plain(Type.COUNT, 1, "n", "人数", limit=9), 9, 10, "number-out-of-range"),
        (plain(Type.YES_NO, 1, "y", "是否"), 2, 3, "bad-yes-no"),
        (plain(Type.YES_NO, 1, "y", "是否"), 0, True, "bad-yes-no"),
        (plain(Type.LINK, 1, "l", "户"), b"1" * 16, b"1", "bad-link"),
        (Field(number=1, name="c", label="码", type=Type.CODE, codes="gender"), "1", "男", "bad-code"),
        (Field(number=1, name="c", label="码", type=Type.CODES, codes="health"), ("A", "B"), ("A", "A"), "bad-code"),
    ],
)
def test_checks(field: Field, good: object, bad: object, code: str) -> None:
    field.check(good)  # type: ignore[arg-type]
    field.check(None)
    with pytest.raises(InputProblem) as caught:
        field.check(bad)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_new_field_becomes_a_column_of_an_old_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a declaration adds, `create_tables` adds to a database that was made before."""
    old = BY_NAME["household"]
    grown = replace(old, fields=(*old.fields, plain(Type.COUNT, 99, "hens", "鸡（只）", merge=Merge.ONE)))
    with create_engine("sqlite://").connect() as tx:
        tables.create_tables(tx)
        monkeypatch.setattr(tables, "KINDS", tuple(grown if kind is old else kind for kind in KINDS))
        tables.create_tables(tx)
        names = {column["name"] for column in inspect(tx).get_columns("household")}
        assert "hens" in names
    assert "hens" in tables.derive_table(grown, MetaData()).c
