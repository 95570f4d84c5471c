"""The journal of a vault: acts are appended to our own chain, receipts settle them, deliveries bring others' acts.

One transaction of the vault holds entry, payload, chain and fold together, so that the log and the tables cannot part.
The entries behind `acknowledged` *are* the outbox. Nothing received is believed before its signature, commitment and
proof were checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import ChainBroken
from app.ledger import chain as chains
from app.ledger import checkpoint as checkpoints
from app.ledger.act import Circumstances, Pen, Random, Said, Signed, start, write
from app.ledger.chain import Chain
from app.ledger.entry import Entry, Kind, decode_entry, dot, entry_id, open_payload
from app.ledger.streams import buckets, digest_of
from app.ledger.tree import verify_consistency, verify_range
from app.models import store
from app.models.store import Item, Transaction
from app.sync.protocol import CountyKey, Delivery, Receipt
from app.vault import kept

COUNTY = "county.pub"
CHECKPOINT = "checkpoint"
CURSOR = "cursor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The acting person: staff id, own chain in this vault, signing seed, build number of the program."""

    staff: bytes
    chain: bytes
    seed: bytes = field(repr=False)
    build: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a verb changed: roots whose files changed, whether the outbox grew, ids that were made."""

    roots: frozenset[bytes] = frozenset()
    outbox: bool = False
    made: tuple[bytes, ...] = ()


# --- our own chain ---


def begin(tx: Transaction, seed: bytes, nonce: bytes, staff: bytes, now_ms: int, build: int) -> Signed:
    """Start the person's chain in this vault; its genesis waits for the county like any entry."""
    signed, pen = start(seed, nonce, staff, Circumstances(wall=now_ms, app=build))
    _keep(tx, signed)
    kept.put_chain(tx, pen.chain, own=True, acknowledged=0)
    return signed


def append(
    tx: Transaction,
    author: Author,
    act: int,
    roots: Sequence[bytes],
    said: Sequence[Said],
    now_ms: int,
    random: Random,
    refs: Sequence[bytes] = (),
) -> Touched:
    """One act of `author`: signed, chained, kept and folded."""
    mine = _own(tx, author.chain)
    at = Circumstances(wall=now_ms, seen=_seen(tx), app=author.build)
    pen = Pen(chain=mine.state, seed=author.seed)
    signed, pen = write(pen, act, roots, said, at, random, refs)
    item = _keep(tx, signed)
    kept.put_chain(tx, pen.chain, own=True, acknowledged=mine.acknowledged)
    touched = store.fold(tx, [item])
    return Touched(roots=touched, outbox=True)


def _keep(tx: Transaction, signed: Signed) -> Item:
    kept.put_entries(tx, [kept.signed_row(signed)], [signed.payload])
    kept.put_streams(tx, [(root, signed.id) for root in signed.entry.roots])
    values = open_payload(signed.entry, signed.payload).values
    return Item(entry=signed.entry, dot=signed.id[:16], position=None, values=values)


def _own(tx: Transaction, chain_id: bytes) -> kept.KeptChain:
    found = kept.chain(tx, chain_id)
    if found is None or not found.own:
        raise ChainBroken("chain-foreign")
    return found


# --- receipts ---


def settle(tx: Transaction, receipt: Receipt, now_ms: int) -> Touched:
    """Check a receipt against our own chain and the last checkpoint, keep it, raise `acknowledged`."""
    mine = _own(tx, receipt.chain)
    checkpoint = take_checkpoint(tx, receipt.note, receipt.consistency)
    seq, positions = receipt.start, dict[bytes, int]()
    for (first, count), proof in zip(receipt.runs, receipt.proofs, strict=True):
        ids = kept.own_ids(tx, receipt.chain, seq, count)
        if len(ids) != count:
            raise ChainBroken("receipt-foreign", seq=seq)
        verify_range(first, ids, checkpoint.size, proof, checkpoint.root)
        positions.update(zip(ids, range(first, first + count), strict=True))
        seq += count
    before = kept.known_entries(tx, list(positions))
    fresh = {identity: position for identity, position in positions.items() if before[identity] is None}
    if any(before[i] not in (None, p) for i, p in positions.items()):
        raise ChainBroken("receipt-moved", seq=receipt.start)
    touched = _place(tx, fresh)
    kept.put_receipt(tx, receipt.chain, receipt.start, seq - receipt.start, receipt.runs[0][0], now_ms, receipt.encode())
    kept.put_chain(tx, mine.state, own=True, acknowledged=max(mine.acknowledged, seq))
    return Touched(roots=touched, outbox=True)


def take_checkpoint(tx: Transaction, note: bytes, consistency: Sequence[bytes]) -> checkpoints.Checkpoint:
    """Check a checkpoint's signature and that the county's log only grew since the one held; keep the newer one."""
    body = county_facts(tx)
    checkpoint = checkpoints.verify(note, body[chains.ORIGIN], body[chains.LOG_KEY])
    size, root = held_checkpoint(tx)
    if checkpoint.size < size:
        raise ChainBroken("county-went-back", held=size, shown=checkpoint.size)
    if size:
        verify_consistency(size, root, checkpoint.size, checkpoint.root, consistency)
    if checkpoint.size > size:
        kept.put_setting(tx, CHECKPOINT, [checkpoint.size, checkpoint.root, note])
    return checkpoint


def held_checkpoint(tx: Transaction) -> tuple[int, bytes]:
    """(size, root) of the newest checkpoint held; (0, empty) before the first."""
    found = kept.setting(tx, CHECKPOINT)
    return (found[0], found[1]) if found else (0, b"")


