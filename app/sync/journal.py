"""The journal of a vault: acts are appended to our own chain, receipts settle them, deliveries bring others' acts.

One transaction of the vault holds entry, payload, chain and fold together, so that the log and the tables cannot part.
The entries behind `acknowledged` *are* the outbox. Nothing received is believed before its signature, commitment and
proof were checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import ChainBroken, VaultProblem
from app.ledger import chain as chains
from app.ledger import checkpoint as checkpoints
from app.ledger.act import Circumstances, Pen, Random, Said, Signed, start, write, write_again
from app.ledger.authority import KINDS
from app.ledger.chain import Chain
from app.ledger.entry import (
    Entry,
    Kind,
    Payload,
    decode_entry,
    encode_payload,
    entry_id,
    open_payload,
)
from app.ledger.signatures import public_key
from app.ledger.streams import buckets, digest_of
from app.ledger.tree import verify_consistency, verify_range
from app.models import store
from app.models.queries import admissions
from app.models.store import Item, Transaction
from app.progress import Progress, Steps
from app.sync.protocol import CountyKey, Delivered, Delivery, Receipt
from app.text import tr
from app.vault import kept, salvage
from app.vault.kept import KeptChain
from app.vault.vault import Vault

COUNTY = "county.pub"
CHECKPOINT = "checkpoint"
CURSOR = "cursor"
AUTHORITY = "authority"  # [highest position of an act that needed authority, whether one came late]
LEFT = "left"  # roots whose facts went
REFOLD = "refold"
SIGHT = "sight"  # the county's tag of what the people of this vault may see
RENEWED = "renewed"  # roots that came again since that tag changed; nothing when all have


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


def begin(
    tx: Transaction, seed: bytes, nonce: bytes, staff: bytes, now_ms: int, build: int, cites: Chain | None = None
) -> Signed:
    """Start the person's chain in this vault; its genesis waits for the county like any entry. `cites`: the chain it
    goes on from, as far as it is known here."""
    body = {} if cites is None else {chains.CITES: [cites.id, cites.next_seq - 1, cites.head]}
    signed, pen = start(seed, nonce, staff, Circumstances(wall=now_ms, app=build), body)
    _keep(tx, signed)
    kept.put_chain(tx, pen.chain, own=True, acknowledged=0)
    return signed


def in_order(tx: Transaction) -> list[KeptChain]:
    """The chains written in this vault; one that goes on from another comes behind it."""
    mine = {one.state.id: one for one in kept.own_chains(tx)}
    before = {chain: _cited(kept.first_entry(tx, chain)) for chain in mine}
    ordered: dict[bytes, KeptChain] = {}
    for chain in mine:
        line, at = list[bytes](), chain
        while at in mine and at not in ordered and at not in line:
            line.append(at)
            at = before[at]
        ordered.update({one: mine[one] for one in reversed(line)})
    return list(ordered.values())


def last_of(tx: Transaction, staff: bytes) -> Chain | None:
    """The person's newest chain in this vault: what a new one goes on from, as after a forgotten password."""
    return next((mine.state for mine in reversed(in_order(tx)) if mine.state.actor == staff), None)


def _cited(genesis: Entry | None) -> bytes:
    told = (genesis.body or {}).get(chains.CITES) if genesis else None
    return told[0] if isinstance(told, list) and told and isinstance(told[0], bytes) else b""


def author_of(tx: Transaction, seed: bytes, build: int) -> Author:
    """Whose signing seed this is: the person and their own chain in this vault; ChainBroken("chain-foreign") when no
    chain here is signed with it."""
    key = public_key(seed)
    for mine in kept.own_chains(tx):
        if mine.state.public_key == key and mine.state.actor is not None:
            return Author(staff=mine.state.actor, chain=mine.state.id, seed=seed, build=build)
    raise ChainBroken("chain-foreign")


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
    """One act of `author`: signed, chained, kept and folded. VaultProblem("exchange-first") after a salvage or a
    restoration: only the county knows by then how far the chain is, and writing would fork it."""
    mine = _own(tx, author.chain)
    if author.chain in salvage.waiting_chains(tx):
        raise VaultProblem("exchange-first")
    if public_key(author.seed) != mine.state.public_key:
        raise ChainBroken("chain-foreign")  # a colleague's chain: it would be broken for good
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


