"""Signatures against Wycheproof, checkpoints against frozen notes, and that no changed note is believed."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ChainBroken
from app.ledger import checkpoint
from app.ledger.checkpoint import Checkpoint
from app.ledger.signatures import ED25519, check_public_key, public_key, sign, verify_signature

VECTORS = Path(__file__).parent.parent / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


OWN = read("checkpoint.json")
SEED, KEY = bytes.fromhex(OWN["seed"]), bytes.fromhex(OWN["public_key"])
ORIGIN: str = OWN["origin"]
NOTE = OWN["good"][0]["note"].encode()
WYCHEPROOF: list[Any] = [
    pytest.param(bytes.fromhex(group["publicKey"]["pk"]), case, id=f"{case['tcId']}")
    for group in read("foreign/wycheproof-ed25519.json")["testGroups"]
    for case in group["tests"]
]


# --- signatures ------------------------------------------------------------------------------------------


def test_foreign_signatures_are_all_there() -> None:
    assert len(WYCHEPROOF) == 151


@pytest.mark.parametrize(("key", "case"), WYCHEPROOF)
def test_foreign_signature(key: bytes, case: Any) -> None:
    message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
    check_public_key(ED25519, key)
    if case["result"] == "valid":
        verify_signature(ED25519, key, message, signature)
    else:
        with pytest.raises(ChainBroken, match="bad-signature"):
            verify_signature(ED25519, key, message, signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_another_library_agrees(seed: bytes, message: bytes) -> None:
    signature = sign(ED25519, seed, message)
    verify_signature(ED25519, public_key(seed), message, signature)
    Ed25519PublicKey.from_public_bytes(public_key(seed)).verify(signature, message)


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),  # order 4
        b"\x01" + bytes(31),  # the neutral element
        b"\xec" + b"\xff" * 30 + b"\x7f",  # order 2
        b"\xee" + b"\xff" * 30 + b"\x7f",  # the neutral element, not reduced
        b"\x02" + bytes(31),  # not on the curve
        KEY[:31],
        KEY + b"\x00",
        b"",
    ],
)
def test_unsound_public_keys_are_refused(key: bytes) -> None:
    with pytest.raises(ChainBroken, match="bad-public-key"):
        check_public_key(ED25519, key)
    # The signature of zero S and neutral R fits every message under a key of order one.
    for signature in (b"\x01" + bytes(63), bytes(64)):
        with pytest.raises(ChainBroken, match="bad-signature"):
            verify_signature(ED25519, key, b"message", signature)


def test_keys_and_signatures_have_one_length() -> None:
    message = b"message"
    signature = sign(ED25519, SEED, message)
    verify_signature(ED25519, KEY, message, signature)
    for key, said, signed in (
        (KEY + b"\x00", message, signature),
        (KEY, message[1:], signature + message[:1]),
        (KEY, signature[-1:] + message, signature[:-1]),
        (KEY, signature + message, b""),
    ):
        with pytest.raises(ChainBroken, match="bad-signature"):
            verify_signature(ED25519, key, said, signed)


@pytest.mark.parametrize("number", [0, 2, 3, 4, -1])
def test_algorithms_that_are_not_provided_are_refused(number: int) -> None:
    with pytest.raises(ChainBroken, match="algorithm-unknown"):
        sign(number, SEED, b"")
    with pytest.raises(ChainBroken, match="algorithm-unknown"):
        verify_signature(number, KEY, b"", sign(ED25519, SEED, b""))
    with pytest.raises(ChainBroken, match="algorithm-unknown"):
        check_public_key(number, KEY)


# --- checkpoints -----------------------------------------------------------------------------------------


def test_frozen_checkpoints() -> None:
    assert public_key(SEED) == KEY
    for case in OWN["good"]:
        note, root = case["note"].encode(), bytes.fromhex(case["root"])
        assert checkpoint.make(ORIGIN, case["size"], root, SEED) == note
        expected = Checkpoint(origin=ORIGIN, size=case["size"], root=root)
        assert checkpoint.verify(note, ORIGIN, KEY) == checkpoint.parse(note).checkpoint == expected


def test_lines_of_others_are_ignored() -> None:
    note = OWN["with_others"].encode()
    assert len(checkpoint.parse(note).signatures) == 3
    assert checkpoint.verify(note, ORIGIN, KEY) == checkpoint.verify(NOTE, ORIGIN, KEY)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["why"]) for case in OWN["bad"]])
def test_frozen_bad_checkpoints(case: Any) -> None:
    with pytest.raises(ChainBroken) as caught:
        checkpoint.verify(case["note"].encode(), ORIGIN, KEY)
    assert (caught.value.code, caught.value.facts.get("part")) == (case["code"], case.get("part"))


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [  # verifier keys printed by others: the test key of Go's package `note`, and the Go checksum database
        ("PeterNeumann", "GlzZBxQ8OExB6DDFvOEqqIF+xWSaqr8sMTiLNbLXRNY=", "c74f20a3"),
        ("sum.golang.org", "zjNy11rR7l7Nr4cnKT1LER2H6zdTHXyG1NMAPw64Cfw=", "033de0ae"),
    ],
)
def test_key_ids_are_those_of_others(name: str, key: str, expected: str) -> None:
    assert checkpoint.key_id(name, b64decode(key)).hex() == expected


def test_every_flipped_bit_is_noticed() -> None:
    for place in range(len(NOTE)):
        for bit in range(8):
            changed = bytearray(NOTE)
            changed[place] ^= 1 << bit
            with pytest.raises(ChainBroken):
                checkpoint.verify(bytes(changed), ORIGIN, KEY)


def test_every_cut_is_noticed() -> None:
    for length in range(len(NOTE)):
        with pytest.raises(ChainBroken):
            checkpoint.verify(NOTE[:length], ORIGIN, KEY)
    # Not even the last line of a witness may lack its line feed.
    with pytest.raises(ChainBroken, match="checkpoint-malformed"):
        checkpoint.verify(OWN["with_others"].encode()[:-1], ORIGIN, KEY)


def test_bytes_that_are_no_text_and_endless_notes_are_refused() -> None:
    endless = NOTE + b"\xe2\x80\x94 witness.example " + b64encode(bytes(checkpoint.LARGEST_NOTE)) + b"\n"
    for note in (b"", b"\xff" + NOTE, NOTE.decode().encode("utf-16"), NOTE * 10_000, endless):
        with pytest.raises(ChainBroken, match="checkpoint-malformed"):
            checkpoint.parse(note)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_input_breaks_the_reader(note: bytes) -> None:
    with pytest.raises(ChainBroken, match="checkpoint-malformed"):
        checkpoint.parse(note)


@given(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1, max_size=30),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_made_is_read(origin: str, size: int, root: bytes, seed: bytes) -> None:
    note = checkpoint.make(origin, size, root, seed)
    read_back = checkpoint.verify(note, origin, public_key(seed))
    assert (read_back.origin, read_back.size, read_back.root) == (origin, size, root)
    assert note.startswith(f"{origin}\n{size}\n{b64encode(root).decode()}\n\n— {origin} ".encode())


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a b", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a+b", 1, bytes(32)),
        (ORIGIN, -1, bytes(32)),
        (ORIGIN, 2**63, bytes(32)),
        (ORIGIN, 1, bytes(31)),
    ],
)
def test_what_no_checkpoint_can_say_is_a_bug(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(ValueError, match="not a checkpoint"):
        checkpoint.make(origin, size, root, SEED)
