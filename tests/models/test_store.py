"""The fold: same result for every order of arrival, and fold(log) == tables at every moment."""

from __future__ import annotations

import random as chance
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert, select

from app.ledger.act import Circumstances, Pen, Said, Signed, start, write
from app.ledger.entry import Act, Kind
from app.models.records.registry import BY_NAME
from app.models.store import Item, fold, place, refold, registers_of, state_hash
from app.models.tables import DERIVED, ENTRY, PAYLOAD, TABLES, create_tables

HOUSEHOLD = BY_NAME["household"]
FIELDS = [f.number for f in HOUSEHOLD.fields if f.type.value == "text"]
OBJECTS = [bytes([n]) * 16 for n in range(3)]


def database() -> Connection:
    connection = create_engine("sqlite://").connect()
    create_tables(connection)
    return connection


def tables(tx: Connection) -> dict[str, list[Any]]:
    """All derived tables after canonical sort."""
    later = ("stale", "summary")
    return {t.name: sorted(map(repr, tx.execute(select(t)))) for t in DERIVED.sorted_tables if t.name not in later}


def keep(tx: Connection, signed: Signed, position: int | None) -> None:
    entry = signed.entry
    row = {"id": signed.id, "dot": signed.id[:16], "chain": entry.chain, "seq": entry.seq, "position": position}
    row |= {"kind": entry.kind, "act": entry.act, "actor": entry.actor, "wall": entry.wall}
    tx.execute(insert(ENTRY), [{**row, "data": signed.data, "signature": signed.signature}])
    tx.execute(insert(PAYLOAD), [{"id": signed.id, "data": signed.payload}])


def history(seed: int, acts: int) -> list[Signed]:
    """Acts of three people who each see only a part of what the others did: some edits are truly concurrent."""
    r = chance.Random(seed)
    people: list[tuple[Pen, Connection]] = []
    log: list[Signed] = []
    for n in range(3):
        first, pen = start(r.randbytes(32), r.randbytes(16), bytes([n]) * 16, Circumstances(wall=n))
        log.append(first)
        people.append((pen, database()))
    done: list[Signed] = []
    seen = [0, 0, 0]
    for step in range(acts):
        who = r.randrange(3)
        pen, tx = people[who]
        if r.random() < 0.3:
            news = [s for s in done[seen[who] :] if s.entry.chain != pen.chain.id]
            fold(tx, [Item.of(s.data, s.payload, None) for s in news])
            seen[who] = len(done)
        target = r.choice(OBJECTS)
        known = registers_of(tx, HOUSEHOLD, target)
        values: dict[int, Any] = {}
        if not known:
            values[0] = True
        elif r.random() < 0.1:
            values[0] = None if r.random() < 0.5 else True
        for number in r.sample(FIELDS, r.randrange(1, 4)):
            values[number] = r.choice([None, "甲", "乙", f"值{step}"])
        bases = {n: list(known[n].live) for n in values if n in known and known[n].live}
        said = Said(kind=HOUSEHOLD.number, object=target, values=values, bases=bases)
        signed, pen = write(pen, Act.EDIT, [target], [said], Circumstances(wall=step), r.randbytes)
        people[who] = (pen, tx)
        fold(tx, [Item.of(signed.data, signed.payload, None)])
        done.append(signed)
    for _, tx in people:
        tx.close()
    return log + done


def folded(order: Sequence[tuple[Signed, int | None]], slice_size: int) -> Connection:
    tx = database()
    for n in range(0, len(order), slice_size):
        part = order[n : n + slice_size]
        for signed, position in part:
            keep(tx, signed, position)
        fold(tx, [Item.of(s.data, s.payload, p) for s, p in part])
    return tx


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 2**32), slice_size=st.sampled_from([1, 7, 1000]))
def test_fold_is_the_same_for_every_order_of_arrival(seed: int, slice_size: int) -> None:
    log = history(seed, 84)
    plain = [(signed, position) for position, signed in enumerate(log)]
    mixed = plain.copy()
    chance.Random(seed).shuffle(mixed)
    one, other = folded(plain, 1000), folded(mixed, slice_size)
    assert tables(one) == tables(other)
    assert state_hash(one) == state_hash(other)
    list(refold(other, 13))
    assert tables(one) == tables(other)
    one.close()
    other.close()


def test_positions_that_arrive_later_give_the_same_tables() -> None:
    log = history(99, 120)
    plain = [(signed, position) for position, signed in enumerate(log)]
    known, late = folded(plain, 1000), folded([(signed, None) for signed, _ in plain], 1000)
    half = chance.Random(5).sample(plain, len(plain))
    for part in (half[:60], half[60:]):
        place(late, [Item.of(s.data, s.payload, p) for s, p in part])
    assert tables(known) == tables(late)
    known.close()
    late.close()


def test_concurrent_values_stay_both_and_the_first_sequenced_is_shown() -> None:
    tx = database()
    target = OBJECTS[0]
    _, pen_a = start(bytes(32), bytes(16), b"a" * 16, Circumstances(wall=0))
    _, pen_b = start(b"\x01" * 32, bytes(16), b"b" * 16, Circumstances(wall=0))
    number = HOUSEHOLD.field("villager_group").number
    first, pen_a = write(
        pen_a,
        Act.CREATE,
        [target],
        [Said(kind=8, object=target, values={0: True, number: "一组"})],
        Circumstances(wall=1),
        bytes,
    )
    base = {number: [first.id[:16]]}
    mine, _ = write(
        pen_a,
        Act.EDIT,
        [target],
        [Said(kind=8, object=target, values={number: "二组"}, bases=base)],
        Circumstances(wall=2),
        bytes,
    )
    theirs, _ = write(
        pen_b,
        Act.EDIT,
        [target],
        [Said(kind=8, object=target, values={number: "三组"}, bases=base)],
        Circumstances(wall=2),
        bytes,
    )
    fold(tx, [Item.of(s.data, s.payload, p) for s, p in ((mine, 9), (theirs, 8), (first, 7))])
    register = registers_of(tx, HOUSEHOLD, target)[number]
    assert register.disputed()
    assert len(register.live) == 2
    table = TABLES[HOUSEHOLD.number]
    assert tx.scalar(select(table.c.villager_group)) == "三组"
    tx.close()


@pytest.mark.parametrize("position", [None, 5])
def test_an_act_without_authority_is_inert(position: int | None) -> None:
    tx = database()
    _, pen = start(bytes(32), bytes(16), b"a" * 16, Circumstances(wall=0))
    said = Said(kind=BY_NAME["grant"].number, object=b"g" * 16, values={0: True, 1: b"a" * 16, 2: "ADMIN"})
    signed, _ = write(pen, Act.GRANT, [b"a" * 16], [said], Circumstances(wall=1), bytes)
    assert signed.entry.kind == Kind.ACT
    fold(tx, [Item.of(signed.data, signed.payload, position)])
    assert tx.execute(select(TABLES[BY_NAME["grant"].number])).first() is None
    tx.close()