def go_on(tx: Transaction, mine: kept.KeptChain) -> None:
    """Let our own chain stand behind the last of its entries that follow each other here: what a disk had lost and the
    county gave back. ChainBroken when they do not fit together."""
    state, acknowledged = mine.state, mine.acknowledged
    following = kept.chain_entries(tx, state.id, state.next_seq)
    positions = kept.known_entries(tx, [identity for _, _, identity, _ in following])
    for entry, _, identity, signature in following:
        if entry.seq != state.next_seq:
            break
        if entry.seq:
            state = chains.extend(state, entry, identity, signature)
        else:
            state = chains.begin(entry, identity, signature)
        if acknowledged == entry.seq and positions[identity] is not None:
            acknowledged += 1
    if state != mine.state:
        kept.put_chain(tx, state, own=True, acknowledged=acknowledged)


def mend(tx: Transaction, chain: bytes, seed: bytes | None, now_ms: int) -> Touched:
    """The county has nothing of this chain that is not here: it need not wait any longer. What stands behind a hole
    never came to the county; it is signed again with `seed` and takes its place in the log, dots and facts as they
    were. Without the seed of the chain's person it goes on waiting where anything stands there."""
    mine = _own(tx, chain)
    behind = kept.chain_entries(tx, chain, mine.state.next_seq)
    if behind and (seed is None or public_key(seed) != mine.state.public_key):
        return Touched()
    ids = [identity for _, _, identity, _ in behind]
    payloads, again = kept.payloads(tx, ids), list[Signed]()
    pen = Pen(chain=mine.state, seed=seed or b"")
    for entry, data, identity, signature in behind:
        old = Signed(entry=entry, id=identity, data=data, signature=signature, payload=payloads[identity])
        signed, pen = write_again(pen, old, Circumstances(wall=now_ms, seen=_seen(tx), app=entry.app))
        again.append(signed)
    kept.remove_entries(tx, ids)
    kept.put_entries(tx, [kept.signed_row(signed) for signed in again], [signed.payload for signed in again])
    kept.put_streams(tx, [(root, signed.id) for signed in again for root in signed.entry.roots])
    kept.put_chain(tx, pen.chain, own=True, acknowledged=mine.acknowledged)
    salvage.put_waiting_chains(tx, salvage.waiting_chains(tx) - {chain})
    return Touched(roots=frozenset(root for entry, *_ in behind for root in entry.roots), outbox=True)


# --- receipts ---


def settle(tx: Transaction, receipt: Receipt, now_ms: int) -> Touched:
    """Check a receipt against our own chain and the last checkpoint, keep it, raise `acknowledged`."""
    mine = _own(tx, receipt.chain)
    if receipt.start > mine.acknowledged:
        raise ChainBroken("receipt-foreign", seq=receipt.start)  # would leave entries behind without a receipt
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
    kept.put_receipt(
        tx, receipt.chain, receipt.start, seq - receipt.start, receipt.runs[0][0], now_ms, receipt.encode()
    )
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
    """Keep county.pub, whose id the enrolment code named, as what it is: the first entry of the log. So nobody else's
    chain can ever stand at the root of authority here. Again does nothing."""
    entry, identity = decode_entry(key.entry), entry_id(key.entry)
    state = chains.begin(entry, identity, key.signature)
    kept.put_setting(tx, COUNTY, key.encode())
    if kept.chain(tx, state.id) is None:
        kept.put_chain(tx, state, own=False, acknowledged=0)
        row = kept.entry_row(entry, identity, key.entry, key.signature, 0)
        kept.put_entries(tx, [row], [encode_payload(Payload(bytes(32), ()))])


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


def sight(tx: Transaction) -> bytes:
    """The county's newest tag of what may be seen here, empty before the first."""
    return kept.setting(tx, SIGHT) or b""


def see(tx: Transaction, tag: bytes) -> None:
    """A page comes under this tag. Under a new one nothing counts as held until it came again; it stays readable."""
    if tag != sight(tx):
        kept.put_setting(tx, SIGHT, tag)
        kept.put_setting(tx, RENEWED, [])


