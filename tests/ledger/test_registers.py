"""Registers: what was replaced goes, what is concurrent stays, in every order of arrival the same."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.ledger.act import Said
from app.ledger.registers import Register, fold_hash, fold_hash_in_order
from app.ledger.state import Objects
from tests.ledger import independent
from tests.ledger.county_log import HOMES, CountyLog, effective, fold, payload_values, registers, small, verify
from tests.ledger.independent import read

A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))
CHANCE = settings(max_examples=60, phases=[Phase.explicit, Phase.generate])

Edit = tuple[bytes, int | None, int, list[bytes]]  # dot, position, value, bases


@st.composite
def edits(draw: st.DrawFn) -> list[Edit]:
    """Edits of one field by people who saw some of the edits before theirs."""
    found: list[Edit] = []
    for number in range(draw(st.integers(1, 8))):
        seen = [edit[0] for edit in found]
        bases = draw(st.lists(st.sampled_from(seen), unique=True, max_size=3)) if seen else []
        position = draw(st.sampled_from([number, None]))
        found.append((bytes([draw(st.integers(0, 255)), number]) + bytes(14), position, draw(st.integers(0, 2)), bases))
    return found


def fold_of(items: list[Edit]) -> Register:
    register = Register()
    for edit in items:
        register.apply(*edit)
    return register


def test_an_edit_replaces_what_it_names() -> None:
    register = fold_of([(A, 0, "old", []), (B, 1, "new", [A])])  # type: ignore[list-item]
    assert register.shown() == "new"
    assert not register.disputed()
    assert register.live == {B: (1, "new")}


def test_concurrent_edits_both_stay_and_the_first_in_the_log_is_shown() -> None:
    register = fold_of([(A, 0, 0, []), (C, 7, 1, [A]), (B, 9, 2, [A])])
    assert register.disputed()
    assert register.shown() == 1
    assert set(register.live) == {B, C}
    register.apply(A[:15] + b"\x09", None, 3, [B, C])
    assert not register.disputed()
    assert register.shown() == 3


def test_without_a_place_the_lowest_dot_is_shown_after_all_that_have_one() -> None:
    assert fold_of([(C, None, 1, []), (B, None, 2, [])]).shown() == 2
    assert fold_of([(A, None, 1, []), (C, 5, 2, [])]).shown() == 2


def test_equal_values_agree() -> None:
    register = fold_of([(A, 0, 5, []), (B, 1, 5, [])])
    assert not register.disputed()
    assert len(register.live) == 2


def test_nothing_shows_nothing() -> None:
    assert Register().shown() is None
    assert not Register().disputed()


@CHANCE
@given(edits(), st.integers())
def test_any_order_of_arrival_comes_to_the_same(items: list[Edit], seed: int) -> None:
    shuffled = list(items)
    Random(seed).shuffle(shuffled)
    one, other = fold_of(items), fold_of(shuffled)
    assert one.live == other.live
    assert one.shown() == other.shown()
    assert one.disputed() == other.disputed()
    named = {base for _, _, _, bases in items for base in bases}
    assert set(one.live) == {dot for dot, _, _, _ in items} - named


# --- fold hash ---


def test_the_frozen_fold_hash() -> None:
    vector = read("fold.json")
    state = {
        (bytes.fromhex(row["object"]), row["field"]): [bytes.fromhex(dot) for dot in row["dots"]]
        for row in vector["registers"]
    }
    assert fold_hash(state).hex() == vector["hash"]
    assert fold_hash_in_order(sorted(state.items())).hex() == vector["hash"]
    assert fold_hash({}).hex() == vector["hash of nothing"]
    assert vector == independent.vectors()["fold.json"]


ids = st.binary(min_size=16, max_size=16)


@CHANCE
@given(st.dictionaries(st.tuples(ids, st.integers(0, 2**32)), st.lists(ids, unique=True, max_size=3)))
def test_fold_hashes_of_anything(state: dict[tuple[bytes, int], list[bytes]]) -> None:
    assert fold_hash(state) == independent.fold_hash(state)


# --- the verifier's fold ---


@st.composite
def logs(draw: st.DrawFn) -> CountyLog:
    """The small log and acts of several people behind it that create, edit, move, dispute, end."""
    log = small()
    homes = [b"H" * 16, b"I" * 16, b"J" * 16]
    people = [b"P" * 16, b"Q" * 16]
    for _ in range(draw(st.integers(1, 10))):
        kind, object_id = draw(
            st.tuples(st.just(10), st.sampled_from(homes))
            | st.tuples(st.just(11), st.sampled_from(people))
            | st.tuples(st.just(2), st.just(b"A" * 16))
        )
        values: dict[int, Any] = draw(
            st.dictionaries(st.sampled_from([0, 2, 40]), st.none() | st.booleans() | st.just("字"), max_size=2)
        )
        if draw(st.booleans()) or not values:
            values[1] = draw(st.sampled_from([*homes, None, "不是"]))
        live = registers(log.entries)
        bases = {
            field: draw(st.lists(st.sampled_from(sorted(found)), unique=True))
            for field in values
            if (found := live.get((object_id, field)))
        }
        roots = draw(st.lists(st.sampled_from(homes), max_size=2))
        name = draw(st.sampled_from(["root", "worker"]))
        log.say(name, roots, [Said(kind=kind, object=object_id, values=values, bases=bases)])
    return log


@settings(max_examples=40, phases=[Phase.explicit, Phase.generate])
@given(logs())
def test_the_fold_in_memory_is_that_of_the_plain_reading(log: CountyLog) -> None:
    objects = Objects(HOMES, log.entries[0].entry.chain)
    for position, signed in enumerate(log.entries):
        objects.apply(signed.entry, signed.id[:16], position, payload_values(signed))
    assert objects.fold_hash() == fold(log.entries)
    changes = sum(len(signed.entry.changes) for signed in log.entries)
    assert objects.inert == changes - len(effective(log.entries))
    log.heads()
    assert verify(b"".join(log.items()), log.key()).fault is None
