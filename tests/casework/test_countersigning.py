"""Two people for one act: nothing happens before the second has agreed, and both entries can be proved."""

from __future__ import annotations

import pytest

from app.casework import audit, countersigning, desk, dossiers
from app.casework.countersigning import NewProposal, SecondPerson
from app.casework.desk import Desk, created
from app.errors import InputProblem, VaultProblem
from app.ledger.entry import Act, decode_entry
from app.models.fields import Value
from app.models.queries import history, households, oversight
from app.models.records.registry import BY_NAME
from app.models.tables import ENTRY
from app.sync import journal
from tests import demo
from tests.casework.conftest import THEIR_PASSWORD

WHY = "全户迁往外省，已核实"


def proposed(mine: Desk, household: bytes) -> bytes:
    new = NewProposal(id=mine.new_id(), matter="VOID_FILE", reason=WHY, household=household)
    countersigning.propose(mine, new)
    return new.id


def second(mine: Desk) -> SecondPerson:
    return countersigning.second_person(mine, demo.COLLEAGUE, THEIR_PASSWORD)


def refused(code: str) -> pytest.RaisesExc[InputProblem]:
    return pytest.RaisesExc(InputProblem, check=lambda problem: problem.code == code)


def test_a_file_is_ended_by_two(station: Desk) -> None:
    household = demo.find(station, "wyf")[0].id
    proposal = proposed(station, household)
    (waiting,) = countersigning.pending(station)
    assert (waiting.proposed.id, waiting.by, waiting.head) == (proposal, "韦测一", "吴艳芳")
    assert demo.find(station, "wyf")  # nothing has happened yet
    with station.vault.reading() as tx:
        members = [each.id for each in households.members(tx, household)]
    countersigning.decide(station, second(station), proposal, "AGREED")
    for _ in desk.refresh(station):
        pass
    assert countersigning.pending(station) == ()
    assert demo.find(station, "wyf") == []
    assert dossiers.read(station, household) is None
    with station.vault.reading() as tx:
        assert households.members(tx, household) == []
        acts = [history.detail(tx, row.id) for row in history.acts(tx, root=household)]  # it stays in the history
        found = oversight.proposal(tx, proposal)
        assert acts[0] is not None
        newest = tx.execute(ENTRY.select().where(ENTRY.c.id == acts[0].row.id)).one()
    assert acts[0].row.act == Act.DECIDE
    assert acts[0].row.actor == demo.COLLEAGUE
    assert acts[0].row.chain != station.author.chain
    assert found is not None
    assert found.by == demo.MINE
    assert decode_entry(newest.data).refs == (found.entry,)
    ended = {change.object for change in acts[0].changes if change.field == 0 and change.after is None}
    assert ended == {household, *members}
    steps = audit.check(station)  # every signature of both chains, and the tables are what the log says
    while True:
        try:
            next(steps)
        except StopIteration:
            break


def test_a_refusal_changes_nothing_and_needs_a_reason(station: Desk) -> None:
    household = demo.find(station, "wyf")[0].id
    proposal = proposed(station, household)
    with refused("required"):
        countersigning.decide(station, second(station), proposal, "REFUSED", " ")
    countersigning.decide(station, second(station), proposal, "REFUSED", "人还住在村里")
    assert countersigning.pending(station) == ()
    assert demo.find(station, "wyf")[0].id == household
    before = len(demo.find(station))
    assert countersigning.decide(station, second(station), proposal, "AGREED").roots == frozenset()
    assert len(demo.find(station)) == before  # what was refused is refused


def test_nobody_is_their_own_second(station: Desk) -> None:
    proposal = proposed(station, demo.find(station, "wyf")[0].id)
    with refused("second-is-first"):
        countersigning.second_person(station, demo.MINE, demo.PASSWORD)
    myself = SecondPerson(author=station.author, name="韦测一", rights=station.rights)
    with refused("second-is-first"):
        countersigning.decide(station, myself, proposal, "AGREED")
    assert len(countersigning.pending(station)) == 1


def test_the_second_needs_a_password_and_the_right(station: Desk) -> None:
    proposal = proposed(station, demo.find(station, "wyf")[0].id)
    with pytest.raises(VaultProblem) as wrong:
        countersigning.second_person(station, demo.COLLEAGUE, "不是这个密码")
    assert wrong.value.code == "wrong-password"
    with station.vault.transaction() as tx:
        demo.grant(tx, demo.COLLEAGUE, [("GRID", demo.GRID)])
    with refused("second-not-allowed"):
        countersigning.decide(station, second(station), proposal, "AGREED")
    with station.vault.transaction() as tx:
        demo.grant(tx, demo.COLLEAGUE, [("STATION", b"\x66" * 16)])  # of another township
    with refused("second-not-allowed"):
        countersigning.decide(station, second(station), proposal, "AGREED")
    assert len(countersigning.pending(station)) == 1


def test_a_decision_of_somebody_without_the_right_decides_nothing(station: Desk) -> None:
    """As another program could write it; the right person still decides, and keeps the word when they leave."""
    proposal = proposed(station, demo.find(station, "wyf")[0].id)
    nobody = b"\x33" * 16
    demo.join(station, nobody, "陆试三", "第三个人 的密码")
    keys = station.vault.keys_of(nobody, "第三个人 的密码")
    decision: dict[str, Value] = {"area": station.workplace, "proposal": proposal, "outcome": "AGREED"}
    with station.vault.transaction() as tx:
        author = journal.author_of(tx, keys.signing_seed, 1)
        said = [created(BY_NAME["decision"], station.new_id(), decision)]
        journal.append(tx, author, Act.DECIDE, [station.workplace], said, station.clock(), station.random)
    assert len(countersigning.pending(station)) == 1
    countersigning.decide(station, second(station), proposal, "REFUSED", "户主没有同意")
    with station.vault.transaction() as tx:
        demo.grant(tx, demo.COLLEAGUE, [])
        found = oversight.proposal(tx, proposal)
    assert found is not None
    assert found.decided is not None
    assert (found.decided.by, found.decided.outcome) == (demo.COLLEAGUE, "REFUSED")


def test_who_may_not_void_cannot_propose_it(mine: Desk) -> None:
    household = demo.find(mine, "wyf")[0].id
    with refused("not-allowed"):
        proposed(mine, household)


def test_one_proposal_at_a_time_and_with_a_reason(station: Desk) -> None:
    household = demo.find(station, "wyf")[0].id
    for reason, code in (("", "required"), ("不对", "reason-short")):
        with refused(code):
            new = NewProposal(id=station.new_id(), matter="VOID_FILE", reason=reason, household=household)
            countersigning.propose(station, new)
    new = NewProposal(id=station.new_id(), matter="VOID_FILE", reason=WHY, household=household)
    countersigning.propose(station, new)
    assert countersigning.propose(station, new).roots == frozenset()  # the same button twice
    with refused("already-proposed"):
        proposed(station, household)
    assert BY_NAME["proposal"].number == 17
