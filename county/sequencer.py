"""The county's log: the one place that orders entries and proves that it did not reorder them.

One turn, one writer: a packet is one transaction that checks the chain heads again, gives contiguous positions, keeps
entries and payloads, moves the streams on, closes with a `heads` entry of the server's own chain, appends the leaves,
computes the root a second way from what storage holds, and folds. Only after the commit is the checkpoint signed, so no
signed statement exists about a tree that was not kept; the signature is deterministic: none can differ after a crash.

What an ended chain or device hands in is judged like all else and then held: kept apart with its bytes, while the log
itself gets an entry of the server that names every held entry by its id and the record that ended its chain or device.

What is held in memory (peaks, stream heads, chains) copies the tables; after a failed transaction it is read anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from app.errors import ChainBroken, CountyRefusal
from app.ledger import checkpoint as checkpoints
from app.ledger import streams
from app.ledger.act import Circumstances, Pen, Signed, write, write_body
from app.ledger.authority import KINDS as AUTHORITY_KINDS
from app.ledger.chain import ALGORITHM, PUBLIC_KEY, Chain, begin, extend
from app.ledger.entry import Act, Change, Entry, Kind, decode_entry, entry_id, signed_bytes
from app.ledger.registers import Register
from app.ledger.signatures import verify_signature
from app.ledger.tree import MapTree, Tree, verify_growth
from app.models.records.people import SIGNER
from app.models.records.registry import BY_NUMBER
from app.models.store import Item, Transaction, fold, load_authority, refold, registers_of
from app.models.tables import ENTRY, PAYLOAD, STREAM, TABLES
from app.sync.protocol import ChainHead, Packet, Receipt
from app.vault.cipherfile import CipherFile
from county.intake import Fork, Judged, Known, cited, judge, judge_own
from county.tables import ACTED, CHAIN, CHECKPOINT, FORK, HEAD, NODE, QUARANTINE, insert_many

HEADS_SIZE = 1
HEADS_ROOT = 2

_NODE_OF = select(NODE.c.hash).where(NODE.c.level == bindparam("l"), NODE.c.number == bindparam("n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """What the log signs with: origin of the checkpoints, seed of the log key, id and seed of the server's chain."""

    origin: str
    log_seed: bytes = field(repr=False)
    service_chain: bytes
    service_seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """Where a stream stands: its place in the tree of heads, how many entries, running hash, newest position."""

    leaf: int
    n: int
    head: bytes
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Which device hands a packet in, and whether the county has ended it."""

    id: bytes
    ended: bool = False


class StoredNodes:
    """Nodes of the log's tree in their table; new ones wait for `flush`, so that a packet writes them at once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._fresh: dict[tuple[int, int], bytes] = {}

    def get(self, level: int, index: int) -> bytes:
        found = self._fresh.get((level, index))
        if found is None:
            found = self._tx.scalar(_NODE_OF, {"l": level, "n": index})
            if found is None:
                raise ChainBroken("log-node-missing", level=level, number=index)
        return found

    def put(self, level: int, index: int, node: bytes) -> None:
        self._fresh[level, index] = node

    def move(self, tx: Transaction) -> None:
        """Go on in another transaction."""
        self._tx = tx

    def flush(self) -> None:
        """Write what is new."""
        insert_many(self._tx, NODE, [(level, n, node) for (level, n), node in self._fresh.items()])
        self._fresh.clear()


