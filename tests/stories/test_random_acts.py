"""`fold(log) == tables` after a thousand acts of a laptop, and the chain walks."""

from __future__ import annotations

import random as chance
import tempfile
from pathlib import Path

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.models.store import refold, state_hash
from app.sync import journal
from app.vault import kept
from tests import acts, demo

ONCE = settings(max_examples=1, deadline=None, phases=[Phase.explicit, Phase.generate])


@ONCE
@given(seed=st.integers(0, 2**32))
def test_tables_are_the_fold_of_the_log_after_a_thousand_acts(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        thousand_acts(Path(name) / "vault", seed)


def thousand_acts(folder: Path, seed: int) -> None:
    demo.build(folder)
    mine = demo.open_desk(folder, random=chance.Random(seed))
    acts.many(mine, seed, 1000, demo.VILLAGE)
    with mine.vault.transaction() as tx:
        before, digest = acts.tables(tx), state_hash(tx)
        assert kept.waiting(tx) >= 1000
        list(refold(tx))
        assert acts.tables(tx) == before
        assert state_hash(tx) == digest
        *_, last = journal.walk(tx, mine.author.chain)
        assert last[0] == last[1] > 1000
    mine.vault.lock()
