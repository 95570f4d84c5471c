"""What the county takes: a packet is judged entry by entry before anything is locked or written. Pure.

Judged are form, chain, signature and commitments, never what an entry says: business rules do not refuse. An entry that
the county has is skipped when its id is the same (the overlap by one) and condemns the chain when it is not. A chain
that no entry of is here may begin with a packet once a `signer` record announces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.errors import ChainBroken, CountyRefusal
from app.ledger import chain as chains
from app.ledger.act import Signed
from app.ledger.chain import CITES, Chain
from app.ledger.entry import Entry, Kind, Withheld, decode_entry, dot, entry_id, open_payload, signed_bytes
from app.ledger.signatures import verify_signature
from app.sync.protocol import PACKET_ENTRIES, Packet, Sealed

MAX_ENTRIES = PACKET_ENTRIES + 1  # one overlaps
TAKEN_KINDS = frozenset({Kind.ACT, Kind.ROTATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An entry that may follow: `chain` is where its chain stands behind it."""

    entry: Entry
    id: bytes
    dot: bytes
    data: bytes
    signature: bytes
    payload: bytes
    values: tuple[Any, ...]
    chain: Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the county knows of one chain: where it stands (None: announced, not begun), the ids of entries that the
    packet may repeat, and who was announced: (staff, public key). Of its entries the first `until` may enter the log
    (None: all of them); what comes behind is held because of the record `ended`, a signer's or a device's."""

    chain: Chain | None
    ids: Mapping[int, bytes] = field(default_factory=dict)
    announced: frozenset[tuple[bytes, bytes]] = frozenset()
    until: int | None = None
    ended: bytes = b""

    @property
    def next_seq(self) -> int:
        return 0 if self.chain is None else self.chain.next_seq


class Fork(CountyRefusal):
    """Two different entries, both signed, claim one place of a chain: the refusal, with the evidence."""

    def __init__(self, seq: int, evidence: Sealed) -> None:
        super().__init__("chain-forked", seq=seq)
        self.seq = seq
        self.evidence = evidence


def judge(packet: Packet, known: Known) -> list[Judged]:
    """The entries of `packet` that are new, in order; empty when the county has them all.

    CountyRefusal("chain-gap", expected, found | "chain-unknown"), Fork, ChainBroken for bytes, links, signatures or
    commitments that do not hold: the first thing that is wrong refuses the packet whole."""
    if len(packet.entries) > MAX_ENTRIES:
        raise CountyRefusal("packet-too-large", limit=PACKET_ENTRIES)
    if packet.start > known.next_seq:
        raise CountyRefusal("chain-gap", expected=known.next_seq, found=packet.start)
    state = known.chain
    judged: list[Judged] = []
    for seq, sealed in enumerate(packet.entries, packet.start):
        if known.chain is not None and seq < known.chain.next_seq:
            _repeat(known.chain, seq, sealed, known)
            continue
        fresh = _begin(packet.chain, sealed, known) if state is None else extend(state, sealed)
        if fresh.entry.seq != seq:
            raise ChainBroken("packet-form")
        judged.append(fresh)
        state = fresh.chain
    return judged


def extend(state: Chain, sealed: Sealed) -> Judged:
    """The entry that follows `state`, judged; raises as `judge`."""
    data, signature, payload = sealed
    entry, identity = decode_entry(data), entry_id(data)
    if entry.seq == state.next_seq and entry.prev != state.head:
        _verify(state, identity, signature)
        raise Fork(state.next_seq - 1, sealed)
    after = chains.extend(state, entry, identity, signature)
    _check_numbers(entry)
    if entry.kind not in TAKEN_KINDS:
        raise ChainBroken("kind-refused", kind=entry.kind)
    _check_original(entry)
    opened = open_payload(entry, payload)
    if any(isinstance(value, Withheld) for value in opened.values):
        raise ChainBroken("payload-incomplete", seq=entry.seq)
    return Judged(
        entry=entry,
        id=identity,
        dot=dot(data, entry),
        data=data,
        signature=signature,
        payload=payload,
        values=opened.values,
        chain=after,
    )


def judge_genesis(data: bytes, signature: bytes, payload: bytes) -> Judged:
    """The first entry of a new chain, judged; ChainBroken when it is not one, or not its person's, or says more than a
    first entry does."""
    entry, identity = decode_entry(data), entry_id(data)
    state = chains.begin(entry, identity, signature)
    if entry.actor is None or entry.roots != (entry.actor,) or entry.changes or entry.original is not None:
        raise ChainBroken("not-a-genesis")
    cited(entry)
    _check_numbers(entry)
    open_payload(entry, payload)
    return Judged(
        entry=entry,
        id=identity,
        dot=identity[:16],
        data=data,
        signature=signature,
        payload=payload,
        values=(),
        chain=state,
    )


def judge_own(signed: Sequence[Signed], states: Mapping[bytes, Chain]) -> list[Judged]:
    """Entries of the county's own chains, judged like all others; `states` says where these chains stand."""
    now = dict(states)
    judged: list[Judged] = []
    for item in signed:
        sealed = (item.data, item.signature, item.payload)
        fresh = judge_genesis(*sealed) if item.entry.seq == 0 else extend(now[item.entry.chain], sealed)
        now[item.entry.chain] = fresh.chain
        judged.append(fresh)
    return judged


