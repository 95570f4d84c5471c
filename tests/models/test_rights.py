"""The rights table: whole, in step with roles, kinds and authority, and as it was last read by a person.

`tests/vectors/rights.json` is the whole table in words, one line a role and record kind, to be read and signed off by
whoever answers for rights. A change of the table changes it, so that no right moves unseen (`python -m
tests.models.test_rights` writes it anew).
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from app.ledger import authority
from app.models.codelists import codelist
from app.models.fields import Privacy, Root
from app.models.records.registry import BY_NAME, BY_NUMBER, KINDS
from app.models.rules import rights
from app.models.rules.rights import TABLE, Action, Grant, Place, Rights, Sight, allowed, sight

GOLDEN = Path(__file__).parent.parent / "vectors" / "rights.json"
ROLES = [code.code for code in codelist("role").codes]
ADMINISTRATORS = ("SYSADMIN", "SECURITY", "AUDITOR", "ADMIN", "SERVICE")
LEADERS = ("TOWN_LEADER", "COUNTY_LEADER")


def in_words() -> dict[str, dict[str, str]]:
    """The table as a reviewer reads it: role -> kind -> "view own parent; write own"."""
    words: dict[str, dict[str, str]] = {}
    for role in ROLES:
        words[role] = {f"class {p.value}": sight(role, p).name.lower() for p in (Privacy.C, Privacy.D)}
        for kind in KINDS:
            cell = TABLE[role, kind.name]
            told = (
                " ".join([action.name.lower(), *(place.value for place in Place if place in cell[action])])
                for action in Action
                if action in cell
            )
            words[role][kind.name] = "; ".join(told) or "nothing"
    return words


def test_every_question_has_an_answer() -> None:
    for role, kind, action, place in product(ROLES, KINDS, Action, Place):
        assert allowed(role, kind.name, action, place) in (True, False)


def test_roles_and_kinds_are_those_of_the_lists() -> None:
    assert set(ROLES) == rights.ROLES
    assert BY_NAME.keys() == rights.KINDS
    assert len(TABLE) == len(ROLES) * len(KINDS)


def test_the_table_is_as_it_was_signed_off() -> None:
    assert in_words() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_a_cell_that_nobody_thought_about_is_a_bug_and_a_newer_role_may_nothing() -> None:
    with pytest.raises(KeyError):
        allowed("GRID", "monitoring_case", Action.VIEW, Place.OWN)
    assert not allowed("SUPERINTENDENT", "household", Action.VIEW, Place.OWN)


def test_nothing_reaches_another_county() -> None:
    for role, kind, action in product(ROLES, KINDS, Action):
        assert not allowed(role, kind.name, action, Place.OTHER)


def test_households_are_seen_nowhere_but_in_the_own_place() -> None:
    files = [kind.name for kind in KINDS if kind.root is Root.HOUSEHOLD]
    for role, kind, action, place in product(ROLES, files, Action, (Place.PARENT, Place.SIBLING)):
        assert not allowed(role, kind, action, place)


def test_whoever_may_do_anything_with_a_record_may_view_it() -> None:
    for (role, kind), cell in TABLE.items():
        reach = cell.get(Action.VIEW, frozenset())
        for action, places in cell.items():
            assert places <= reach, (role, kind, action)


def test_an_own_place_is_never_worse_than_another() -> None:
    for (role, kind), cell in TABLE.items():
        for action, places in cell.items():
            assert Place.OWN in places, (role, kind, action)


def test_office_records_are_written_by_whom_the_log_obeys() -> None:
    """Two tables say who writes keys and rights: this one before the act, the ledger's behind it. They agree."""
    for role, number in product(ROLES, authority.KINDS):
        effective = number in authority.MAY_WRITE.get(role, frozenset())
        assert allowed(role, BY_NUMBER[number].name, Action.WRITE, Place.OWN) == effective, (role, number)


