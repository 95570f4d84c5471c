"""A thousand things people might do, by chance but the same for the same seed; and what the tables then say."""

from __future__ import annotations

import random as chance

from sqlalchemy import select

from app.casework import cards, desk, files, visits
from app.casework.desk import Desk
from app.casework.files import NewFile
from app.errors import InputProblem
from app.models.fields import Value
from app.models.queries import households
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.store import Transaction
from app.models.tables import DERIVED

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
WORDS = ("屋顶漏雨已经补好", "孩子学费有着落了", "打算开春买两头猪", "药费报销还没到账", "水管冻裂等人来修")
DERIVED_LATER = {"stale", "summary"}  # filled by a worker after the fold


def tables(tx: Transaction) -> dict[str, list[str]]:
    """All derived tables after canonical sort."""
    return {
        table.name: sorted(map(repr, tx.execute(select(table))))
        for table in DERIVED.sorted_tables
        if table.name not in DERIVED_LATER
    }


def one_act(mine: Desk, dice: chance.Random, known: list[bytes], village: bytes) -> bool:
    """One act of some kind on one of these households, or on a new one; False when nothing could be done."""
    kind = dice.choice(("open", "edit", "edit", "edit", "member", "person", "leave", "visit", "visit", "card"))
    if kind == "open" or not known:
        return _open(mine, dice, village)
    household = dice.choice(known)
    with mine.vault.reading() as tx:
        sheet = households.sheet(tx, HOUSEHOLD, household)
        people = households.members(tx, household)
    assert sheet is not None
    try:
        if kind == "edit":
            values: dict[str, Value] = {
                "natural_village": dice.choice((None, "老寨", "新寨", "下寨")),
                "area_cultivated": dice.randrange(900),
                "remarks": dice.choice(WORDS),
                "tags": tuple(dice.sample(("DIBAO", "SINGLE", "TEKUN"), dice.randrange(3))),
            }
            files.edit(mine, household, sheet, dict(dice.sample(sorted(values.items()), dice.randrange(1, 4))))
        elif kind == "member":
            named: dict[str, Value] = {"name": "韦试" + dice.choice("三四五六七"), "gender": "1", "relation": "99"}
            files.add_member(mine, household, mine.new_id(), named)
        elif kind == "person":
            skill = dice.choice(("ORDINARY", "WEAK", "NONE"))
            files.edit(mine, household, dice.choice(people), {"labour_skill": skill})
        elif kind == "leave":
            files.end_member(mine, household, dice.choice(people), "MOVED_OUT")
        elif kind == "visit":
            draft = visits.begin(mine, household)
            said = {**draft.values, "summary": "，".join(dice.sample(WORDS, 4))}
            visits.record(mine, visits.VisitDraft(id=draft.id, household=household, values=said))
        else:
            return cards.bind(mine, household, reason=dice.choice(("FIRST", "LOST")))[1].outbox
    except InputProblem as problem:
        if problem.code in {"nothing-changed", "head-cannot-leave", "no-cards-left"}:
            return False
        raise
    return True


def _open(mine: Desk, dice: chance.Random, village: bytes) -> bool:
    values: dict[str, Value] = {"villager_group": dice.choice("一二三四五") + "组", "household_type": "ORDINARY"}
    new = NewFile(
        household=mine.new_id(),
        head=mine.new_id(),
        household_values={**values, "village": village, "grid": mine.workplace},
        head_values={"name": "韦测" + dice.choice("一二三四五"), "gender": dice.choice("12")},
    )
    files.open_file(mine, new)
    return True


def many(mine: Desk, seed: int, count: int, village: bytes) -> None:
    """`count` acts; summaries are derived now and then, as the program does."""
    dice = chance.Random(seed)
    done = 0
    while done < count:
        for _ in desk.refresh(mine):
            pass
        with mine.vault.reading() as tx:
            known = [row.id for row in households.page(tx, Filter(), limit=1000)]
        for _ in range(50):
            done += one_act(mine, dice, known, village)
