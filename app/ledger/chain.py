"""A chain: the entries of one person in one vault on one device, each bound to the one before.

`extend` is the only judge of what may follow: it returns the new state or raises. Rules kept: sequence without gaps,
`prev` is the id before, the signature belongs to the key active at that place, a genesis makes its own chain id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from app.errors import ChainBroken
from app.ledger.entry import NO_PREV, Entry, Kind, signed_bytes
from app.ledger.signatures import ED25519, check_public_key, verify_signature

# Keys of the body of a genesis entry.
ALGORITHM: Final = 1
PUBLIC_KEY: Final = 2
NONCE: Final = 3
CITES: Final = 4  # [chain, seq, entry id] of the chain this one goes on from
COUNTY_CODE: Final = 10
COUNTY_NAME: Final = 11
DEMO: Final = 12
LOG_KEY: Final = 13
CARD_KEY: Final = 14
RECOVERY_KEY: Final = 15
ORIGIN: Final = 16


def chain_id(public_key: bytes, nonce: bytes) -> bytes:
    """Id of the chain that starts with this key (32 bytes) and nonce (16 bytes): 16 bytes."""
    return hashlib.sha256(b"chain" + public_key + nonce).digest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where a chain stands: `next_seq` entries are known, the last has id `head`; the next is signed with
    `public_key`."""

    id: bytes
    next_seq: int
    head: bytes
    algorithm: int
    public_key: bytes
    actor: bytes | None


def begin(entry: Entry, identity: bytes, signature: bytes) -> Chain:
    """The chain that the genesis `entry` starts; ChainBroken when it is not one or was not signed by its own key."""
    body = entry.body
    if entry.kind != Kind.GENESIS or entry.seq != 0 or entry.prev != NO_PREV or body is None:
        raise ChainBroken("not-a-genesis")
    key, nonce, algorithm = body.get(PUBLIC_KEY), body.get(NONCE), body.get(ALGORITHM)
    if not isinstance(key, bytes) or not isinstance(nonce, bytes) or algorithm != ED25519:
        raise ChainBroken("not-a-genesis")
    if len(key) != 32 or len(nonce) != 16 or chain_id(key, nonce) != entry.chain:
        raise ChainBroken("not-a-genesis")
    check_public_key(algorithm, key)
    verify_signature(algorithm, key, signed_bytes(identity), signature)
    return Chain(id=entry.chain, next_seq=1, head=identity, algorithm=algorithm, public_key=key, actor=entry.actor)


def extend(chain: Chain, entry: Entry, identity: bytes, signature: bytes) -> Chain:
    """The state of `chain` after `entry`; ChainBroken with chain-gap, chain-fork, chain-person or signature-wrong."""
    if entry.chain != chain.id or entry.kind == Kind.GENESIS:
        raise ChainBroken("chain-foreign")
    if entry.seq != chain.next_seq:
        raise ChainBroken("chain-gap", expected=chain.next_seq, found=entry.seq)
    if entry.prev != chain.head:
        raise ChainBroken("chain-fork", seq=entry.seq)
    if entry.actor != chain.actor:
        raise ChainBroken("chain-person", seq=entry.seq)
    verify_signature(chain.algorithm, chain.public_key, signed_bytes(identity), signature)
    algorithm, key = chain.algorithm, chain.public_key
    if entry.kind == Kind.ROTATE:
        body = entry.body or {}
        algorithm, key = body.get(ALGORITHM, 0), body.get(PUBLIC_KEY, b"")
        if algorithm != ED25519 or not _bytes(key, 32):
            raise ChainBroken("bad-rotation", seq=entry.seq)
        check_public_key(algorithm, key)
    return Chain(
        id=chain.id,
        next_seq=entry.seq + 1,
        head=identity,
        algorithm=algorithm,
        public_key=key,
        actor=chain.actor,
    )


def _bytes(value: Any, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size