def _seen(tx: Transaction) -> tuple[int, int, bytes] | None:
    size, root = held_checkpoint(tx)
    return (0, size, root) if size else None


def _place(tx: Transaction, positions: dict[bytes, int]) -> frozenset[bytes]:
    if not positions:
        return frozenset()
    kept.put_positions(tx, positions)
    return store.place(tx, store.stored_items(tx, list(positions)))


# --- the county's key ---


def put_county(tx: Transaction, key: CountyKey) -> None:
    """Keep county.pub, whose id the enrolment code named."""
    kept.put_setting(tx, COUNTY, key.encode())


def county_facts(tx: Transaction) -> dict[int, Any]:
    """The body of the county's genesis entry: code, name, demo, public keys, origin."""
    data = kept.setting(tx, COUNTY)
    if data is None:
        raise ChainBroken("county-unknown")
    return county_body(CountyKey.decode(data))


def county_body(key: CountyKey) -> dict[int, Any]:
    """The body of county.pub; ChainBroken unless it is a genesis signed by its own key."""
    entry = decode_entry(key.entry)
    chains.begin(entry, entry_id(key.entry), key.signature)
    return dict(entry.body or {})


# --- deliveries ---


def deliver(tx: Transaction, delivery: Delivery) -> Touched:
    """Check and fold what the county delivered; afterwards the cursor stands where the page ends."""
    take_checkpoint(tx, delivery.note, delivery.consistency)
    known = kept.known_entries(tx, [entry_id(item.entry) for item in delivery.entries])
    rows: list[dict[str, Any]] = []
    payloads: list[bytes] = []
    items: list[Item] = []
    streams: list[tuple[bytes, bytes]] = []
    placed: dict[bytes, int] = {}
    keys: dict[bytes, Chain] = {}
    for sent in delivery.entries:
        identity = entry_id(sent.entry)
        entry = decode_entry(sent.entry)
        if identity in known:
            if known[identity] is None:
                placed[identity] = sent.position
            elif known[identity] != sent.position:
                raise ChainBroken("delivery-moved", position=sent.position)
            streams.extend((root, identity) for root in entry.roots)
            continue
        _check_foreign(tx, keys, entry, identity, sent.signature, sent.position)
        values = open_payload(entry, sent.payload).values
        items.append(Item(entry=entry, dot=dot(sent.entry, entry), position=sent.position, values=values))
        rows.append(kept.entry_row(entry, identity, sent.entry, sent.signature, sent.position))
        payloads.append(sent.payload)
        streams.extend((root, identity) for root in entry.roots)
    kept.put_entries(tx, rows, payloads)
    kept.put_streams(tx, streams)
    touched = store.fold(tx, items) | _place(tx, placed)
    for root in delivery.left:
        touched |= forget(tx, root)
    kept.put_setting(tx, CURSOR, delivery.cursor)
    kept.number_streams(tx, {root for root, _ in streams}, delivery.cursor)
    return Touched(roots=touched)


def _check_foreign(
    tx: Transaction, keys: dict[bytes, Chain], entry: Entry, identity: bytes, signature: bytes, position: int
) -> None:
    """The signature of an entry of another chain, under the key its chain has by then (`keys` remembers them for one
    delivery); a genesis makes the chain known, a rotation changes its key."""
    if entry.kind == Kind.GENESIS:
        keys[entry.chain] = chains.begin(entry, identity, signature)
        kept.put_chain(tx, keys[entry.chain], own=False, acknowledged=0)
        return
    state = keys.get(entry.chain)
    if state is None:
        found = kept.chain(tx, entry.chain)
        if found is None:
            raise ChainBroken("delivery-without-key", position=position)
        state = keys[entry.chain] = found.state
    # The links between are not here: only what the key says can be checked, so the chain is asked as if it stood
    # just before this entry.
    before = replace(state, next_seq=entry.seq, head=entry.prev)
    after = chains.extend(before, entry, identity, signature)
    if entry.kind == Kind.ROTATE:
        keys[entry.chain] = after
        kept.put_chain(tx, after, own=False, acknowledged=0)


def forget(tx: Transaction, root: bytes) -> frozenset[bytes]:
    """A root left this vault: its facts go, entries of our own without a receipt stay."""
    store.erase(tx, root)
    return frozenset({root})


def cursor(tx: Transaction) -> int:
    """Position up to which this vault has everything that belongs to it."""
    return kept.setting(tx, CURSOR) or 0


def held(tx: Transaction) -> tuple[dict[bytes, tuple[int, bytes]], bytes]:
    """The heads of all streams held and their digest."""
    heads = kept.heads(tx)
    return heads, digest_of(buckets(heads))


# --- walking ---


def walk(tx: Transaction, chain_id: bytes) -> Iterator[tuple[int, int]]:
    """Check our own chain from its genesis: every link, signature and commitment; yields (done, of). ChainBroken names
    the first place that does not hold, "chain-tail" when the last entries are gone."""
    mine = _own(tx, chain_id)
    entries = kept.chain_entries(tx, chain_id)
    state: Chain | None = None
    for done, (entry, _, identity, signature) in enumerate(entries, 1):
        if state is None:
            state = chains.begin(entry, identity, signature)
        else:
            state = chains.extend(state, entry, identity, signature)
        yield done, len(entries)
    if state is None or state.head != mine.state.head or state.next_seq != mine.state.next_seq:
        raise ChainBroken("chain-tail", expected=mine.state.next_seq, found=state.next_seq if state else 0)