def take(tx: Transaction, entries: Sequence[Delivered]) -> Touched:
    """Check, keep and fold delivered entries, a part of a page or all of it. They count as held only when the page was
    turned; what comes again before that is known. While everything comes anew because other values may be seen than
    before, payloads take the place of those that are here.

    ChainBroken when a signature or commitment does not hold, or when what came contradicts what is held."""
    known = kept.known_entries(tx, [entry_id(sent.entry) for sent in entries])
    bare = kept.without_payload(tx, list(known))
    rows: list[dict[str, Any]] = []
    payloads: list[bytes] = []
    restored: list[tuple[bytes, bytes]] = []
    renewed: dict[bytes, Delivered] | None = None if kept.setting(tx, RENEWED) is None else {}
    items: list[Item] = []
    placed: dict[bytes, int] = {}
    keys: dict[bytes, Chain] = {}
    left = set(kept.setting(tx, LEFT) or ())
    for sent in entries:
        identity = entry_id(sent.entry)
        if identity in known:
            if known[identity] is None:
                placed[identity] = sent.position
            elif known[identity] != sent.position:
                raise ChainBroken("delivery-moved", position=sent.position)
            if identity not in bare:
                if renewed is not None and known[identity] is not None:
                    renewed[identity] = sent
                if not left.isdisjoint(sent.roots):
                    kept.put_setting(tx, REFOLD, True)  # it stayed because of another root; its facts here are gone
                continue
            bare.discard(identity)
            restored.append((identity, sent.payload))  # its household had left this vault and comes back
        else:
            entry = decode_entry(sent.entry)
            _check_foreign(tx, keys, entry, identity, sent.signature, sent.position)
            rows.append(kept.entry_row(entry, identity, sent.entry, sent.signature, sent.position))
            payloads.append(sent.payload)
            known[identity] = sent.position
        items.append(Item.of(sent.entry, sent.payload, sent.position))
    kept.put_entries(tx, rows, payloads)
    for mine in kept.own_chains(tx):
        if any(row["chain"] == mine.state.id for row in rows):
            go_on(tx, mine)
    kept.put_payloads(tx, restored)
    _renew(tx, renewed or {})
    kept.put_streams(tx, [(root, entry_id(sent.entry)) for sent in entries for root in sent.roots])
    # Stream by stream a grant may come behind what it allows: those go first, in the county's order.
    items.sort(key=lambda item: (not _needs_authority(item), item.position or 0))
    _note_authority(tx, items)
    return Touched(roots=store.fold(tx, items) | _place(tx, placed), outbox=bool(placed))


def _renew(tx: Transaction, entries: Mapping[bytes, Delivered]) -> None:
    """Entries that are here come with more values or with fewer; the tables follow after the last page."""
    stored = kept.payloads(tx, list(entries))
    changed = [(i, sent.payload) for i, sent in entries.items() if i in stored and stored[i] != sent.payload]
    for identity, payload in changed:
        open_payload(decode_entry(entries[identity].entry), payload)
    if changed:
        kept.replace_payloads(tx, changed)
        kept.put_setting(tx, REFOLD, True)


def turn(tx: Transaction, delivery: Delivery) -> Touched:
    """The page was taken: number its streams, let go what left, and stand where the page ends."""
    touched = frozenset[bytes]()
    for root in delivery.left:
        touched |= forget(tx, root)
    roots = {root for sent in delivery.entries for root in sent.roots} - set(delivery.left)
    left = set(kept.setting(tx, LEFT) or ())
    if left & roots:
        kept.put_setting(tx, LEFT, sorted(left - roots))
    kept.put_setting(tx, CURSOR, delivery.cursor)
    kept.number_streams(tx, roots, delivery.cursor)
    renewed = kept.setting(tx, RENEWED)
    if renewed is not None:
        going_on = delivery.more or delivery.wants_heads
        kept.put_setting(tx, RENEWED, sorted({*renewed, *roots}) if going_on else None)
    return Touched(roots=touched)


def catch_up(vault: Vault) -> Steps[Touched]:
    """After the last page: let go what the county decided about, fold anew what pages in the order of streams could not
    fold right at once. Mostly nothing; what is left undone by a crash is done the next time."""
    with vault.transaction() as tx:
        _follow_decisions(tx)
        if kept.setting(tx, REFOLD):
            for done, of in _refold(tx):
                yield Progress(done=done, of=of, doing=tr("正在重新整理"))
            roots = frozenset(kept.heads(tx))
        elif (kept.setting(tx, AUTHORITY) or (0, False))[1]:
            roots = store.refold_authority(tx)
        else:
            return Touched()
        newest, _ = kept.setting(tx, AUTHORITY) or (0, False)
        kept.put_setting(tx, AUTHORITY, [newest, False])
        kept.put_setting(tx, REFOLD, False)
    return Touched(roots=roots)


def _follow_decisions(tx: Transaction) -> None:
    """Entries behind the end of an ended chain wait until somebody at the county decided, one by one and in order. Then
    they count no more: what was admitted stands in the log as the act of whoever admitted it."""
    for mine in kept.own_chains(tx):
        waiting = mine.state.next_seq - mine.acknowledged
        ids = kept.own_ids(tx, mine.state.id, mine.acknowledged, waiting) if waiting else []
        decided = admissions.decided(tx, ids)
        done = next((n for n, identity in enumerate(ids) if identity not in decided), len(ids))
        if done:
            kept.let_go(tx, ids[:done])
            kept.put_chain(tx, mine.state, own=True, acknowledged=mine.acknowledged + done)
            kept.put_setting(tx, REFOLD, True)


def _needs_authority(item: Item) -> bool:
    return any(change.kind in KINDS for change in item.entry.changes)


