"""Looking behind a mask: an entry with a reason, or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.casework import dossiers, revealing
from app.casework.desk import Desk
from app.errors import InputProblem
from app.ledger.entry import Act
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface, Whose
from app.models.tables import TABLES
from tests import demo

HOUSEHOLD, MEMBER, VIEWING = (BY_NAME[name] for name in ("household", "member", "viewing"))


@pytest.fixture
def helper(village: Path, tmp_path: Path) -> Iterator[Desk]:
    """The desk of somebody who helps the households of the grid."""
    folder = tmp_path / "helper"
    shutil.copytree(village, folder)
    desk = demo.open_desk(folder, granted=(("HELPER", demo.GRID),))
    yield desk
    desk.vault.lock()


def viewings(desk: Desk) -> list[tuple[int, bytes, str, str, str | None]]:
    table = TABLES[VIEWING.number]
    with desk.vault.reading() as tx:
        return [(r.kind, r.object, r.fields, r.reason, r.words) for r in tx.execute(select(table))]


def with_a_child(desk: Desk) -> dossiers.Dossier:
    """The file of a household with a child under 14."""
    for row in demo.find(desk):
        dossier = dossiers.read(desk, row.id)
        if dossier is not None and Whose.CHILD in dossier.seen.people.values():
            return dossier
    raise AssertionError("no child lives in the demo village")


def test_a_look_is_an_entry_of_the_household(mine: Desk) -> None:
    household = demo.find(mine, "wyf")[0].id
    touched = revealing.reveal(mine, household, HOUSEHOLD, household, ("bank_account",), "CONTACT")
    assert household in touched.roots
    assert viewings(mine) == [(HOUSEHOLD.number, household, "bank_account", "CONTACT", None)]
    dossier = dossiers.read(mine, household)
    assert dossier is not None
    assert dossier.acts[0].row.act == Act.REVEAL


def test_another_reason_wants_words(mine: Desk) -> None:
    household = demo.find(mine, "wyf")[0].id
    with pytest.raises(InputProblem) as refused:
        revealing.reveal(mine, household, HOUSEHOLD, household, ("bank_account",), "OTHER", "  ")
    assert refused.value.code == "required"
    with pytest.raises(InputProblem) as refused:
        revealing.reveal(mine, household, HOUSEHOLD, household, ("bank_account",), "CURIOSITY")
    assert refused.value.code == "bad-code"
    assert viewings(mine) == []
    revealing.reveal(mine, household, HOUSEHOLD, household, ("bank_account",), "OTHER", "银行来电核对")
    assert viewings(mine)[0][4] == "银行来电核对"


def test_what_is_never_seen_cannot_be_asked_for(helper: Desk) -> None:
    dossier = with_a_child(helper)
    household = dossier.row.id
    head = next(each for each in dossier.members if each["relation"] == "02")
    child = next(each for each in dossier.members if dossier.seen.whose(MEMBER, each.id) is Whose.CHILD)
    for member, fields in ((head, ("health",)), (head, ("cert_no", "health")), (child, ("name",))):
        with pytest.raises(InputProblem) as refused:
            revealing.reveal(helper, household, MEMBER, member.id, fields, "VISIT")
        assert refused.value.code == "not-allowed"
    assert viewings(helper) == []
    revealing.reveal(helper, household, MEMBER, head.id, ("cert_no",), "VISIT")
    assert len(viewings(helper)) == 1


def test_names_of_children_are_hidden_wherever_they_are_said(mine: Desk) -> None:
    dossier = with_a_child(mine)
    children = [each for each in dossier.members if dossier.seen.whose(MEMBER, each.id) is Whose.CHILD]
    assert children
    for child in children:
        assert dossier.names[child.id] == str(child["name"])[0] + "*"
        for field in MEMBER.fields:
            shown = dossier.seen.show(MEMBER, child.id, field.name, child[field.name], Surface.LOG)
            assert shown.hidden or child[field.name] in (None, ())
