"""The household card: frozen vectors, and that nothing changed is ever taken for genuine."""

from __future__ import annotations

import base64
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from app.errors import InputProblem
from app.ledger import card
from app.ledger.card import Card, Outcome, Trust

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "card.json").read_text(encoding="utf-8")
)
SEED = bytes.fromhex(VECTORS["seed"])
PUBLIC = bytes.fromhex(VECTORS["public_key"])
TODAY: str = VECTORS["today"]
TRUST = Trust(
    county=VECTORS["trust"]["county"],
    keys=dict.fromkeys(VECTORS["trust"]["keys"], PUBLIC),
    hosts=frozenset(VECTORS["trust"]["hosts"]),
)
numbers = st.text(card.ALPHABET, min_size=16, max_size=16)
cards = st.builds(
    Card,
    county=st.just("990101"),
    key=st.sampled_from([1, 12, 9999]),
    number=numbers,
    day=st.dates(max_value=date(2026, 11, 22)).map(lambda day: day.isoformat()),
)


@pytest.mark.parametrize("vector", VECTORS["signed"], ids=lambda vector: vector["text"])
def test_signing_gives_the_frozen_bytes(vector: dict[str, Any]) -> None:
    signed = Card(county=vector["county"], key=vector["key"], number=vector["number"], day=vector["day"])
    assert signed.text == vector["text"]
    assert card.sign(signed, SEED) == vector["payload"]
    assert card.printed(signed.number) == vector["printed"]
    assert card.typed_number(vector["printed"]) == signed.number
    assert signed.pool == vector["number"][:4]
    assert card.parse_payload(vector["payload"])[1] == signed


def test_payload_is_the_signed_message_form_of_libsodium() -> None:
    """What ODK Collect's extract-signed does: split, verify, hand out the text."""
    for vector in VECTORS["signed"]:
        assert VerifyKey(PUBLIC).verify(base64.b64decode(vector["payload"])).decode() == vector["text"]


@pytest.mark.parametrize("vector", VECTORS["read"], ids=lambda vector: vector["what"])
def test_scanned_texts_are_what_the_vectors_say(vector: dict[str, str]) -> None:
    reading = card.read(vector["text"], TRUST, TODAY)
    assert (reading.outcome.value, reading.reason) == (vector["outcome"], vector["reason"])


@pytest.mark.parametrize("vector", VECTORS["typed"], ids=lambda vector: vector["typed"])
def test_typed_numbers_are_what_the_vectors_say(vector: dict[str, str]) -> None:
    if "number" in vector:
        assert card.typed_number(vector["typed"]) == vector["number"]
    else:
        with pytest.raises(InputProblem) as problem:
            card.typed_number(vector["typed"])
        assert problem.value.code == vector["code"]


@given(cards)
def test_every_signed_card_reads_back(signed: Card) -> None:
    payload = card.sign(signed, SEED)
    for text in (payload, f"\t{payload}\r\n", card.link("hu.example.cn", payload)):
        reading = card.read(text, TRUST, TODAY)
        assert (reading.outcome, reading.card) == (Outcome.GENUINE, signed)


@given(cards, st.integers(0, 101), st.integers(1, 255))
def test_no_changed_byte_is_genuine(signed: Card, place: int, change: int) -> None:
    raw = bytearray(base64.b64decode(card.sign(signed, SEED)))
    raw[place % len(raw)] ^= change
    reading = card.read(base64.b64encode(raw).decode(), TRUST, TODAY)
    assert reading.outcome is not Outcome.GENUINE


@given(cards, st.data())
def test_no_changed_character_is_genuine(signed: Card, data: st.DataObject) -> None:
    payload = card.sign(signed, SEED)
    place = data.draw(st.integers(0, len(payload) - 1))
    kind = data.draw(st.sampled_from(["other", "dropped", "inserted", "swapped", "cut"]))
    new = data.draw(st.characters(codec="utf-8", exclude_characters=payload[place] + " \t\r\n\x00\ufeff"))
    changed = {
        "other": payload[:place] + new + payload[place + 1 :],
        "dropped": payload[:place] + payload[place + 1 :],
        "inserted": payload[:place] + new + payload[place:],
        "swapped": payload[:place] + payload[place : place + 2][::-1] + payload[place + 2 :],
        "cut": payload[:place],
    }[kind]
    if changed != payload:
        assert card.read(changed, TRUST, TODAY).outcome is not Outcome.GENUINE


@given(st.text(max_size=600))
def test_any_text_gets_an_outcome(text: str) -> None:
    assert card.read(text, TRUST, TODAY).outcome is not Outcome.GENUINE


@given(numbers, st.integers(0, 16), st.sampled_from(card.ALPHABET))
def test_one_wrong_typed_character_is_told(number: str, place: int, other: str) -> None:
    typed = list(card.printed(number).replace("-", ""))
    if typed[place] == other:
        return
    typed[place] = other
    with pytest.raises(InputProblem, match="card-typed-check"):
        card.typed_number("".join(typed))


@given(st.binary(min_size=8, max_size=8))
def test_drawn_numbers_stay_in_their_pool(chance: bytes) -> None:
    number = card.draw_number("K7Q2", lambda n: chance[:n])
    assert len(number) == 16
    assert number.startswith("K7Q2")
    assert set(number) <= set(card.ALPHABET)


def test_wrong_cards_are_not_signed() -> None:
    for number, day in (
        ("0000000000000U00", "2026-11-21"),
        ("0" * 15, "2026-11-21"),
        ("0" * 16, "2026-02-30"),
    ):
        with pytest.raises(InputProblem, match="card-damaged"):
            card.sign(Card(county="990101", key=1, number=number, day=day), SEED)
    with pytest.raises(InputProblem, match="card-pool"):
        card.draw_number("K7", bytes)
