"""The sample registers: every planted fault is found at its row, and nothing else is."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache

import pytest

from app.text import RESOURCES
from app.workbooks.checking import read_register
from app.workbooks.register import Register, Severity

SAMPLES = RESOURCES / "samples"
TODAY = "2026-11-21"

# What a planted fault must be called. The copy of a repeated row stands further down in the same household.
CALLED = {
    "same-id": {"number-twice"},
    "sex": {"gender-against-number"},
    "two-heads": {"several-heads"},
    "no-head": {"no-head"},
    "spaces": {"form-normalised"},
    "full-width": {"width-normalised"},
    "check-digit": {"identity-check-digit"},
    "formula": {"formula-like-text"},
    "duplicate-row": {"row-repeated-below"},
    "control-char": {"invisible-removed"},
    "future-birth": {"identity-future"},
    "lost-digits": {"lost-digits"},
    "phone": {"phone-form", "typed-as-number"},
    "income-text": {"not-a-number", "number-out-of-range"},
    "wrong-count": {"cells-differ"},
}
# Rows that are told because another row of the list is wrong, and what else a planted fault brings with it.
FOLLOWING = {"row-repeated", "number-twice-kept", "number-twice", "several-heads", "no-head", "cells-differ"}
BESIDES = {"relation-against-gender", "gender-against-number", "cells-differ", "number-twice-kept"}


@cache
def register(name: str) -> Register:
    return read_register(SAMPLES / f"register-{name}.xlsx", True, TODAY)


def planted(name: str) -> dict[int, str]:
    lines = (SAMPLES / f"register-{name}.faults.txt").read_text(encoding="utf-8").splitlines()
    faults = [ast.literal_eval(line) for line in lines if line.startswith("{")]
    return {fault["row"]: fault["fault"] for fault in faults}


def found(name: str) -> dict[int, set[str]]:
    codes = defaultdict(set)
    for fault in register(name).faults:
        codes[fault.row].add(fault.code)
    return codes


@pytest.mark.parametrize("name", ["village", "township"])
def test_every_planted_fault_is_found_at_its_row(name: str) -> None:
    codes = found(name)
    faults = planted(name)
    assert len(faults) == {"village": 16, "township": 58}[name]
    for row, fault in faults.items():
        if (name, row) == ("village", 4):  # copied onto itself: nothing is wrong there (see the README)
            assert row not in codes
        else:
            assert codes[row] & CALLED[fault], f"row {row}: {fault} not among {codes[row]}"
            assert codes[row] <= CALLED[fault] | BESIDES


@pytest.mark.parametrize("name", ["village", "township"])
def test_nothing_else_is_found(name: str) -> None:
    faults, codes = planted(name), found(name)
    others = {row: found for row, found in codes.items() if row not in faults}
    if name == "township":  # one number twice by chance (see the README)
        assert others.pop(8097) == others.pop(8419) == {"number-twice"}
    for row, following in others.items():
        assert following <= FOLLOWING
        # Each follows from a planted fault: the pair of the number, or another row of the same household.
        facts = [dict(fault.facts) for fault in register(name).faults if fault.row == row]
        pair = {fact["other"] for fact in facts if "other" in fact}
        assert pair & set(faults) or any(abs(fault - row) < 7 for fault in faults), f"row {row}: {following}"


def test_what_goes_in() -> None:
    village, township = register("village"), register("township")
    assert (village.rows_read, len(village.households), village.households_held) == (172, 39, 6)
    assert (village.rows_refused, village.rows_held) == (11, 12)
    assert sum(len(household.members) for household in village.households) == 172 - 11 - 12
    assert (township.rows_read, len(township.households), township.households_held) == (11_134, 2_977, 23)
    for one in (village, township):
        taken = sum(len(household.members) for household in one.households)
        assert taken == one.rows_read - one.rows_refused - one.rows_held
        assert not {column.heading for column in one.columns if not column.meaning}


def test_a_household_says_what_its_rows_say() -> None:
    household = register("village").households[0]
    assert (household.province, household.prefecture, household.county) == ("云岭省", "云岭州", "云岭县")
    assert (household.township, household.village) == ("云台镇", "上坝村")
    assert household.rows == (4, 5, 6, 7)
    assert household.values == {
        "household_no": "9901010001100001",
        "villager_group": "二组",
        "natural_village": "下寨",
        "member_count": 4,
        "household_type": "LIFTED_WITH_POLICY",
        "contact_phone": "10054596917",
        "house_dangerous": 0,
        "water_safe": 1,
        "is_relocated": 0,
        "income_per_head": 1_067_697,
        "income_wage": 2_565_835,
        "income_business": 732_303,
        "income_property": 81_386,
        "income_transfer": 891_266,
        "area_cultivated": 245,
        "bank_name": "云岭农商行",
        "bank_account": "6200000609875289481",
    }
    assert household.head.row == 4
    assert household.members[1].values == {
        "person_no": "990101000110000101",
        "name": "杨海",
        "gender": "2",
        "cert_type": "111",
        "cert_no": "990101197202187022",
        "relation": "10",
        "ethnicity": "08",
        "political_status": "13",
        "education": "70",
        "health": ("HEALTHY",),
        "labour_skill": "ORDINARY",
        "work_place": "OUTSIDE",
        "work_months": 4,
        "medical_insurance": 1,
        "illness_insurance": 1,
        "pension_insurance": 1,
        "dibao": "NO",
    }
    monitored = [one for one in register("village").households if "monitor_category" in one.values]
    assert {one.values["identified_month"] for one in monitored} == {"2024-01"}


def test_without_demo_no_fictitious_number_goes_in() -> None:
    real = read_register(SAMPLES / "register-village.xlsx", False, TODAY)
    assert real.households == ()
    assert {"identity-fictitious", "phone-fictitious"} <= {fault.code for fault in real.faults}


def test_every_fault_has_a_sentence_and_no_personal_value() -> None:
    one = register("township")
    names = {str(member.values["name"]) for household in one.households for member in household.members}
    for fault in one.faults:
        sentence = fault.sentence()
        assert "{" not in sentence
        assert fault.code not in sentence
        assert fault.column or fault.row <= one.header_row
        assert not any(isinstance(fact, str) and (fact in names or fact[:2] == "99") for _, fact in fault.facts)
    assert [fault.row for fault in one.faults] == sorted(fault.row for fault in one.faults)
    assert {fault.severity for fault in one.faults} == set(Severity)
