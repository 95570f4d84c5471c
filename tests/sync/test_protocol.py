"""The contract: what one side writes the other reads, and whatever else comes is refused with a code."""

from __future__ import annotations

import random as chance
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ChainBroken, CountyRefusal, InputProblem
from app.ledger.encoding import decode, encode
from app.ledger.signatures import public_key
from app.sync.protocol import (
    ChainHead,
    Claim,
    CountyKey,
    Delivered,
    Delivery,
    DeliveryRequest,
    EnrolmentCode,
    EnrolRequest,
    Hello,
    Invitation,
    Packet,
    PoolFile,
    Receipt,
    Refusal,
    authorization,
)

H, ID, SIG = b"h" * 32, b"i" * 16, b"s" * 64
MESSAGES: list[Any] = [
    CountyKey(entry=b"entry", signature=SIG),
    Invitation(staff=ID, staff_name="吴秀英", workplace=ID, workplace_name="第三网格", county_name="测试县"),
    EnrolRequest(
        secret=b"c" * 14,
        genesis=b"entry",
        signature=SIG,
        box_key=H,
        transport_key=H,
        device=ID,
        device_name="笔记本",
        vault=ID,
        build=3,
    ),
    Hello(time=5, oldest_protocol=1, newest_protocol=2, note=b"note", consistency=(H, H)),
    ChainHead(next_seq=7, head=H, state="ok"),
    ChainHead(next_seq=7, head=H, state="revoked", held=3),
    Receipt(chain=ID, start=3, runs=((9, 2), (15, 1)), proofs=((H,), ()), note=b"note", consistency=(H,)),
    DeliveryRequest(cursor=4, digest=H, size=9, heads=((ID, 3, H),), sight=H),
    DeliveryRequest(cursor=4, digest=H, size=9),
    Delivery(
        entries=(Delivered(position=3, entry=b"e", signature=SIG, payload=b"p", roots=(ID,)),),
        cursor=9,
        more=True,
        wants_heads=False,
        left=(ID,),
        digest=H,
        note=b"note",
        consistency=(H,),
        sight=H,
    ),
    Refusal(code="chain-gap", facts=(("next_seq", 4), ("why", None))),
    PoolFile(pool_no="AB12", payloads=("one", "two")),
    Packet(ID, 4, ((b"e", SIG, b"p"), (b"f", SIG, b"q"))),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_what_is_written_is_read(message: Any) -> None:
    assert type(message).decode(message.encode()) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_changed_bytes_are_read_or_refused_never_a_crash(message: Any) -> None:
    data, dice = message.encode(), chance.Random(7)
    zipped = data[:4] == b"\x28\xb5\x2f\xfd"
    plain = zstandard.ZstdDecompressor().decompress(data) if zipped else data
    for _ in range(3000):
        changed = bytearray(plain)
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(changed))
            match dice.randrange(3):
                case 0:
                    changed[place] = dice.randrange(256)
                case 1:
                    del changed[place]
                case 2:
                    changed.insert(place, dice.choice(b"\x00\x01\x20\x40\x60\x80\xa0\xf5\xf6"))
            if not changed:
                break
        sent = zstandard.ZstdCompressor().compress(bytes(changed)) if zipped else bytes(changed)
        try:
            found = type(message).decode(sent)
        except ChainBroken:
            continue
        assert type(message).decode(found.encode()) == found


def shaken(value: Any, dice: chance.Random) -> Any:
    """A value with one part of another type."""
    if dice.random() < 0.3:
        return dice.choice([None, True, -1, 2**63, "", b"", [], {}, [[]], {1: 1}])
    if isinstance(value, dict):
        key = dice.choice(list(value))
        return value | {key: shaken(value[key], dice)}
    if isinstance(value, list) and value:
        at = dice.randrange(len(value))
        return [*value[:at], shaken(value[at], dice), *value[at + 1 :]]
    return dice.choice([None, True, -1, 2**63, "x", b"x", [], {}])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_parts_of_another_type_are_read_or_refused_never_a_crash(message: Any) -> None:
    data, dice = message.encode(), chance.Random(8)
    zipped = data[:4] == b"\x28\xb5\x2f\xfd"
    table = decode(zstandard.ZstdDecompressor().decompress(data) if zipped else data)
    for _ in range(3000):
        try:
            sent = encode(shaken(table, dice))
        except ChainBroken:
            continue
        try:
            found = type(message).decode(zstandard.ZstdCompressor().compress(sent) if zipped else sent)
        except ChainBroken:
            continue
        assert type(message).decode(found.encode()) == found


@pytest.mark.parametrize("kind", [Packet, Delivery])
def test_what_would_unpack_to_anything_is_refused(kind: Any) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(200 << 20))
    assert len(bomb) < 64 * 1024
    with pytest.raises(ChainBroken):
        kind.decode(bomb)


@pytest.mark.parametrize("kind", [CountyKey, Hello, Receipt, DeliveryRequest, Refusal])
def test_what_is_nested_deep_is_refused(kind: Any) -> None:
    with pytest.raises(ChainBroken):
        kind.decode(b"\x81" * 100_000 + b"\x00")


# --- requests ---


def test_a_request_is_signed_whole() -> None:
    seed, key = bytes(32), public_key(bytes(32))
    header = authorization(ID, seed, "POST", "/v1/delivery", b"body", 5, b"n" * 16)
    claim = Claim.parse(header)
    assert (claim.device, claim.time_ms, claim.nonce) == (ID, 5, b"n" * 16)
    claim.check(key, "POST", "/v1/delivery", b"body")
    for method, target, body in (
        ("PATCH", "/v1/delivery", b"body"),
        ("POST", "/v1/deliver", b"body"),
        ("POST", "/v1/delivery", b"bodY"),
    ):
        with pytest.raises(CountyRefusal, match="not-authorised"):
            claim.check(key, method, target, body)
    with pytest.raises(CountyRefusal, match="not-authorised"):
        claim.check(public_key(b"\x01" * 32), "POST", "/v1/delivery", b"body")


@given(st.text(max_size=300))
def test_any_other_header_is_no_claim(text: str) -> None:
    with pytest.raises(CountyRefusal, match="not-authorised"):
        Claim.parse(text)


@given(
    host=st.from_regex(r"https://[a-z]{1,20}(:[0-9]{2,5})?", fullmatch=True),
    pin=st.binary(min_size=32, max_size=32),
    secret=st.binary(min_size=14, max_size=14),
)
def test_a_code_survives_messengers(host: str, pin: bytes, secret: bytes) -> None:
    code = EnrolmentCode(county=H, host=host, pin=pin, secret=secret)
    text = code.text()
    for told in (text, text.lower(), text.replace("-", " "), text.replace("-", "\r\n"), f"\t{text}\n"):
        assert EnrolmentCode.parse(told) == code


@given(st.text(max_size=200))
def test_any_other_text_is_no_code(text: str) -> None:
    with pytest.raises(InputProblem, match="enrolment-code"):
        EnrolmentCode.parse("HUDANG1-" + text)
