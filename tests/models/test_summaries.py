"""What the list finds and in which order, and when a visit is due."""

from __future__ import annotations

import pytest

from app.models.rules.groups import UNNUMBERED, group_order
from app.models.rules.pinyin import initials
from app.models.rules.visiting import due
from app.models.summaries import words_of


@pytest.mark.parametrize(
    ("group", "order"),
    [
        ("一组", 1),
        ("十组", 10),
        ("十二组", 12),
        ("二十组", 20),
        ("二十一组", 21),
        ("3组", 3),
        ("第三村民小组", 3),
        ("一百零二组", 102),
        ("两组", 2),
        ("老寨", UNNUMBERED),
        (None, UNNUMBERED),
    ],
)
def test_groups_are_walked_by_number(group: str | None, order: int) -> None:
    assert group_order(group) == order


def test_a_surname_is_found_by_its_own_reading_and_by_the_common_one() -> None:
    assert initials("曾子怡") == ("zzy", "czy")
    assert initials("陈丽") == ("cl",)
    assert initials("") == ()


def test_what_a_person_types_becomes_terms() -> None:
    assert words_of("王伟") == ['"王 伟"']
    assert words_of("WCY") == ['"iwcy"*']
    assert words_of("4134") == ['("d4314"* OR "p4314"* OR "h4314"*)']
    assert words_of("13x") == ['("dx31"* OR "px31"* OR "hx31"*)']
    assert words_of("三组 cl") == ['"三 组"', '"icl"*']
    assert words_of('  ·*" ') == []


@pytest.mark.parametrize(
    ("category", "removed", "kind", "last", "promised", "reason", "overdue"),
    [
        ("SUDDEN", False, "ORDINARY", "2026-10-18", None, "monitored", 3),
        ("SUDDEN", True, "ORDINARY", "2026-10-18", None, "removed", -58),
        (None, False, "LIFTED_WITH_POLICY", None, None, "lifted", 92),
        (None, False, "ORDINARY", "2026-11-01", None, "yearly", -346),
        ("SUDDEN", False, "ORDINARY", "2026-11-01", "2026-11-20", "promise", 1),
        ("SUDDEN", False, "ORDINARY", "2026-11-20", "2026-11-20", "monitored", -30),
    ],
)
def test_due(
    category: str | None, removed: bool, kind: str, last: str | None, promised: str | None, reason: str, overdue: int
) -> None:
    found = due(category, removed, kind, last, promised, "2026-11-21")
    assert (found.reason, found.overdue) == (reason, overdue)
