"""Entries and payloads: frozen bytes, strict reading both ways, commitments that survive what is taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.errors import ChainBroken
from app.ledger import entry as entries
from app.ledger.encoding import decode, encode
from app.ledger.entry import (
    MAX_ENTRY,
    MAX_PAYLOAD,
    Change,
    Entry,
    Payload,
    Withheld,
    commit_all,
    commit_value,
    decode_entry,
    dot,
    encode_entry,
    encode_payload,
    entry_id,
    open_payload,
    salt,
    salts_of,
    signed_bytes,
    withhold,
)
from tests.ledger import independent
from tests.ledger.independent import SECRET, SLOTS, from_json, read

ENTRIES = read("entry.json")
PAYLOAD = read("payload.json")
CHANCE = settings(max_examples=150, phases=[Phase.explicit, Phase.generate])

ids = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=32, max_size=32)
counts = st.one_of(st.integers(0, 30), st.integers(0, 2**64 - 1))
field_sets = st.sets(st.one_of(st.integers(0, 40), counts), min_size=1, max_size=30).map(lambda s: tuple(sorted(s)))


@st.composite
def acts(draw: st.DrawFn) -> Entry:
    """Any well-formed entry without body and original."""
    keys = draw(st.sets(st.tuples(ids, counts), max_size=3))
    changes = tuple(Change(kind, object_id, draw(field_sets)) for object_id, kind in sorted(keys))
    slots = [(index, field) for index, change in enumerate(changes) for field in change.fields]
    replaced = draw(st.sets(st.sampled_from(slots), max_size=4)) if slots else set()
    dots = st.sets(ids, min_size=1, max_size=3).map(lambda s: tuple(sorted(s)))
    seq = draw(counts)
    return Entry(
        chain=draw(ids),
        seq=seq,
        prev=draw(hashes.filter(any)) if seq else bytes(32),
        kind=draw(counts.filter(bool)),
        act=draw(counts),
        roots=tuple(sorted(draw(st.sets(ids, max_size=3)))),
        changes=changes,
        bases={key: draw(dots) for key in sorted(replaced)},
        commitment=draw(hashes) if changes else None,
        actor=draw(st.none() | ids),
        wall=draw(counts | st.integers(-5, -1)),
        mono=draw(st.none() | st.tuples(counts, counts)),
        schema=draw(counts),
        seen=draw(st.none() | st.tuples(counts, counts, hashes)),
        refs=tuple(draw(st.lists(ids | hashes, max_size=3))),
        app=draw(counts),
    )


@pytest.mark.parametrize("case", ENTRIES["taken"], ids=lambda case: case["name"])
def test_the_frozen_entries(case: Any) -> None:
    data, table = bytes.fromhex(case["hex"]), from_json(case["table"])
    entry = decode_entry(data)
    assert encode_entry(entry) == data
    assert entry_id(data).hex() == case["id"]
    assert dot(data, entry).hex() == case["dot"]
    assert signed_bytes(entry_id(data)).hex() == case["signed"]
    assert (entry.chain, entry.seq, entry.prev, entry.kind) == (table[2], table[3], table[4], table[5])
    assert [[change.kind, change.object, list(change.fields)] for change in entry.changes] == table.get(8, [])
    assert [[*key, list(dots)] for key, dots in entry.bases.items()] == table.get(9, [])
    assert (entry.act, entry.wall, entry.actor, entry.body) == (
        table.get(6, 0),
        table[12],
        table.get(11),
        table.get(19),
    )


@pytest.mark.parametrize("case", ENTRIES["refused"], ids=lambda case: case["name"])
def test_the_frozen_refusals(case: Any) -> None:
    data = bytes.fromhex(case["hex"])
    assert encode(decode(data)) == data
    with pytest.raises(ChainBroken) as refused:
        decode_entry(data)
    assert refused.value.code == "entry-form"


def test_the_vectors_are_what_the_second_reading_says() -> None:
    again = independent.vectors()
    for name in ("entry.json", "payload.json"):
        assert read(name) == again[name]


@CHANCE
@given(acts())
def test_what_was_written_is_read_by_both_readers(entry: Entry) -> None:
    data = encode_entry(entry)
    assert decode_entry(data) == entry
    assert entries._read(decode(data)) == entry


@CHANCE
@given(acts(), st.integers(0, 2**16), st.integers(0, 255), st.sampled_from(["set", "cut", "put"]))
def test_the_quick_reader_takes_nothing_that_the_strict_one_refuses(
    entry: Entry, place: int, byte: int, how: str
) -> None:
    data = bytearray(encode_entry(entry))
    place %= len(data)
    if how == "set":
        data[place] = byte
    elif how == "cut":
        del data[place]
    else:
        data.insert(place, byte)
    quick = entries._read_usual(bytes(data))
    if quick is not None:
        assert entries._read(decode(bytes(data))) == quick


def test_the_usual_entry_is_read_in_one_go() -> None:
    taken = {case["name"]: bytes.fromhex(case["hex"]) for case in ENTRIES["taken"]}
    quick = {name for name, data in taken.items() if entries._read_usual(data) is not None}
    assert quick == {"act", "act without values", "bare act"}


def test_no_entry_is_larger_than_it_may_be() -> None:
    entry = decode_entry(bytes.fromhex(ENTRIES["taken"][2]["hex"]))
    for build in (
        lambda: encode_entry(replace(entry, refs=(bytes(32),) * 1000)),
        lambda: decode_entry(bytes(MAX_ENTRY + 1)),
        lambda: open_payload(entry, bytes(MAX_PAYLOAD + 1)),
        lambda: encode_payload(Payload(bytes(32), ("字" * MAX_PAYLOAD,))),
    ):
        with pytest.raises(ChainBroken) as refused:
            build()
        assert refused.value.code in ("entry-too-large", "payload-too-large")


# --- payloads ---

ACT = decode_entry(bytes.fromhex(PAYLOAD["entry"]))
WHOLE = bytes.fromhex(PAYLOAD["whole"])


def test_the_frozen_commitment() -> None:
    salts = [salt(SECRET, i) for i in range(len(SLOTS))]
    assert [own.hex() for own in salts] == PAYLOAD["salts"]
    assert list(salts_of(SECRET, len(SLOTS))) == salts
    each = [commit_value(own, *slot) for own, slot in zip(salts, SLOTS, strict=True)]
    assert [commitment.hex() for commitment in each] == PAYLOAD["commitments"]
    assert commit_all(each).hex() == PAYLOAD["commitment"]
    assert ACT.commitment == commit_all(each)


def test_the_frozen_payloads() -> None:
    opened = open_payload(ACT, WHOLE)
    values = [list(value) if isinstance(value, tuple) else value for value in opened.values]
    assert values == from_json(PAYLOAD["values"])
    assert opened.secret == SECRET
    for case in PAYLOAD["withheld"]:
        keep, data = set(case["keep"]), bytes.fromhex(case["hex"])
        assert encode_payload(withhold(ACT, opened, keep)) == data
        partly = open_payload(ACT, data)
        assert partly.secret is None
        for number, (mine, whole) in enumerate(zip(partly.values, opened.values, strict=True)):
            expected = whole if number in keep else Withheld(bytes.fromhex(PAYLOAD["commitments"][number]))
            assert mine == expected
        # What is withheld cannot be had back, more can be withheld.
        assert encode_payload(withhold(ACT, partly, {0, 1, 2, 3, 4})) == data
        assert withhold(ACT, partly, set()).values == withhold(ACT, opened, set()).values


def test_every_flipped_byte_of_a_payload_is_noticed() -> None:
    for data in (WHOLE, *(bytes.fromhex(case["hex"]) for case in PAYLOAD["withheld"])):
        for place in range(len(data)):
            damaged = bytearray(data)
            damaged[place] ^= 1 << place % 8
            with pytest.raises(ChainBroken) as refused:
                open_payload(ACT, bytes(damaged))
            assert refused.value.code in ("commitment", "payload-form", "d1-bytes")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [SECRET],
        [SECRET, []],
        [SECRET[:31], [True, "", 0, None, []]],
        [None, [True, "", 0, None, []]],
        [None, [[bytes(31), 1]] * 5],
        [None, [[bytes(32)]] * 5],
        [None, [bytes(31)] * 5],
        [SECRET, [True, "", 0, None, []], 1],
    ],
)
def test_payloads_of_another_form(value: Any) -> None:
    with pytest.raises(ChainBroken) as refused:
        open_payload(ACT, encode(value))
    assert refused.value.code == "payload-form"


@CHANCE
@given(st.data())
def test_payloads_of_any_values(data: st.DataObject) -> None:
    fields = data.draw(field_sets)
    leaf = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.just("户\n")
    values = tuple(data.draw(leaf | st.lists(leaf, max_size=3).map(tuple)) for _ in fields)
    secret, object_id = data.draw(hashes), data.draw(ids)
    plain = [list(value) if isinstance(value, tuple) else value for value in values]
    slots = [(object_id, field, value) for field, value in zip(fields, plain, strict=True)]
    entry = replace(
        ACT, changes=(Change(5, object_id, fields),), bases={}, commitment=independent.commitment(secret, slots)
    )
    sealed = independent.payload(secret, slots)
    assert encode_payload(Payload(secret, values)) == sealed
    opened = open_payload(entry, sealed)
    assert opened.values == values
    keep = data.draw(st.sets(st.integers(0, len(fields) - 1)))
    partly = independent.payload(secret, slots, sorted(keep))
    assert encode_payload(withhold(entry, opened, keep)) == partly
    assert open_payload(entry, partly).values[:1] == withhold(entry, opened, keep).values[:1]


def test_an_entry_without_values_has_an_empty_payload() -> None:
    bare = replace(ACT, changes=(), bases={}, commitment=None)
    assert open_payload(bare, encode([bytes(32), []])).values == ()
    assert open_payload(bare, encode([None, []])).values == ()
    for wrong in (b"", encode([bytes(32), [1]]), encode([1, []])):
        with pytest.raises(ChainBroken):
            open_payload(bare, wrong)
