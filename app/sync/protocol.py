"""The contract between laptop and county: what travels, byte for byte, in one place for both sides. Pure.

Every body is D1 (`app.ledger.encoding`); entries travel in packets of D1 under zstd, the hashed bytes as they lie on
disk. A refusal is `Refusal`: a code and facts, never a sentence. What is not one of these messages under the content
type `CONTENT_TYPE` did not come from a county.

    GET   /v1/county                      county.pub: CountyKey
    POST  /v1/enrolments/look             secret -> Invitation
    POST  /v1/enrolments                  EnrolRequest -> Invitation (again, now used); signed with the key it names
    GET   /v1/hello?size=N                Hello: time, checkpoint, consistency proof from size N
    GET   /v1/chains/<chain>              ChainHead
    POST  /v1/chains/<chain>/entries?size=N   packet -> Receipt, which may cover the beginning of it alone; nothing of
                                          an ended chain's: 423 `chain-held`, once all of the packet is kept apart
    POST  /v1/delivery                    DeliveryRequest -> Delivery
    HEAD, PATCH, GET /v1/blobs/<sha256>   as in the IETF draft on resumable uploads: `Upload-Offset` says how many
                                          bytes are durable; `Upload-Complete: ?1` stands on the last PATCH and in
                                          answers once the whole has the digest that names it

All but the first two carry `Authorization` made by `authorization`. A device whose clock is beyond all tolerance is
refused with "clock-off" and the county's time in the header `TIME_HEADER`; it signs by that time and asks again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from app.errors import ChainBroken, CountyRefusal, Fact, InputProblem
from app.ledger.encoding import decode, encode
from app.ledger.signatures import ED25519, sign, verify_signature
from app.models.rules.policy import STANDARD, Policy

PROTOCOL: Final = 1
CONTENT_TYPE: Final = "application/vnd.hudang+cbor"
MAX_BODY: Final = 4 * 1024 * 1024
PACKET_ENTRIES: Final = 256
PACKET_BYTES: Final = 256 * 1024  # of entries and payloads before compression; about 32 KiB on the wire
MAX_PACKET: Final = 24 * 1024 * 1024
CHUNK: Final = 64 * 1024  # of an attachment in one PATCH
TIME_HEADER: Final = "Hudang-Time"  # UTC milliseconds
CLOCK_TOLERANCE_MS: Final = 2 * 365 * 86_400_000  # the nonce, not the clock, stops a replay; laptops' clocks are wrong

Sealed = tuple[bytes, bytes, bytes]  # entry, signature, payload


# --- packets ---


@dataclass(frozen=True, slots=True)
class Packet:
    """Consecutive entries of one chain from `start` on."""

    chain: bytes
    start: int
    entries: tuple[Sealed, ...]

    def encode(self) -> bytes:
        body = encode([1, self.chain, self.start, [list(sealed) for sealed in self.entries]])
        return zstandard.ZstdCompressor(level=3).compress(body)

    @classmethod
    def decode(cls, data: bytes) -> Packet:
        """The packet in `data`; ChainBroken("packet-form") for anything else, however large it would unpack."""
        try:
            body = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_PACKET)
            version, chain, start, entries = decode(body)
            _must(version == 1 and _is(chain, 16) and type(start) is int and start >= 0 and len(entries) > 0)
            sealed = tuple((e, s, p) for e, s, p in entries)
            _must(all(type(e) is bytes and _is(s, 64) and type(p) is bytes for e, s, p in sealed))
        except (zstandard.ZstdError, ValueError, TypeError, ChainBroken):
            raise ChainBroken("packet-form") from None
        return cls(chain, start, sealed)


# --- answers ---


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyKey:
    """county.pub: the genesis entry of the county's root chain and its signature."""

    entry: bytes
    signature: bytes

    def encode(self) -> bytes:
        return encode({1: self.entry, 2: self.signature})

    @classmethod
    def decode(cls, data: bytes) -> CountyKey:
        t = _table(data, 1, 2)
        _form(type(t[1]) is bytes and _is(t[2], 64))
        return cls(entry=t[1], signature=t[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Whom an enrolment code is for: staff, workplace (area) and the names to show before a password is chosen, and the
    county's rule for that password (`app.models.rules.policy`)."""

    staff: bytes
    staff_name: str
    workplace: bytes
    workplace_name: str
    county_name: str
    password_profile: str = STANDARD
    password_length: int = Policy().password_length

    def encode(self) -> bytes:
        return encode(
            {
                1: self.staff,
                2: self.staff_name,
                3: self.workplace,
                4: self.workplace_name,
                5: self.county_name,
                6: self.password_profile,
                7: self.password_length,
            }
        )

    @property
    def policy(self) -> Policy:
        """The policy as far as a first password is judged by it."""
        return Policy.of({"password_profile": self.password_profile, "password_length": self.password_length})

    @classmethod
    def decode(cls, data: bytes) -> Invitation:
        t = _table(data, 1, 2, 3, 4, 5, optional=(6, 7))
        _form(_is(t[1], 16) and _is(t[3], 16) and all(type(t[k]) is str for k in (2, 4, 5)))
        _form(type(t.get(6, "")) is str and type(t.get(7, 0)) is int)
        names = {"staff_name": t[2], "workplace_name": t[4], "county_name": t[5]}
        rule = {name: t[key] for key, name in ((6, "password_profile"), (7, "password_length")) if key in t}
        return cls(staff=t[1], workplace=t[3], **names, **rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolRequest:
    """What a new laptop tells: its chain's genesis entry and the public keys of person and device."""

    secret: bytes
    genesis: bytes
    signature: bytes
    box_key: bytes
    transport_key: bytes
    device: bytes
    device_name: str
    vault: bytes
    build: int

    def encode(self) -> bytes:
        return encode(
            {
                1: self.secret,
                2: self.genesis,
                3: self.signature,
                4: self.box_key,
                5: self.transport_key,
                6: self.device,
                7: self.device_name,
                8: self.vault,
                9: self.build,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> EnrolRequest:
        t = _table(data, 1, 2, 3, 4, 5, 6, 7, 8, 9)
        _form(_is(t[1], 14) and type(t[2]) is bytes and _is(t[3], 64) and _is(t[4], 32) and _is(t[5], 32))
        _form(_is(t[6], 16) and type(t[7]) is str and _is(t[8], 16) and type(t[9]) is int)
        return cls(
            secret=t[1],
            genesis=t[2],
            signature=t[3],
            box_key=t[4],
            transport_key=t[5],
            device=t[6],
            device_name=t[7],
            vault=t[8],
            build=t[9],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The county's clock (ms), protocol range, and its newest checkpoint with the proof that it grew from ours."""

    time: int
    oldest_protocol: int
    newest_protocol: int
    note: bytes
    consistency: tuple[bytes, ...]

    def encode(self) -> bytes:
        versions = [self.oldest_protocol, self.newest_protocol]
        return encode({1: self.time, 2: versions, 3: self.note, 4: list(self.consistency)})

    @classmethod
    def decode(cls, data: bytes) -> Hello:
        t = _table(data, 1, 2, 3, 4)
        _form(type(t[1]) is int and type(t[3]) is bytes and type(t[2]) is list and len(t[2]) == 2)
        _form(all(type(version) is int for version in t[2]))
        return cls(time=t[1], oldest_protocol=t[2][0], newest_protocol=t[2][1], note=t[3], consistency=_hashes(t[4]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """How far the county holds a chain: `next_seq` entries, the last with id `head`; state ok, forked or revoked. An
    announced chain that has not begun has 0 entries and a head of 32 zero bytes. Nothing enters the log from a revoked
    one any more: what comes is kept apart, and behind the log's entries `held` more are."""

    next_seq: int
    head: bytes
    state: str
    held: int = 0

    def encode(self) -> bytes:
        table: dict[int, Any] = {1: self.next_seq, 2: self.head, 3: self.state}
        return encode({**table, 4: self.held} if self.held else table)

    @classmethod
    def decode(cls, data: bytes) -> ChainHead:
        t = _table(data, 1, 2, 3, optional=(4,))
        _form(_is_place(t[1]) and _is(t[2], 32) and type(t[3]) is str and _is_place(t.get(4, 0)))
        return cls(next_seq=t[1], head=t[2], state=t[3], held=t.get(4, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Entries seq `start` ... `start`+n-1 of `chain` stand at `positions` of the county's log: runs of
    (first position, count). One range proof a run, all to the root of `note`; `consistency` grows from our size."""

    chain: bytes
    start: int
    runs: tuple[tuple[int, int], ...]
    proofs: tuple[tuple[bytes, ...], ...]
    note: bytes
    consistency: tuple[bytes, ...]

    def encode(self) -> bytes:
        return encode(
            {
                1: self.chain,
                2: self.start,
                3: [list(run) for run in self.runs],
                4: [list(proof) for proof in self.proofs],
                5: self.note,
                6: list(self.consistency),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        t = _table(data, 1, 2, 3, 4, 5, 6)
        _form(_is(t[1], 16) and type(t[2]) is int and type(t[5]) is bytes)
        _form(type(t[3]) is list and type(t[4]) is list and len(t[3]) == len(t[4]) > 0)
        _form(all(type(run) is list for run in t[3]))
        runs = tuple(tuple(run) for run in t[3])
        _form(all(len(r) == 2 and _is_place(r[0]) and _is_place(r[1]) and r[1] > 0 for r in runs))
        return cls(
            chain=t[1],
            start=t[2],
            runs=runs,
            proofs=tuple(_hashes(proof) for proof in t[4]),
            note=t[5],
            consistency=_hashes(t[6]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRequest:
    """What a vault holds: all of its roots' entries below `cursor`, summed up in `digest`. `heads` (root, n, H_n) are
    sent only when the county asked for them; `size` is that of the newest checkpoint held. `sight` is the newest tag
    that the county gave for what the people of the vault may see, empty before the first: only what came under it is
    summed up, and under another tag than the county's of today nothing counts as held."""

    cursor: int
    digest: bytes
    size: int
    heads: tuple[tuple[bytes, int, bytes], ...] | None = None
    sight: bytes = b""

    def encode(self) -> bytes:
        table: dict[int, Any] = {1: self.cursor, 2: self.digest, 3: self.size}
        if self.heads is not None:
            table[4] = [list(head) for head in self.heads]
        if self.sight:
            table[5] = self.sight
        return encode(table)

    @classmethod
    def decode(cls, data: bytes) -> DeliveryRequest:
        t = _table(data, 1, 2, 3, optional=(4, 5))
        _form(type(t[1]) is int and t[1] >= 0 and _is(t[2], 32) and type(t[3]) is int and t[3] >= 0)
        _form(5 not in t or _is(t[5], 32))
        _form(4 not in t or (type(t[4]) is list and all(type(head) is list for head in t[4])))
        heads = tuple(tuple(head) for head in t[4]) if 4 in t else None
        _form(
            heads is None or all(len(h) == 3 and _is(h[0], 16) and type(h[1]) is int and _is(h[2], 32) for h in heads)
        )
        return cls(cursor=t[1], digest=t[2], size=t[3], heads=heads, sight=t.get(5, b""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One entry on its way to a laptop, with its place and what the laptop may know of its values. `roots` are the
    streams of this vault that it stands in: an entry may name roots of others, and an object's own root may have
    changed before its place. The laptop appends it to these and no others."""

    position: int
    entry: bytes
    signature: bytes
    payload: bytes
    roots: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A page: entries, then the new cursor. `wants_heads`: the digests differ, send the heads. `left`: roots that no
    longer belong to this vault. `digest`: of what must be held below the new cursor. `sight`: a tag of what the people
    of the vault may see of it; when it is not the one that is held, all comes again, with more values or fewer than
    before, and each payload takes the place of the one that is there.

    Genesis entries that the reader lacks come first (with no `roots` when their stream comes later), then stream by
    stream what lies below the cursor in roots that enter, then in the county's order what lies behind it. The order of
    a stream is that of the positions. An entry may come again when another of its roots enters.
    An empty vault gets the cursor of today at once and all its roots as entering ones, over as many pages as it needs:
    entries below the cursor of roots not yet sent are what `more` stands for."""

    entries: tuple[Delivered, ...]
    cursor: int
    more: bool
    wants_heads: bool
    left: tuple[bytes, ...]
    digest: bytes
    note: bytes
    consistency: tuple[bytes, ...]
    sight: bytes = b""

    def encode(self) -> bytes:
        table = {
            1: [[e.position, e.entry, e.signature, e.payload, list(e.roots)] for e in self.entries],
            2: self.cursor,
            3: self.more,
            4: self.wants_heads,
            5: list(self.left),
            6: self.digest,
            7: self.note,
            8: list(self.consistency),
        }
        body = encode({**table, 9: self.sight} if self.sight else table)
        # Cursor and flags stand under no signature: a proxy or a bad memory between is noticed by the check sum.
        return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(body)

    @classmethod
    def decode(cls, data: bytes) -> Delivery:
        try:
            body = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_PACKET)
        except zstandard.ZstdError:
            raise ChainBroken("answer-form") from None
        t = _table(body, 1, 2, 3, 4, 5, 6, 7, 8, optional=(9,))
        _form(9 not in t or _is(t[9], 32))
        _form(type(t[1]) is list and _is_place(t[2]) and type(t[3]) is bool and type(t[4]) is bool)
        _form(type(t[5]) is list and all(_is(r, 16) for r in t[5]) and _is(t[6], 32) and type(t[7]) is bytes)
        entries = []
        for item in t[1]:
            _form(type(item) is list and len(item) == 5 and _is_place(item[0]) and _is(item[2], 64))
            _form(type(item[1]) is bytes and type(item[3]) is bytes and type(item[4]) is list)
            _form(all(_is(root, 16) for root in item[4]))
            position, data, signature, payload, roots = item
            entries.append(
                Delivered(position=position, entry=data, signature=signature, payload=payload, roots=tuple(roots))
            )
        return cls(
            entries=tuple(entries),
            cursor=t[2],
            more=t[3],
            wants_heads=t[4],
            left=tuple(t[5]),
            digest=t[6],
            note=t[7],
            consistency=_hashes(t[8]),
            sight=t.get(9, b""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The county's no: a code of `app.messages` and its facts."""

    code: str
    facts: tuple[tuple[str, Fact], ...] = ()

    def encode(self) -> bytes:
        return encode({1: self.code, 2: [list(fact) for fact in self.facts]})

    @classmethod
    def decode(cls, data: bytes) -> Refusal:
        t = _table(data, 1, 2)
        _form(type(t[1]) is str and type(t[2]) is list)
        _form(all(type(f) is list and len(f) == 2 and type(f[0]) is str for f in t[2]))
        return cls(code=t[1], facts=tuple((name, value) for name, value in t[2]))

    def error(self) -> CountyRefusal:
        """The error a laptop raises for it."""
        return CountyRefusal(self.code, **dict(self.facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFile:
    """The file behind a pool record: its number (4 characters) and the signed payloads of its cards
    (`app.ledger.card`). It travels encrypted, like an attachment."""

    pool_no: str
    payloads: tuple[str, ...]

    def encode(self) -> bytes:
        return encode([1, self.pool_no, list(self.payloads)])

    @classmethod
    def decode(cls, data: bytes) -> PoolFile:
        """The pool in `data`; ChainBroken("answer-form") for anything else."""
        try:
            version, pool_no, payloads = decode(data)
            _must(version == 1 and type(pool_no) is str and type(payloads) is list)
            _must(all(type(payload) is str for payload in payloads))
        except (ValueError, TypeError, ChainBroken):
            raise ChainBroken("answer-form") from None
        return cls(pool_no=pool_no, payloads=tuple(payloads))


# --- requests ---


def authorization(device: bytes, seed: bytes, method: str, target: str, body: bytes, time_ms: int, nonce: bytes) -> str:
    """The `Authorization` header: the device's signature over method, path with query, body, time and nonce (16)."""
    signature = sign(ED25519, seed, _request_text(method, target, body, time_ms, nonce))
    return f"Hudang {device.hex()}.{time_ms}.{nonce.hex()}.{signature.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an `Authorization` header says, not yet believed."""

    device: bytes
    time_ms: int
    nonce: bytes
    signature: bytes

    @classmethod
    def parse(cls, header: str) -> Claim:
        """The claim in `header`; CountyRefusal("not-authorised") when it has another form."""
        try:
            scheme, rest = header.split(" ")
            device, time_ms, nonce, signature = rest.split(".")
            claim = cls(
                device=bytes.fromhex(device),
                time_ms=int(time_ms),
                nonce=bytes.fromhex(nonce),
                signature=bytes.fromhex(signature),
            )
        except ValueError:
            raise CountyRefusal("not-authorised") from None
        if scheme != "Hudang" or len(claim.device) != 16 or len(claim.nonce) != 16 or len(claim.signature) != 64:
            raise CountyRefusal("not-authorised")
        return claim

    def check(self, key: bytes, method: str, target: str, body: bytes) -> None:
        """Raise CountyRefusal("not-authorised") unless the device with transport key `key` made this request."""
        try:
            text = _request_text(method, target, body, self.time_ms, self.nonce)
            verify_signature(ED25519, key, text, self.signature)
        except ChainBroken:
            raise CountyRefusal("not-authorised") from None


def _request_text(method: str, target: str, body: bytes, time_ms: int, nonce: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return f"hudang-request/1\n{method}\n{target}\n{digest}\n{time_ms}\n{nonce.hex()}\n".encode()


# --- enrolment code ---

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_PREFIX = "HUDANG1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCode:
    """A single-use code: id of the county's genesis entry, base address, TLS pin (SHA-256 of the certificate, empty
    for plain HTTP on the own machine), 112-bit secret."""

    county: bytes
    host: str
    pin: bytes
    secret: bytes

    def text(self) -> str:
        """The code as people paste it: groups of eight, with a check sum inside."""
        body = encode([self.county, self.host, self.pin, self.secret])
        body += hashlib.sha256(body).digest()[:4]
        bits = int.from_bytes(b"\x01" + body, "big")
        digits = ""
        while bits:
            bits, digit = divmod(bits, 32)
            digits = _CROCKFORD[digit] + digits
        groups = [digits[i : i + 8] for i in range(0, len(digits), 8)]
        return "-".join([_CODE_PREFIX, *groups])

    @classmethod
    def parse(cls, text: str) -> EnrolmentCode:
        """The code in `text`, whatever spaces and case; InputProblem("enrolment-code") when a character is wrong."""
        plain = "".join(text.upper().split()).replace("-", "")
        for wrong, right in (("O", "0"), ("I", "1"), ("L", "1")):
            plain = plain.replace(wrong, right)
        prefix = _CODE_PREFIX.replace("-", "")
        if not plain.startswith(prefix):
            raise InputProblem("enrolment-code")
        bits = 0
        for character in plain[len(prefix) :]:
            digit = _CROCKFORD.find(character)
            if digit < 0:
                raise InputProblem("enrolment-code")
            bits = bits * 32 + digit
        data = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
        body, check = data[1:-4], data[-4:]
        if data[:1] != b"\x01" or hashlib.sha256(body).digest()[:4] != check:
            raise InputProblem("enrolment-code")
        try:
            county, host, pin, secret = decode(body)
        except (ChainBroken, ValueError, TypeError):
            raise InputProblem("enrolment-code") from None
        if not (_is(county, 32) and type(host) is str and type(pin) is bytes and _is(secret, 14)):
            raise InputProblem("enrolment-code")
        return cls(county=county, host=host, pin=pin, secret=secret)


# --- forms ---


def _table(data: bytes, *keys: int, optional: Sequence[int] = ()) -> dict[int, Any]:
    if len(data) > MAX_PACKET:
        raise ChainBroken("answer-form")
    try:
        table = decode(data)
    except ChainBroken:
        raise ChainBroken("answer-form") from None
    _form(type(table) is dict and set(keys) <= table.keys() <= set(keys) | set(optional))
    return table  # type: ignore[no-any-return]


def _hashes(value: Any) -> tuple[bytes, ...]:
    _form(type(value) is list and all(_is(item, 32) for item in value))
    return tuple(value)


def _form(holds: bool) -> None:
    if not holds:
        raise ChainBroken("answer-form")


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError


def _is_place(value: object) -> bool:
    """A position, a size or a count that a database can hold."""
    return type(value) is int and 0 <= value < 2**63


def _is(value: object, size: int) -> bool:
    return type(value) is bytes and len(value) == size