class Log:
    """The county's log over its database. `clock` gives UTC milliseconds."""

    def __init__(self, file: CipherFile, keys: LogKeys, clock: Callable[[], int]) -> None:
        self.file = file
        self.keys = keys
        self.clock = clock
        self._turn = threading.RLock()
        self._fits = False
        self._note: tuple[int, bytes] | None = None
        self.roots: dict[bytes, StreamHead] = {}
        self.acted: dict[bytes, set[bytes]] = {}
        self.chains: dict[bytes, Chain] = {}
        self.tree = Tree()
        self._heads = MapTree()
        self._nodes: StoredNodes

    # --- transactions ---

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """The one writer's transaction; when it fails, nothing of it stays, in memory neither."""
        with self._turn:
            with self.file.writing() as tx:
                self._take_up(tx)
                yield tx
            self._fits = True

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One consistent view of tables and tree."""
        with self._turn, self.file.reading() as tx:
            self._take_up(tx)
            yield tx

    def _take_up(self, tx: Transaction) -> None:
        if self._fits:
            self._nodes.move(tx)
            return
        size, _ = _newest(tx)
        self._nodes = StoredNodes(tx)
        self.tree = Tree(self._nodes, size)
        self.roots = {
            row.root: StreamHead(leaf=row.leaf, n=row.n, head=row.head, last=row.last)
            for row in tx.execute(select(HEAD).order_by(HEAD.c.leaf))
        }
        self._heads = MapTree.of(streams.head_leaf(root, at.n, at.head) for root, at in self.roots.items())
        self.acted = {}
        for row in tx.execute(select(ACTED)):
            self.acted.setdefault(row.root, set()).add(row.staff)
        self.chains = {row.id: _chain_of(row) for row in tx.execute(select(CHAIN))}
        self._fits = True

    # --- taking ---

    def submit(self, packet: Packet, size: int, device: Sender | None = None) -> Receipt:
        """Take a packet that `device` handed in and prove where its entries stand, growing from the reader's `size`. A
        packet that the county has already gets its receipt again.

        Where a chain was ended behind some entries of the packet, the receipt covers those, and the others have to come
        again: of an ended chain or device all that is new is held. As `intake.judge`, and CountyRefusal(
        "chain-unknown" | "chain-held", held: how many entries of the chain are held now)."""
        while True:
            good: list[Judged] = []
            with self.reading() as tx:
                self._check_size(size)
                known = self._known(tx, packet.chain, packet, device)
            try:
                judged = judge(packet, known)  # outside the turn: all the signatures
            except Fork as fork:
                self._keep_evidence(packet.chain, fork)
                raise
            if judged:
                with self.writing() as tx:
                    if self._known(tx, packet.chain, packet, device) != known:
                        continue  # another packet of the same chain came first, or somebody ended it
                    until = known.until
                    good = judged if until is None else [item for item in judged if item.entry.seq < until]
                    if good:
                        self.append(tx, good)
                    else:
                        self._hold(tx, judged, known.ended, device)
            with self.reading() as tx:
                stands = self.chains.get(packet.chain)
                in_log = stands is not None and packet.start + len(packet.entries) <= stands.next_seq
                if not (good or in_log):
                    raise CountyRefusal("chain-held", held=len(_held(tx, packet.chain, stands)[1]))
                return self._receipt(tx, packet.chain, packet.start, len(packet.entries), size)

    def _hold(self, tx: Transaction, judged: Sequence[Judged], ended: bytes, device: Sender | None) -> None:
        """Keep judged entries apart and commit to them in the log: an act of the server on the person's stream, its
        references the record that ended the chain or device, and behind it the ids of what is held."""
        sender = bytes(16) if device is None else device.id
        held = [
            (i.id, i.dot, i.entry.chain, i.entry.seq, i.data, i.signature, i.payload, sender, self.clock(), None)
            for i in judged
        ]
        insert_many(tx, QUARANTINE, held)
        pen = Pen(chain=self.chains[self.keys.service_chain], seed=self.keys.service_seed)
        staff, refs = judged[0].chain.actor or bytes(16), [ended, *(item.id for item in judged)]
        signed, _ = write(pen, Act.HOLD, [staff], [], Circumstances(wall=self.clock()), bytes, refs)
        self.write(tx, [signed])

    def write(self, tx: Transaction, signed: Sequence[Signed]) -> range:
        """Take entries of the county's own chains, judged like any others; their positions."""
        return self.append(tx, judge_own(signed, self.chains))

    def append(self, tx: Transaction, judged: Sequence[Judged]) -> range:
        """Order judged entries behind the log, close with a heads entry, fold them; their positions."""
        first = self.tree.size
        _, old_root = _newest(tx)
        self._fits = False  # until the commit: what is held in memory runs ahead of the tables from here
        self._check_links(judged)
        self._check_citations(tx, judged)
        self._check_originals(tx, judged)
        self._check_seen({item.entry.seen for item in judged if item.entry.seen is not None})
        positions = range(first, first + len(judged))
        found = streams_of(tx, judged, positions)
        _keep_entries(tx, judged, positions)
        self.chains.update({item.entry.chain: item.chain for item in judged})
        self._advance(tx, judged, positions, found)
        heads = self._heads_entry()
        _keep_entries(tx, [heads], [positions.stop])
        self.chains[heads.entry.chain] = heads.chain
        self._keep_chains(tx, {item.entry.chain for item in judged} | {heads.entry.chain})
        self.tree.extend(item.id for item in (*judged, heads))
        self._nodes.flush()
        leaves = [entry_id(item.data) for item in (*judged, heads)]
        try:
            root = verify_growth(StoredNodes(tx), first, old_root, leaves)
        except ChainBroken:
            root = b""
        if root != self.tree.root():
            raise ChainBroken("log-root-differs", size=self.tree.size)
        tx.execute(insert(CHECKPOINT), [{"size": self.tree.size, "root": root, "time": self.clock()}])
        fold(tx, [_item(item, at) for item, at in zip(judged, positions, strict=True)])
        return positions

    def _check_links(self, judged: Sequence[Judged]) -> None:
        now: dict[bytes, Chain] = {}
        for item in judged:
            before = now.get(item.entry.chain) or self.chains.get(item.entry.chain)
            fits = (0, bytes(32)) if before is None else (before.next_seq, before.head)
            if (item.entry.seq, item.entry.prev) != fits:
                raise ChainBroken("chain-gap", expected=fits[0], found=item.entry.seq)
            now[item.entry.chain] = item.chain

    def _check_citations(self, tx: Transaction, judged: Sequence[Judged]) -> None:
        """A chain may go on from another one of the same person. The end of that may come later, or never: it is not
        asked for."""
        for item in judged:
            told = cited(item.entry) if item.entry.kind == Kind.GENESIS else None
            if told is None:
                continue
            before = self.chains.get(told[0])
            owners = {before.actor} if before is not None else {signer.staff for signer in _signers(tx, told[0])}
            if owners - {item.entry.actor}:
                raise ChainBroken("citation-foreign")

    def _check_seen(self, claims: Iterable[tuple[int, int, bytes]]) -> None:
        """What the authors say they saw is this log: one that claims another would make it unprovable for good."""
        for epoch, size, root in claims:
            if epoch != 0 or size > self.tree.size or self.tree.root(size) != root:
                raise ChainBroken("seen-contradicts", size=size)

    def _check_originals(self, tx: Transaction, judged: Sequence[Judged]) -> None:
        """An entry signed again was signed before, by the key that its chain had there, and never came here: a dot
        stands for one entry."""
        taken: set[bytes] = set()
        for item in judged:
            if item.entry.original is None:
                continue
            data, signature = item.entry.original
            old, identity = decode_entry(data), entry_id(data)
            keyed = select(ENTRY.c.data).where(ENTRY.c.chain == old.chain)
            keyed = keyed.where(ENTRY.c.kind.in_((Kind.GENESIS, Kind.ROTATE)))
            said = tx.scalar(keyed.where(ENTRY.c.seq < old.seq).order_by(ENTRY.c.seq.desc()).limit(1))
            if said is None:
                raise ChainBroken("chain-unknown")
            body = decode_entry(said).body or {}
            verify_signature(body[ALGORITHM], body[PUBLIC_KEY], signed_bytes(identity), signature)
            if item.dot in taken or tx.scalar(select(ENTRY.c.id).where(ENTRY.c.dot == item.dot)) is not None:
                raise ChainBroken("original-known", seq=item.entry.seq)
            taken.add(item.dot)

    # --- streams ---

    def _advance(
        self, tx: Transaction, judged: Sequence[Judged], positions: range, found: Sequence[Sequence[bytes]]
    ) -> None:
        rows: list[tuple[Any, ...]] = []
        touched: dict[bytes, StreamHead] = {}
        acted: list[tuple[bytes, bytes]] = []
        leaves = len(self.roots)
        for item, position, roots in zip(judged, positions, found, strict=True):
            for root in roots:
                before = touched.get(root) or self.roots.get(root)
                if before is None:
                    before = StreamHead(leaf=leaves, n=0, head=streams.start(root), last=position)
                    leaves += 1
                head = streams.advance(before.head, item.id)
                touched[root] = StreamHead(leaf=before.leaf, n=before.n + 1, head=head, last=position)
                rows.append((root, item.id, before.n + 1, head))
                staff = self.acted.setdefault(root, set())
                if item.entry.actor is not None and item.entry.actor not in staff:
                    staff.add(item.entry.actor)
                    acted.append((root, item.entry.actor))
        insert_many(tx, STREAM, rows)
        insert_many(tx, ACTED, acted)
        fresh = sorted((at.leaf, root) for root, at in touched.items() if root not in self.roots)
        for root, at in touched.items():
            if root in self.roots:
                self._heads.replace(at.leaf, streams.head_leaf(root, at.n, at.head))
        for _, root in fresh:
            self._heads.append(streams.head_leaf(root, touched[root].n, touched[root].head))
        self._keep_heads(tx, touched, {root for _, root in fresh})
        self.roots.update({root: touched[root] for _, root in fresh})
        self.roots.update(touched)

    def _keep_heads(self, tx: Transaction, touched: Mapping[bytes, StreamHead], fresh: set[bytes]) -> None:
        old = [root for root in touched if root not in fresh]
        for at in range(0, len(old), 400):
            tx.execute(delete(HEAD).where(HEAD.c.root.in_(old[at : at + 400])))
        insert_many(tx, HEAD, [(root, at.leaf, at.n, at.head, at.last) for root, at in touched.items()])

    def _heads_entry(self) -> Judged:
        body = {HEADS_SIZE: self._heads.size, HEADS_ROOT: self._heads.root()}
        pen = Pen(chain=self.chains[self.keys.service_chain], seed=self.keys.service_seed)
        signed, pen = write_body(pen, Kind.HEADS, body, Circumstances(wall=self.clock()))
        return Judged(
            entry=signed.entry,
            id=signed.id,
            dot=signed.id[:16],
            data=signed.data,
            signature=signed.signature,
            payload=signed.payload,
            values=(),
            chain=pen.chain,
        )

    def _keep_chains(self, tx: Transaction, ids: Iterable[bytes]) -> None:
        present = set(tx.scalars(select(CHAIN.c.id).where(CHAIN.c.id.in_(list(ids)))))
        for identity in ids:
            state = self.chains[identity]
            row = {
                "next_seq": state.next_seq,
                "head": state.head,
                "algorithm": state.algorithm,
                "public_key": state.public_key,
                "actor": state.actor,
            }
            if identity in present:
                tx.execute(update(CHAIN).where(CHAIN.c.id == identity).values(row))
            else:
                tx.execute(insert(CHAIN).values(id=identity, **row))

    def recover(self) -> None:
        """After a crash in the middle of a transaction: compute the whole tree from the entry bytes, compare it with
        what was signed, fold anew. ChainBroken("log-root-differs") when entries and checkpoint do not fit."""
        with self.writing() as tx:
            size, root = _newest(tx)
            order = select(ENTRY.c.data).order_by(ENTRY.c.position)
            tree = Tree.of(entry_id(data) for data in tx.scalars(order))
            if (tree.size, tree.root()) != (size, root if size else tree.root()):
                raise ChainBroken("log-root-differs", size=size)
            for _ in refold(tx):
                pass

    # --- telling ---

    def note(self) -> bytes:
        """The newest checkpoint, signed. Inside a transaction."""
        size = self.tree.size
        if self._note is None or self._note[0] != size:
            root = self.tree.root()
            self._note = size, checkpoints.make(self.keys.origin, size, root, self.keys.log_seed)
        return self._note[1]

    def heads(self) -> tuple[int, bytes]:
        """Number of streams and root hash of the tree of their heads. Inside a transaction."""
        return self._heads.size, self._heads.root()

    def consistency(self, size: int) -> tuple[bytes, ...]:
        """Proof that the newest tree grew from the one of `size`; empty from nothing. Inside a transaction."""
        self._check_size(size)
        return tuple(self.tree.consistency_proof(size, self.tree.size)) if size else ()

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.tree.size:
            raise CountyRefusal("log-shorter", shown=size, held=self.tree.size)

    def chain_head(self, chain: bytes, device: Sender | None = None) -> ChainHead:
        """How far the county holds a chain, for `device`; CountyRefusal("chain-unknown")."""
        with self.reading() as tx:
            stands = self.chains.get(chain)
            revoked = _holds(self._known(tx, chain, None, device), stands)
            forked = tx.scalar(select(func.count()).select_from(FORK).where(FORK.c.chain == chain))
            held = len(_held(tx, chain, stands)[1]) if revoked else 0
            next_seq, head = (0, bytes(32)) if stands is None else (stands.next_seq, stands.head)
            state = "forked" if forked else "revoked" if revoked else "ok"
            return ChainHead(next_seq=next_seq, head=head, state=state, held=held)

    def _known(self, tx: Transaction, chain: bytes, packet: Packet | None, device: Sender | None) -> Known:
        """What is known of a chain, as far as a packet that `device` sends is concerned."""
        stands, signers = self.chains.get(chain), _signers(tx, chain)
        if not signers:
            raise CountyRefusal("chain-unknown")
        until, ended = None, b""
        if device is not None and device.ended:
            until, ended = 0, device.id
        elif not any(signer.alive for signer in signers):
            last = max(signers, key=lambda signer: -1 if signer.last_seq is None else signer.last_seq)
            until, ended = (0 if last.last_seq is None else last.last_seq + 1), last.id
        ids: dict[int, bytes] = {}
        if packet is not None:
            within = (ENTRY.c.chain == chain) & (ENTRY.c.seq >= packet.start)
            rows = tx.execute(select(ENTRY.c.seq, ENTRY.c.id).where(within).limit(len(packet.entries)))
            ids = {row.seq: row.id for row in rows}
        announced = frozenset((signer.staff, signer.public_key) for signer in signers)
        known = Known(chain=stands, ids=ids, announced=announced, until=until, ended=ended)
        if packet is None or not _holds(known, stands):
            return known
        behind, held = _held(tx, chain, stands)
        return replace(known, chain=behind, ids=ids | held)

    def _receipt(self, tx: Transaction, chain: bytes, start: int, count: int, size: int) -> Receipt:
        within = (ENTRY.c.chain == chain) & (ENTRY.c.seq >= start) & (ENTRY.c.seq < start + count)
        runs: list[tuple[int, int]] = []
        for position in tx.scalars(select(ENTRY.c.position).where(within).order_by(ENTRY.c.seq)):
            if runs and sum(runs[-1]) == position:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((position, 1))
        now = self.tree.size
        return Receipt(
            chain=chain,
            start=start,
            runs=tuple(runs),
            proofs=tuple(tuple(self.tree.range_proof(at, at + n, now)) for at, n in runs),
            note=self.note(),
            consistency=self.consistency(size),
        )

    def _keep_evidence(self, chain: bytes, fork: Fork) -> None:
        entry, signature, payload = fork.evidence
        row = {"chain": chain, "seq": fork.seq, "entry": entry, "signature": signature, "payload": payload}
        same = (FORK.c.chain == chain) & (FORK.c.seq == fork.seq) & (FORK.c.signature == signature)
        with self.writing() as tx:
            if tx.scalar(select(func.count()).select_from(FORK).where(same)) == 0:
                tx.execute(insert(FORK).values(**row, received=self.clock()))


