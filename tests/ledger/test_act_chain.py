"""Acts become entries of a chain, and a chain takes only what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.errors import ChainBroken
from app.ledger import chain as chains
from app.ledger.act import Circumstances, Pen, Said, Signed, start, write, write_body
from app.ledger.chain import Chain, begin, chain_id, extend
from app.ledger.entry import (
    Act,
    Entry,
    Kind,
    Payload,
    decode_entry,
    encode_entry,
    encode_payload,
    entry_id,
    open_payload,
    signed_bytes,
)
from app.ledger.signatures import ED25519, public_key, sign
from tests.ledger import independent
from tests.ledger.county_log import NOW, WORKER, Chance, at, seed_of

SEED, NONCE = seed_of("worker"), b"n" * 16
HOUSE, PERSON = b"H" * 16, b"P" * 16


@pytest.fixture
def pen() -> Pen:
    """A chain with its genesis written."""
    return start(SEED, NONCE, WORKER, at())[1]


def sealed(entry: Entry, seed: bytes = SEED) -> tuple[Entry, bytes, bytes]:
    """What `extend` takes."""
    identity = entry_id(encode_entry(entry))
    return entry, identity, sign(ED25519, seed, signed_bytes(identity))


def code(build: Callable[[], object]) -> str:
    """The code of the refusal."""
    with pytest.raises(ChainBroken) as refused:
        build()
    return refused.value.code


def test_a_genesis_makes_its_chain() -> None:
    signed, pen = start(SEED, NONCE, WORKER, at(), {10: "990000"})
    key = public_key(SEED)
    assert pen.chain.id == chain_id(key, NONCE) == independent.chain_id(key, NONCE)
    assert signed.entry.body == {1: ED25519, 2: key, 3: NONCE, 10: "990000"}
    assert (signed.entry.roots, signed.entry.actor) == ((WORKER,), WORKER)
    assert begin(decode_entry(signed.data), signed.id, signed.signature) == pen.chain
    assert pen.chain == Chain(
        id=pen.chain.id, next_seq=1, head=signed.id, algorithm=ED25519, public_key=key, actor=WORKER
    )


def test_what_is_no_genesis() -> None:
    signed, _ = start(SEED, NONCE, WORKER, at())
    entry = signed.entry
    body = dict(entry.body or {})
    for wrong in (
        replace(entry, kind=Kind.ACT),
        replace(entry, body=None),
        replace(entry, chain=bytes(16)),
        replace(entry, body={**body, chains.NONCE: bytes(16)}),
        replace(entry, body={**body, chains.NONCE: b"n"}),
        replace(entry, body={**body, chains.PUBLIC_KEY: public_key(seed_of("other"))}),
        replace(entry, body={**body, chains.PUBLIC_KEY: "key"}),
        replace(entry, body={**body, chains.ALGORITHM: 3}),
        replace(entry, seq=1, prev=bytes(31) + b"\x01"),
    ):
        assert code(partial(begin, *sealed(wrong))) == "not-a-genesis"
    assert code(lambda: begin(*sealed(entry, seed_of("other")))) == "bad-signature"
    small_order = bytes(32)
    weak = replace(entry, chain=chain_id(small_order, NONCE), body={**body, chains.PUBLIC_KEY: small_order})
    assert code(lambda: begin(*sealed(weak))) == "bad-public-key"


def test_an_act_is_sorted_committed_to_and_signed(pen: Pen) -> None:
    random = Chance()
    base = [b"\x02" * 16, b"\x01" * 16, b"\x02" * 16]
    said = [
        Said(kind=11, object=PERSON, values={300: ("01", "02"), 2: None}, bases={300: base}),
        Said(kind=10, object=HOUSE, values={1: "户主甲", 0: True}),
    ]
    here = Circumstances(wall=NOW, mono=(1, 2), seen=(0, 9, bytes(32)), app=7)
    signed, after = write(pen, Act.VISIT, [PERSON, HOUSE, PERSON], said, here, random, [b"R" * 16])
    secret = Chance()(32)
    slots = [(HOUSE, 0, True), (HOUSE, 1, "户主甲"), (PERSON, 2, None), (PERSON, 300, ["01", "02"])]
    table: dict[int, Any] = {
        1: 1,
        2: pen.chain.id,
        3: 1,
        4: pen.chain.head,
        5: 3,
        6: 8,
        7: [HOUSE, PERSON],
        8: [[10, HOUSE, [0, 1]], [11, PERSON, [2, 300]]],
        9: [[1, 300, [b"\x01" * 16, b"\x02" * 16]]],
        10: independent.commitment(secret, slots),
        11: WORKER,
        12: NOW,
        13: [1, 2],
        14: 1,
        15: [0, 9, bytes(32)],
        16: [b"R" * 16],
        17: 7,
    }
    assert signed.data == independent.d1(table)
    assert signed.payload == independent.payload(secret, slots)
    assert signed.signature == sign(ED25519, SEED, independent.signed(signed.data))
    assert decode_entry(signed.data) == signed.entry
    assert (after.chain.next_seq, after.chain.head) == (2, signed.id)
    assert extend(pen.chain, signed.entry, signed.id, signed.signature) == after.chain
    assert "seed" not in repr(after)


def test_an_act_that_says_nothing(pen: Pen) -> None:
    signed, _ = write(pen, Act.PRINT, [HOUSE], [], at(), Chance())
    assert signed.entry.commitment is None
    assert open_payload(signed.entry, signed.payload).values == ()


def test_each_link_is_judged(pen: Pen) -> None:
    signed, after = write(pen, Act.EDIT, [HOUSE], [], at(), Chance())
    entry = signed.entry
    assert code(lambda: extend(after.chain, entry, signed.id, signed.signature)) == "chain-gap"
    assert code(lambda: extend(pen.chain, *sealed(replace(entry, seq=2)))) == "chain-gap"
    assert code(lambda: extend(pen.chain, *sealed(replace(entry, prev=b"\x01" * 32)))) == "chain-fork"
    assert code(lambda: extend(pen.chain, *sealed(replace(entry, chain=bytes(16))))) == "chain-foreign"
    assert code(lambda: extend(pen.chain, *sealed(replace(entry, actor=b"?" * 16)))) == "chain-person"
    assert code(lambda: extend(pen.chain, *sealed(replace(entry, actor=None)))) == "chain-person"
    assert code(lambda: extend(pen.chain, *sealed(entry, seed_of("other")))) == "bad-signature"
    assert code(lambda: extend(pen.chain, entry, signed.id, signed.signature[:63])) == "bad-signature"
    genesis, _ = start(SEED, NONCE, WORKER, at())
    assert code(lambda: extend(pen.chain, genesis.entry, genesis.id, genesis.signature)) == "chain-foreign"


def test_a_rotation_changes_the_key_for_what_follows(pen: Pen) -> None:
    new = seed_of("new")
    rotated, after = write_body(pen, Kind.ROTATE, {1: ED25519, 2: public_key(new)}, at())
    state = extend(pen.chain, rotated.entry, rotated.id, rotated.signature)
    assert state.public_key == public_key(new)
    old_signed, _ = write(after, Act.EDIT, [HOUSE], [], at(), Chance())
    assert code(lambda: extend(state, old_signed.entry, old_signed.id, old_signed.signature)) == "bad-signature"
    new_signed, _ = write(replace(after, seed=new), Act.EDIT, [HOUSE], [], at(), Chance())
    assert extend(state, new_signed.entry, new_signed.id, new_signed.signature).next_seq == 3
    for body, expected in (
        ({}, "bad-rotation"),
        ({1: 2, 2: public_key(new)}, "bad-rotation"),
        ({1: ED25519, 2: b"short"}, "bad-rotation"),
        ({1: ED25519, 2: bytes(32)}, "bad-public-key"),
    ):
        wrong, _ = write_body(pen, Kind.ROTATE, body, at())
        assert code(partial(extend, pen.chain, wrong.entry, wrong.id, wrong.signature)) == expected


@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(st.sampled_from(list(Act)), st.dictionaries(st.integers(0, 99), st.integers())), max_size=8))
def test_a_chain_of_any_acts_extends(acts: list[tuple[Act, dict[int, int]]]) -> None:
    random = Chance()
    signed, pen = start(SEED, NONCE, WORKER, at())
    state = begin(signed.entry, signed.id, signed.signature)
    written: list[Signed] = []
    for number, values in acts:
        small = {field: value % 2**63 for field, value in values.items()}
        said = [Said(kind=10, object=HOUSE, values=small)] if small else []
        signed, pen = write(pen, number, [HOUSE], said, at(), random)
        written.append(signed)
    for signed in written:
        entry = decode_entry(signed.data)
        state = extend(state, entry, entry_id(signed.data), signed.signature)
        opened = open_payload(entry, signed.payload)
        assert encode_payload(Payload(opened.secret, opened.values)) == signed.payload
    assert state == pen.chain
