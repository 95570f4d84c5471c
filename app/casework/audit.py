"""核验: everything this vault can prove by itself, checked from the first byte, nothing believed from before.

Every signature and commitment of every entry that is here, every link of our own chains, every receipt against the
county's key, and that the tables say what the log says. Nothing is changed. What only the whole log can prove (the
links of chains that are written elsewhere) is the business of `hudang-verify`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.casework.desk import Desk
from app.errors import ChainBroken
from app.ledger import chain as chains
from app.ledger import checkpoint as checkpoints
from app.ledger.chain import Chain
from app.ledger.entry import Kind
from app.ledger.tree import verify_range
from app.models import store
from app.models.queries import comparing
from app.models.store import Transaction
from app.progress import Progress, Steps
from app.sync import journal
from app.sync.protocol import Receipt
from app.text import tr
from app.vault import kept
from app.vault.kept import KeptChain

STEP = 50  # entries between two reports: some 10 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was checked and found right: entries here, of them our own, those the county has confirmed, receipts; the
    size of the county's log that the newest checkpoint signs (0 before the first)."""

    entries: int
    own: int
    confirmed: int
    receipts: int
    county_size: int


def check(desk: Desk) -> Steps[Findings]:
    """Check everything; ChainBroken names the first thing that is wrong. Nothing is changed, whether it ends well,
    badly or is stopped."""
    entries = own = confirmed = receipts = 0
    with desk.vault.reading() as tx:
        known = kept.chains(tx)
    for place, each in enumerate(known):
        with desk.vault.reading() as tx:
            for found in _signatures(tx, each):
                if found % STEP == 0:
                    yield Progress(done=entries + found, of=0, doing=tr("正在核对签名"))
                count = found
            entries += count
        if each.own:
            own, confirmed = own + each.state.next_seq, confirmed + each.acknowledged
            with desk.vault.reading() as tx:
                receipts += yield from _receipts(tx, each)
        yield Progress(done=place + 1, of=len(known), doing=tr("正在核对签名"))
    yield from _fold_again(desk)
    with desk.vault.reading() as tx:
        size, _ = journal.held_checkpoint(tx)
    return Findings(entries=entries, own=own, confirmed=confirmed, receipts=receipts, county_size=size)


def _signatures(tx: Transaction, each: KeptChain) -> Iterator[int]:
    """Every entry of a chain under the key it had by then; the links too where the chain is our own. Yields how many
    were checked; 0 first."""
    yield 0
    if each.own:
        for done, _ in journal.walk(tx, each.state.id):
            yield done
        return
    state: Chain | None = None
    for done, (entry, _, identity, signature) in enumerate(kept.chain_entries(tx, each.state.id), 1):
        if state is None:
            if entry.kind != Kind.GENESIS:
                raise ChainBroken("not-a-genesis")
            state = chains.begin(entry, identity, signature)
        else:
            # The entries between are not here: the chain is asked as if it stood just before this one.
            before = replace(state, next_seq=entry.seq, head=entry.prev)
            state = chains.extend(before, entry, identity, signature)
        yield done


def _receipts(tx: Transaction, each: KeptChain) -> Steps[int]:
    """Every receipt of an own chain: the county's signature, the range proofs, and that the positions are those that
    the entries have here."""
    facts = journal.county_facts(tx)
    size, _ = journal.held_checkpoint(tx)
    found = kept.receipts(tx, each.state.id)
    for done, (_, data) in enumerate(found, 1):
        receipt = Receipt.decode(data)
        signed = checkpoints.verify(receipt.note, facts[chains.ORIGIN], facts[chains.LOG_KEY])
        if signed.size > size:
            raise ChainBroken("county-went-back", held=signed.size, shown=size)
        seq = receipt.start
        for (first, count), proof in zip(receipt.runs, receipt.proofs, strict=True):
            ids = kept.own_ids(tx, each.state.id, seq, count)
            verify_range(first, ids, signed.size, proof, signed.root)
            positions = kept.known_entries(tx, ids)
            if any(positions[identity] != first + n for n, identity in enumerate(ids)):
                raise ChainBroken("receipt-moved", seq=seq)
            seq += count
        yield Progress(done=done, of=len(found), doing=tr("正在核对县里的回执"))
    return len(found)


class _Unchanged(Exception):
    """Takes the second fold back."""


def _fold_again(desk: Desk) -> Steps[None]:
    """Fold the whole log anew and compare; commitments are checked on the way. Taken back in any case."""
    try:
        with desk.vault.transaction() as tx:
            before = comparing.facts_hash(tx)
            for done, of in store.refold(tx, STEP):
                yield Progress(done=done, of=of, doing=tr("正在按记录重新整理并比对"))
            if comparing.facts_hash(tx) != before:
                raise ChainBroken("tables-differ")
            raise _Unchanged
    except _Unchanged:
        return