# --- rows ---


def _newest(tx: Transaction) -> tuple[int, bytes]:
    """Size and root of the newest tree that was kept."""
    row = tx.execute(select(CHECKPOINT.c.size, CHECKPOINT.c.root).order_by(CHECKPOINT.c.size.desc()).limit(1)).first()
    return (row.size, row.root) if row else (0, b"")


def _signers(tx: Transaction, chain: bytes) -> Sequence[Any]:
    """The records that tie a chain to a person, in force or ended; those that nobody with authority wrote are not
    among them."""
    table = TABLES[SIGNER.number]
    return tx.execute(select(table).where(table.c.chain == chain).order_by(table.c.id)).all()


def _holds(known: Known, stands: Chain | None) -> bool:
    """Whether nothing behind what the log has of the chain may enter it."""
    return known.until is not None and (0 if stands is None else stands.next_seq) >= known.until


def _held(tx: Transaction, chain: bytes, stands: Chain | None) -> tuple[Chain | None, dict[int, bytes]]:
    """Where a chain stands with what is held of it behind the log's entries, and seq -> id of that."""
    state, found = stands, dict[int, bytes]()
    first = 0 if stands is None else stands.next_seq
    query = select(QUARANTINE).where(QUARANTINE.c.chain == chain, QUARANTINE.c.seq >= first)
    for row in tx.execute(query.order_by(QUARANTINE.c.seq)):
        entry, sealed = decode_entry(row.entry), (row.id, row.signature)
        if entry.prev != (bytes(32) if state is None else state.head):
            continue  # held of a tail that the log has otherwise by now
        state = begin(entry, *sealed) if state is None else extend(state, entry, *sealed)
        found[row.seq] = row.id
    return state, found


