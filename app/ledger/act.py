"""Building an act: from what a person changed to signed entries, the same on laptop and county. Pure.

A `Pen` is a chain with the key that signs it; `write` returns the signed entry and the pen moved on by one. Where the
time, the secret and the checkpoint come from is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.ledger import chain as chains
from app.ledger.chain import Chain
from app.ledger.entry import (
    Change,
    Entry,
    Kind,
    Payload,
    commit_all,
    commit_value,
    encode_entry,
    encode_payload,
    entry_id,
    salt,
    signed_bytes,
)
from app.ledger.signatures import ED25519, public_key, sign

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an act says of one object: field number -> value, and field number -> dots it replaces."""

    kind: int
    object: bytes
    values: Mapping[int, Any]
    bases: Mapping[int, Sequence[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One entry as it is kept and sent: bytes, signature (64), payload, with its id and its decoded form."""

    entry: Entry
    id: bytes
    data: bytes
    signature: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where an act stands: device clock (ms), [boot, ms], newest checkpoint held, build number of the program."""

    wall: int
    mono: tuple[int, int] | None = None
    seen: tuple[int, int, bytes] | None = None
    app: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """A chain and the private signing key (32-byte seed) that may extend it."""

    chain: Chain
    seed: bytes = field(repr=False)


def start(
    seed: bytes, nonce: bytes, actor: bytes, at: Circumstances, body: Mapping[int, Any] | None = None
) -> tuple[Signed, Pen]:
    """The genesis of a new chain for `actor`, with what `body` adds to it, and the pen behind it."""
    key = public_key(seed)
    facts = {chains.ALGORITHM: ED25519, chains.PUBLIC_KEY: key, chains.NONCE: nonce, **(body or {})}
    entry = Entry(
        chain=chains.chain_id(key, nonce),
        seq=0,
        prev=bytes(32),
        kind=Kind.GENESIS,
        roots=(actor,),
        bases={},
        actor=actor,
        wall=at.wall,
        mono=at.mono,
        seen=at.seen,
        app=at.app,
        body=facts,
    )
    signed = _sign(entry, Payload(bytes(32), ()), seed)
    return signed, Pen(chain=chains.begin(entry, signed.id, signed.signature), seed=seed)


def write(
    pen: Pen,
    act: int,
    roots: Sequence[bytes],
    said: Sequence[Said],
    at: Circumstances,
    random: Random,
    refs: Sequence[bytes] = (),
) -> tuple[Signed, Pen]:
    """The next entry of `pen`: one act on `roots` that says `said`; and the pen moved on."""
    ordered = sorted(said, key=lambda s: (s.object, s.kind))
    secret = random(32)
    changes: list[Change] = []
    values: list[Any] = []
    commitments: list[bytes] = []
    bases: dict[tuple[int, int], tuple[bytes, ...]] = {}
    for index, item in enumerate(ordered):
        numbers = tuple(sorted(item.values))
        changes.append(Change(item.kind, item.object, numbers))
        for number in numbers:
            value = item.values[number]
            value = list(value) if isinstance(value, tuple) else value
            commitments.append(commit_value(salt(secret, len(values)), item.object, number, value))
            values.append(value)
            if replaced := item.bases.get(number):
                bases[index, number] = tuple(sorted(set(replaced)))
    entry = Entry(
        chain=pen.chain.id,
        seq=pen.chain.next_seq,
        prev=pen.chain.head,
        kind=Kind.ACT,
        act=act,
        roots=tuple(sorted(set(roots))),
        changes=tuple(changes),
        bases=bases,
        commitment=commit_all(commitments) if changes else None,
        actor=pen.chain.actor,
        wall=at.wall,
        mono=at.mono,
        seen=at.seen,
        refs=tuple(refs),
        app=at.app,
    )
    return _next(pen, entry, Payload(secret, tuple(values)))


def write_again(pen: Pen, old: Signed, at: Circumstances) -> tuple[Signed, Pen]:
    """The next entry of `pen` says what `old` said, which never came to the county because an entry before it was lost.
    It carries the old bytes and signature, so that its dot stays; ChainBroken("entry-too-large")."""
    entry = replace(
        old.entry,
        chain=pen.chain.id,
        seq=pen.chain.next_seq,
        prev=pen.chain.head,
        actor=pen.chain.actor,
        wall=at.wall,
        mono=at.mono,
        seen=at.seen,
        app=at.app,
        original=old.entry.original or (old.data, old.signature),
    )
    data = encode_entry(entry)
    identity = entry_id(data)
    signature = sign(ED25519, pen.seed, signed_bytes(identity))
    signed = Signed(entry=entry, id=identity, data=data, signature=signature, payload=old.payload)
    return signed, replace(pen, chain=replace(pen.chain, next_seq=entry.seq + 1, head=identity))


def write_body(pen: Pen, kind: Kind, body: Mapping[int, Any], at: Circumstances) -> tuple[Signed, Pen]:
    """The next entry of `pen` of a kind whose words are in the signed body (heads, rotate, epoch, redact)."""
    entry = Entry(
        chain=pen.chain.id,
        seq=pen.chain.next_seq,
        prev=pen.chain.head,
        kind=kind,
        bases={},
        actor=pen.chain.actor,
        wall=at.wall,
        mono=at.mono,
        seen=at.seen,
        app=at.app,
        body=body,
    )
    return _next(pen, entry, Payload(bytes(32), ()))


def _next(pen: Pen, entry: Entry, payload: Payload) -> tuple[Signed, Pen]:
    signed = _sign(entry, payload, pen.seed)
    after = replace(pen.chain, next_seq=entry.seq + 1, head=signed.id)
    return signed, replace(pen, chain=after)


def _sign(entry: Entry, payload: Payload, seed: bytes) -> Signed:
    data = encode_entry(entry)
    identity = entry_id(data)
    return Signed(
        entry=entry,
        id=identity,
        data=data,
        signature=sign(ED25519, seed, signed_bytes(identity)),
        payload=encode_payload(payload),
    )
