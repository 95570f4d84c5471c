"""D1: every value has one encoding, and nothing else is read; against frozen vectors, cbor2 and a second writer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.errors import ChainBroken
from app.ledger.encoding import MAX_DEPTH, decode, decode_first, encode, head, item, number
from tests.ledger import independent
from tests.ledger.independent import from_json, read

D1 = read("d1.json")
CHANCE = settings(max_examples=200, phases=[Phase.explicit, Phase.generate])

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n"), max_size=12)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.binary(max_size=40), texts)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 2**64 - 1), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: depth(value) <= MAX_DEPTH)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("case", D1["taken"], ids=lambda case: case["hex"][:20])
def test_the_frozen_values(case: Any) -> None:
    value, data = from_json(case["value"]), bytes.fromhex(case["hex"])
    assert encode(value) == data
    found = decode(data)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("case", D1["refused"], ids=lambda case: case["why"])
def test_the_frozen_refusals(case: Any) -> None:
    with pytest.raises(ChainBroken) as refused:
        decode(bytes.fromhex(case["hex"]))
    assert refused.value.code == "d1-bytes"


def test_the_vectors_are_what_the_second_writer_says() -> None:
    assert independent.vectors()["d1.json"] == D1


@CHANCE
@given(values)
def test_writers_agree_and_what_was_written_is_read(value: Any) -> None:
    data = encode(value)
    assert data == independent.d1(value) == cbor2.dumps(value, canonical=True)
    assert decode(data) == value
    assert decode_first(b"\x00" + data + b"\x00", 1) == (value, len(data) + 1)


@CHANCE
@given(st.binary(max_size=24) | values.map(independent.d1), st.integers(0, 2**16), st.integers(0, 7))
def test_what_is_read_is_written_the_same(data: bytes, place: int, bit: int) -> None:
    damaged = bytearray(data)
    if damaged:
        damaged[place % len(damaged)] ^= 1 << bit
    with suppress(ChainBroken):
        assert encode(decode(bytes(damaged))) == bytes(damaged)


@pytest.mark.parametrize(
    "value",
    [1.0, 2**64, -(2**63) - 1, "\x00", "a\tb", "\x7f", "\x85", "\ud800", {"a": 1}, {-1: 1}, {True: 1}, object(), {1}],
)
def test_values_beyond_the_profile(value: Any) -> None:
    for outer in (value, [value], {0: value}):
        with pytest.raises(ChainBroken) as refused:
            encode(outer)
        assert refused.value.code == "d1-value"


def test_depth_has_a_limit() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(ChainBroken):
        encode([value])
    with pytest.raises(ChainBroken):
        decode(b"\x81" + encode(value))
    with pytest.raises(ChainBroken):
        item(encode(value), 0, 1)


def test_tuples_are_arrays() -> None:
    assert encode((1, (2,))) == encode([1, [2]])


@CHANCE
@given(st.integers(0, 2**64 - 1))
def test_heads_and_numbers(value: int) -> None:
    assert number(value) == independent.head(0, value)
    for major in range(6):
        data = independent.head(major, value)
        assert head(b"?" + data, 1) == (major, value, 1 + len(data))
        with pytest.raises(IndexError):
            head(data[:-1], 0)


def test_where_a_sequence_breaks() -> None:
    with pytest.raises(ChainBroken) as refused:
        decode_first(b"\x00\x18\x00", 1)
    assert refused.value.facts == {"offset": 1}