def _chain_of(row: Any) -> Chain:
    return Chain(
        id=row.id,
        next_seq=row.next_seq,
        head=row.head,
        algorithm=row.algorithm,
        public_key=row.public_key,
        actor=row.actor,
    )


def streams_of(tx: Transaction, judged: Sequence[Judged], positions: Sequence[int]) -> list[list[bytes]]:
    """For each entry the roots whose streams it joins, sorted: those it names, and those to which the objects it
    changes belong once it is applied. Inert changes move nothing."""
    kinds = {change.kind for item in judged for change in item.entry.changes}
    authority = load_authority(tx) if kinds & AUTHORITY_KINDS else None
    homes = _Homes(tx, judged)
    found: list[list[bytes]] = []
    for item, position in zip(judged, positions, strict=True):
        entry, at = item.entry, 0
        roots = set(entry.roots)
        for index, change in enumerate(entry.changes):
            values = item.values[at : at + len(change.fields)]
            at += len(change.fields)
            if authority is not None and change.kind in AUTHORITY_KINDS:
                if not authority.may_write(entry.chain, change.kind):
                    continue
                authority.apply(change, values)
            roots.add(homes.follow(item, position, index, change, values))
        found.append(sorted(roots))
    return found


class _Homes:
    """To which root objects belong while a packet is applied: what the tables say, and what the packet changes."""

    def __init__(self, tx: Transaction, judged: Sequence[Judged]) -> None:
        self._tx = tx
        self._roots: dict[tuple[int, bytes], bytes] = {}
        self._links: dict[tuple[int, bytes], Register] = {}
        wanted: dict[int, set[bytes]] = {}
        for item in judged:
            for change in item.entry.changes:
                kind = BY_NUMBER.get(change.kind)
                if kind is not None and kind.home is not None:
                    wanted.setdefault(change.kind, set()).add(change.object)
        for number, objects in wanted.items():
            table, ids = TABLES[number], sorted(objects)
            for at in range(0, len(ids), 400):
                query = select(table.c.id, table.c.root).where(table.c.id.in_(ids[at : at + 400]))
                self._roots.update({(number, row.id): row.root for row in tx.execute(query)})

    def follow(self, item: Judged, position: int, index: int, change: Change, values: Sequence[Any]) -> bytes:
        """The root of the object of `change` once the change is applied."""
        kind, key = BY_NUMBER.get(change.kind), (change.kind, change.object)
        if kind is None or kind.home is None:
            return change.object
        home = kind.field(kind.home).number
        if home in change.fields:
            register = self._links.get(key)
            if register is None:
                known = registers_of(self._tx, kind, change.object) if key in self._roots else {}
                register = self._links[key] = known.get(home) or Register()
            value = values[change.fields.index(home)]
            register.apply(item.dot, position, value, item.entry.bases.get((index, home), ()))
            shown = register.shown()
            self._roots[key] = shown if isinstance(shown, bytes) and len(shown) == 16 else change.object
        return self._roots.get(key, change.object)


def _keep_entries(tx: Transaction, judged: Sequence[Judged], positions: Sequence[int]) -> None:
    rows = [_row(item.entry, item, at) for item, at in zip(judged, positions, strict=True)]
    insert_many(tx, ENTRY, [tuple(row[column.name] for column in ENTRY.c) for row in rows])
    insert_many(tx, PAYLOAD, [(item.id, item.payload) for item in judged])


def _row(entry: Entry, item: Judged, position: int) -> dict[str, Any]:
    return {
        "id": item.id,
        "dot": item.dot,
        "chain": entry.chain,
        "seq": entry.seq,
        "position": position,
        "kind": int(entry.kind),
        "act": int(entry.act),
        "actor": entry.actor,
        "wall": entry.wall,
        "data": item.data,
        "signature": item.signature,
    }


def _item(item: Judged, position: int) -> Item:
    return Item(entry=item.entry, dot=item.dot, position=position, values=item.values)