def test_the_three_administrators_see_no_household_and_share_no_power() -> None:
    files = [kind.name for kind in KINDS if kind.number not in authority.KINDS and kind.name != "seat"]
    for role, kind, action in product(ADMINISTRATORS, files, Action):
        assert not allowed(role, kind, action, Place.OWN), (role, kind, action)
    for role, privacy in product(ADMINISTRATORS, (Privacy.C, Privacy.D)):
        assert sight(role, privacy) is Sight.NEVER
    assert not authority.MAY_WRITE["SYSADMIN"] & authority.MAY_WRITE["SECURITY"]
    assert "AUDITOR" not in authority.MAY_WRITE
    assert authority.MAY_WRITE["SYSADMIN"] | authority.MAY_WRITE["SECURITY"] | {authority.COUNTY} == authority.KINDS


def test_what_needs_a_second_person_is_asked_for_and_agreed_to_by_two() -> None:
    """Whoever may void or export in full may propose it, and somebody beside them may decide."""
    for role in ROLES:
        for kind, action in (("household", Action.VOID), ("household", Action.FULL_EXPORT)):
            if allowed(role, kind, action, Place.OWN):
                assert allowed(role, "proposal", Action.WRITE, Place.OWN)
                assert allowed(role, "decision", Action.WRITE, Place.OWN)
    for role in LEADERS:
        assert allowed(role, "decision", Action.DECIDE, Place.OWN)
        assert not allowed(role, "proposal", Action.WRITE, Place.OWN)


def test_revealing_is_offered_only_where_something_is_hidden_and_may_be_shown() -> None:
    for role in ROLES:
        hidden = [sight(role, p) for p in (Privacy.C, Privacy.D)]
        if allowed(role, "member", Action.REVEAL, Place.OWN):
            assert Sight.REASON in hidden, role
            assert allowed(role, "viewing", Action.WRITE, Place.OWN), role  # it leaves an entry
        elif Sight.REASON in hidden:
            assert not allowed(role, "member", Action.VIEW, Place.OWN), role


def test_the_less_private_is_never_hidden_more() -> None:
    for role in ROLES:
        open_, internal, personal, sensitive = (sight(role, privacy).value for privacy in Privacy)
        assert open_ >= internal >= personal >= sensitive


def grant(role: str, area: bytes, reach: set[bytes], above: set[bytes]) -> Grant:
    return Grant(role=role, area=area, reach=frozenset(reach | {area}), above=frozenset(above))


GRID, OTHER, VILLAGE, TOWN = b"grid", b"other grid", b"village", b"town"
HERE = grant("GRID", GRID, set(), {VILLAGE, TOWN})
WIDE = grant("TOWN_LEADER", TOWN, {VILLAGE, GRID, OTHER}, set())


def test_where_an_object_is_seen_from_a_grant() -> None:
    assert HERE.place_of([GRID, VILLAGE]) is Place.OWN
    assert HERE.place_of([None, VILLAGE]) is Place.PARENT
    assert HERE.place_of([OTHER, None]) is Place.SIBLING
    assert HERE.place_of([None, None]) is Place.SIBLING
    assert WIDE.place_of([OTHER, VILLAGE]) is Place.OWN


def test_rights_of_several_grants_add_up() -> None:
    both = Rights(grants=(HERE, WIDE))
    assert both.may(Action.WRITE, "household", [GRID, VILLAGE])
    assert not both.may(Action.WRITE, "household", [OTHER, VILLAGE])
    assert both.may(Action.VIEW, "household", [OTHER, VILLAGE])
    assert both.sight(Privacy.D, [GRID, VILLAGE]) is Sight.REASON
    assert both.sight(Privacy.D, [OTHER, VILLAGE]) is Sight.NEVER
    assert both.sight(Privacy.C, [OTHER, VILLAGE]) is Sight.REASON
    assert not Rights().may_anywhere(Action.VIEW, "household")
    assert Rights().sight(Privacy.C, [GRID]) is Sight.NEVER


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(in_words(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