def _note_authority(tx: Transaction, items: Sequence[Item]) -> None:
    """Note when acts that need authority come behind others of a later position: what took effect has then to be
    judged anew."""
    places = [item.position for item in items if item.position is not None and _needs_authority(item)]
    if places:
        newest, late = kept.setting(tx, AUTHORITY) or (0, False)
        kept.put_setting(tx, AUTHORITY, [max(newest, places[-1]), late or places[0] < newest])


def _check_foreign(
    tx: Transaction, keys: dict[bytes, Chain], entry: Entry, identity: bytes, signature: bytes, position: int
) -> None:
    """The signature of an entry that is new here, under the key its chain has by then (`keys` remembers them for one
    delivery). A genesis makes the chain known, a rotation changes its key. An entry of our own that we do not have was
    lost with a disk that had to be restored: `go_on` takes it up again, where it fits."""
    found = kept.chain(tx, entry.chain)
    if entry.kind == Kind.GENESIS:
        begun = chains.begin(entry, identity, signature)
        if found is None:
            kept.put_chain(tx, begun, own=False, acknowledged=0)
        if found is None or not found.own:
            keys[entry.chain] = begun
        return
    state = keys.get(entry.chain)
    if state is None:
        if found is None:
            raise ChainBroken("delivery-without-key", position=position)
        state = found.state
        if not found.own:
            keys[entry.chain] = state
    # The links between are not here: only what the key says can be checked, so the chain is asked as if it stood
    # just before this entry.
    before = replace(state, next_seq=entry.seq, head=entry.prev)
    after = chains.extend(before, entry, identity, signature)
    if entry.kind == Kind.ROTATE and not (found is not None and found.own):
        keys[entry.chain] = after
        kept.put_chain(tx, after, own=False, acknowledged=0)


def forget(tx: Transaction, root: bytes) -> frozenset[bytes]:
    """A root left this vault: its facts go. While entries of our own on it have no receipt it stays: the county says
    again that it left, as long as the heads differ."""
    if kept.unsettled(tx, root):
        return frozenset()
    store.erase(tx, root)
    kept.put_setting(tx, LEFT, sorted({*(kept.setting(tx, LEFT) or ()), root}))
    return frozenset({root})


def cursor(tx: Transaction) -> int:
    """Position up to which this vault has everything that belongs to it."""
    return kept.setting(tx, CURSOR) or 0


def held(tx: Transaction) -> tuple[dict[bytes, tuple[int, bytes]], bytes]:
    """The heads of all streams held and their digest; while everything comes anew, of those that have come."""
    heads = kept.heads(tx)
    renewed = kept.setting(tx, RENEWED)
    if renewed is not None:
        heads = {root: heads[root] for root in renewed if root in heads}
    return heads, digest_of(buckets(heads))


# --- walking ---


def walk(tx: Transaction, chain_id: bytes) -> Iterator[tuple[int, int]]:
    """Check our own chain from its genesis, every link and signature; yields (done, of). ChainBroken names the first
    place that does not hold, "chain-tail" when the last entries are gone. Commitments are checked by folding."""
    mine = _own(tx, chain_id)
    state: Chain | None = None
    waits = chain_id in salvage.waiting_chains(tx)
    for done, (entry, _, identity, signature) in enumerate(kept.chain_entries(tx, chain_id), 1):
        if waits and entry.seq >= mine.state.next_seq:
            break  # behind a hole that the county may fill
        if state is None:
            state = chains.begin(entry, identity, signature)
        else:
            state = chains.extend(state, entry, identity, signature)
        yield done, mine.state.next_seq
    if state is None and waits and not mine.state.next_seq:
        return
    if state is None or state.head != mine.state.head or state.next_seq != mine.state.next_seq:
        raise ChainBroken("chain-tail", expected=mine.state.next_seq, found=state.next_seq if state else 0)


def _refold(tx: Transaction) -> Iterator[tuple[int, int]]:
    """Fold the log anew, without what left: an entry on two households may stay because of one of them."""
    yield from store.refold(tx)
    for root in kept.setting(tx, LEFT) or ():
        store.erase(tx, root)


def recheck(vault: Vault) -> Steps[None]:
    """After a hot open: walk our own chains, fold the log anew, then call the vault recovered. Nothing changes unless
    all of it holds; stopped or broken, the next opening asks for it again."""
    with vault.transaction() as tx:
        for mine in kept.own_chains(tx):
            for done, of in walk(tx, mine.state.id):
                if done % 200 == 0 or done == of:
                    yield Progress(done=done, of=of, doing=tr("正在核对记录"))
        for done, of in _refold(tx):
            yield Progress(done=done, of=of, doing=tr("正在重新整理"))
    vault.recovered()
