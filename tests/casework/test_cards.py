"""A household's card: bound once, never replaced by the way."""

from __future__ import annotations

import random as chance
from pathlib import Path

import pytest
from sqlalchemy import delete

from app.casework import cards
from app.errors import InputProblem
from app.vault import kept
from tests import demo


def test_a_card_of_another_workplace_is_not_replaced_by_the_way(tmp_path: Path) -> None:
    demo.build(tmp_path / "vault")
    desk = demo.open_desk(tmp_path / "vault", random=chance.Random(3))
    household = demo.find(desk)[0].id
    card, touched = cards.bind(desk, household)
    assert touched.outbox
    again, touched = cards.bind(desk, household)
    assert (again, touched.outbox) == (card, False)
    with desk.vault.transaction() as tx:  # as if the card had come from another vault's stock
        tx.execute(delete(kept.CARD_STOCK).where(kept.CARD_STOCK.c.card_no == card.card_no))
    with pytest.raises(InputProblem, match="card-elsewhere"):
        cards.bind(desk, household)
    replaced, _ = cards.bind(desk, household, reason="LOST")
    assert replaced.card_no != card.card_no
    desk.vault.lock()