def cited(entry: Entry) -> tuple[bytes, int, bytes] | None:
    """(chain, seq, entry id) where the person's chain before ended, None when the genesis `entry` cites none.
    ChainBroken("not-a-genesis") for a citation of another form."""
    told = (entry.body or {}).get(CITES)
    if told is None:
        return None
    if type(told) is not list or [type(part) for part in told] != [bytes, int, bytes]:
        raise ChainBroken("not-a-genesis")
    chain, seq, identity = told
    if len(chain) != 16 or not 0 <= seq < 2**31 or len(identity) != 32:
        raise ChainBroken("not-a-genesis")
    return chain, seq, identity


def _begin(chain: bytes, sealed: Sealed, known: Known) -> Judged:
    """The first entry of a chain that a record announced: for this person, with this key."""
    fresh = judge_genesis(*sealed)
    if fresh.entry.chain != chain:
        raise ChainBroken("packet-form")
    if (fresh.entry.actor, fresh.chain.public_key) not in known.announced:
        raise CountyRefusal("chain-unknown")
    return fresh


def _repeat(state: Chain, seq: int, sealed: Sealed, known: Known) -> None:
    """An entry for a place that the county has filled: the same, or proof of a fork, or nothing at all."""
    identity = entry_id(sealed[0])
    if known.ids.get(seq) == identity:
        return
    entry = decode_entry(sealed[0])
    if entry.chain != state.id or entry.seq != seq:
        raise ChainBroken("packet-form")
    _verify(state, identity, sealed[1])
    raise Fork(seq, sealed)


def _verify(state: Chain, identity: bytes, signature: bytes) -> None:
    verify_signature(state.algorithm, state.public_key, signed_bytes(identity), signature)


def _check_numbers(entry: Entry) -> None:
    """Numbers that tables hold have to fit into them; no person's act comes near these bounds."""
    fits = entry.act < 2**31 and -(2**63) <= entry.wall < 2**63
    if not fits or any(change.kind >= 2**31 or change.fields[-1] >= 2**31 for change in entry.changes):
        raise ChainBroken("entry-form")


def _check_original(entry: Entry) -> None:
    """An entry that was signed again says exactly what its original said (`formats.md`, key 18)."""
    if entry.original is None:
        return
    old = decode_entry(entry.original[0])
    now = (entry.actor, entry.act, entry.roots, entry.changes, dict(entry.bases), entry.commitment)
    if now != (old.actor, old.act, old.roots, old.changes, dict(old.bases), old.commitment) or old.original:
        raise ChainBroken("original-differs", seq=entry.seq)
