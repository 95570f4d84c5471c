"""One exchange with the county: greet, push our chains, pull what belongs here, bring files, take cards into stock.

`run` is a generator: between two steps no transaction is open and nothing is half done, so that closing it, a power cut
or a lost answer have one remedy, the next exchange. Nothing is kept about what is under way: the tail of a chain that
has no receipt is sent again, and the county skips what it has. No transaction is open while the network speaks.

What the county cannot prove raises ChainBroken: the vault refuses its receipts and stays usable. A chain that is forked
or ended does not keep colleagues of the same vault from reporting theirs: its error is raised at the end. What was
written behind the end of a chain is handed in all the same: the county holds it until somebody decides, here it stays
unsent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.errors import ChainBroken, CountyRefusal, HudangError, InputProblem, TransportProblem, VaultProblem
from app.ledger import card as cards
from app.ledger import chain as chains
from app.ledger.act import Random
from app.ledger.card import Trust
from app.ledger.entry import entry_id
from app.models.queries import pools
from app.models.queries.pools import Pool
from app.progress import Progress, Steps
from app.sync import attachments, journal
from app.sync.connection import Connection
from app.sync.journal import Touched
from app.sync.protocol import (
    PACKET_BYTES,
    PACKET_ENTRIES,
    PROTOCOL,
    ChainHead,
    DeliveryRequest,
    Packet,
    PoolFile,
    Sealed,
)
from app.sync.transport import County
from app.text import tr
from app.vault import kept, salvage
from app.vault.kept import KeptChain, KeptReceipt
from app.vault.vault import Vault

FIRST_BYTES: Final = 32 * 1024  # of a first packet: on a line of 20 kbit/s a cut costs seconds, not minutes
QUICK_MS: Final = 2_000  # a packet that took less may be followed by one twice as large
SLOW_MS: Final = 15_000
SHORTEST_WAIT_MS: Final = 2_000
LONGEST_WAIT_MS: Final = 15 * 60_000
_ENDED: Final = ("chain-held", "chain-revoked")
_OF_ONE_CHAIN: Final = ("chain-forked", "chain-unknown", "chain-behind", "citation-foreign", *_ENDED)
SLICE: Final = 50  # delivered entries in one transaction: whoever works meanwhile waits a twentieth of a second
STANDSTILL: Final = 3  # pages in a row that brought nothing, although the county says there is more


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an exchange did. `sent` and `received`: entries. `offset_ms`: what to add to this clock to have the
    county's. `same`: whether laptop and county hold the same for this vault. `unreadable`: files lost on this disk.
    `held`: entries of ended chains that the county keeps apart until somebody decides about them."""

    sent: int
    received: int
    files: int
    unreadable: int
    cards: int
    receipt: KeptReceipt | None
    offset_ms: int
    same: bool
    touched: Touched
    held: int = 0


@dataclass(slots=True)
class _Pushed:
    """What pushing came to so far; `failed`: (person, what stood in the way of a chain)."""

    sent: int = 0
    held: int = 0
    roots: frozenset[bytes] = frozenset()
    failed: list[tuple[bytes | None, HudangError]] = field(default_factory=list)
    going: set[bytes | None] = field(default_factory=set)  # people one of whose chains is in force


def run(vault: Vault, county: County, *, random: Random) -> Steps[Report]:
    """The whole exchange; raises TransportProblem, CountyRefusal, ChainBroken, and VaultProblem of the disk."""
    yield Progress(done=0, of=0, doing=tr("正在联系县里"))
    offset = _greet(vault, county)
    # Whoever stopped while the county was slow to answer has sent nothing.
    yield Progress(done=0, of=0, doing=tr("正在上报"))
    pushed = yield from _push_all(vault, county)
    sent, roots = pushed.sent, pushed.roots
    received, same, pulled = 0, False, frozenset[bytes]()
    refused: CountyRefusal | None = None
    if not any(error.code == "chain-forked" for _, error in pushed.failed):  # else what comes contradicts what is here
        try:
            received, same, pulled = yield from _pull(vault, county)
            pulled |= _mend(vault, county)
        except CountyRefusal as refusal:
            if refusal.code != "device-revoked":
                raise
            refused = refusal  # it gets nothing any more; what it has may still be handed in
        with vault.reading() as tx:
            waiting = kept.waiting(tx)
        if refused is None and (waiting or (pushed.failed and received)):
            # What was written meanwhile, and chains that had first to take up what a restored disk had lost.
            pushed = yield from _push_all(vault, county)
            sent, roots = sent + pushed.sent, roots | pushed.roots
    files, unreadable = yield from attachments.upload(vault, county)
    stocked = 0 if refused is not None else (yield from _stock(vault, county, random))
    failed = [error for person, error in pushed.failed if _concerns(vault, pushed, person, error)]
    if failed:
        raise failed[0]
    if refused is not None:
        raise refused
    with vault.reading() as tx:
        receipt = kept.last_receipt(tx)
    return Report(
        sent=sent,
        received=received,
        files=files,
        unreadable=unreadable,
        cards=stocked,
        receipt=receipt,
        offset_ms=offset,
        same=same,
        touched=Touched(roots=roots | pulled, outbox=bool(sent or files)),
        held=pushed.held,
    )


def _concerns(vault: Vault, pushed: _Pushed, person: bytes | None, error: HudangError) -> bool:
    """Whether the end of a chain is news to whoever sits here: not a colleague's, nor one that another goes on from."""
    return error.code not in _ENDED or (person == vault.staff and person not in pushed.going)


def wait_ms(attempt: int, random: Random, *, asked_s: int = 0) -> int:
    """How long to wait before trying again after `attempt` failures in a row (1 ...): anything up to 2 s, 4 s, ... at
    most 15 minutes ("full jitter"), so that a county that comes back is not run over; at least what it asked for."""
    span = min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS << min(max(attempt, 1) - 1, 20))
    return asked_s * 1000 + int.from_bytes(random(8), "big") % (span + 1)


# --- greeting ---


def _greet(vault: Vault, county: County) -> int:
    """Check that the county's log only grew; the offset of its clock to ours in milliseconds."""
    with vault.reading() as tx:
        size, _ = journal.held_checkpoint(tx)
    before = county.clock()
    try:
        hello = county.hello(size)
    except CountyRefusal as refusal:
        raise _went_back(refusal) from None
    after = county.clock()
    if hello.oldest_protocol > PROTOCOL:
        raise CountyRefusal("program-too-old")
    if hello.newest_protocol < PROTOCOL:
        raise CountyRefusal("county-too-old")
    with vault.transaction() as tx:
        journal.take_checkpoint(tx, hello.note, hello.consistency)
    return hello.time - (before + after) // 2


def _went_back(refusal: CountyRefusal) -> HudangError:
    """A county that has fewer entries than it once proved was set back, by accident or on purpose."""
    if refusal.code != "log-shorter":
        return refusal
    return ChainBroken("county-went-back", held=refusal.facts.get("shown"), shown=refusal.facts.get("held"))


# --- pushing ---


def _push_all(vault: Vault, county: County) -> Steps[_Pushed]:
    """Push every own chain, older ones of a person first."""
    with vault.reading() as tx:
        mine = journal.in_order(tx)
    pushed = _Pushed()
    for one in mine:
        try:
            yield from _push(vault, county, one.state.id, pushed)
            pushed.going.add(one.state.actor)
        except (CountyRefusal, ChainBroken) as error:
            if error.code not in _OF_ONE_CHAIN:
                raise
            pushed.failed.append((one.state.actor, error))
    return pushed


def _push(vault: Vault, county: County, chain: bytes, pushed: _Pushed) -> Steps[None]:
    """Report a chain's tail. Of an ended chain only what entered the log before gets its receipt; the rest is handed in
    to be held, and CountyRefusal("chain-held", held) says so, "chain-revoked" where nothing is left."""
    head = _head(vault, county, chain)
    if head.state != "revoked":
        try:
            yield from _report(vault, county, chain, head, pushed, None)
            return
        except CountyRefusal as refusal:
            if refusal.code != "chain-held":
                raise
        head = _head(vault, county, chain)  # it was ended a moment ago, or just behind what was sent
    yield from _report(vault, county, chain, head, pushed, head.next_seq)
    held = yield from _hand_in(vault, county, chain, head)
    pushed.held += held
    raise CountyRefusal("chain-held", held=held) if held else CountyRefusal("chain-revoked")


def _report(
    vault: Vault, county: County, chain: bytes, head: ChainHead, pushed: _Pushed, until: int | None
) -> Steps[None]:
    """Send the tail, as far as seq `until` where given, and settle the receipts."""
    budget = FIRST_BYTES
    start = max(head.next_seq - 1, 0)  # one that the county has: a fork shows even where the lengths agree
    while True:
        with vault.reading() as tx:
            mine = _mine(kept.chain(tx, chain))
            size, _ = journal.held_checkpoint(tx)
            start = min(start, mine.acknowledged)
            more = _has_tail(mine) and (until is None or mine.acknowledged < until)
            limit = PACKET_ENTRIES if until is None else min(PACKET_ENTRIES, until - start)
            tail = kept.sealed_from(tx, chain, start, limit) if more else []
        if not tail:
            return
        entries = _fitting(tail, budget)
        before = county.clock()
        try:
            receipt = county.send(Packet(chain, start, entries), size)
        except CountyRefusal as refusal:
            raise _went_back(refusal) from None
        budget = _next_budget(budget, county.clock() - before)
        if (receipt.chain, receipt.start) != (chain, start):
            raise ChainBroken("receipt-foreign", seq=receipt.start)
        with vault.transaction() as tx:
            pushed.roots |= journal.settle(tx, receipt, county.clock()).roots
            now = _mine(kept.chain(tx, chain))
        if now.acknowledged == mine.acknowledged:
            raise ChainBroken("receipt-short", seq=now.acknowledged)
        pushed.sent += now.acknowledged - mine.acknowledged
        start = now.acknowledged - 1
        yield Progress(done=now.acknowledged, of=now.state.next_seq, doing=tr("正在上报"))


def _hand_in(vault: Vault, county: County, chain: bytes, head: ChainHead) -> Steps[int]:
    """Hand in what an ended chain has behind the log's entries; how many of them the county now holds undecided. They
    keep no receipt here: only a decision settles them."""
    budget, start = FIRST_BYTES, head.next_seq + head.held
    while True:
        with vault.reading() as tx:
            mine = _mine(kept.chain(tx, chain))
            size, _ = journal.held_checkpoint(tx)
            tail = kept.sealed_from(tx, chain, start, PACKET_ENTRIES)
        if not tail:
            return max(mine.state.next_seq - max(mine.acknowledged, head.next_seq), 0)
        entries, before = _fitting(tail, budget), county.clock()
        try:
            county.send(Packet(chain, start, entries), size)
        except CountyRefusal as refusal:
            if refusal.code != "chain-held":
                raise _went_back(refusal) from None
        else:
            raise ChainBroken("receipt-foreign", seq=start)
        budget = _next_budget(budget, county.clock() - before)
        start += len(entries)
        yield Progress(done=start, of=mine.state.next_seq, doing=tr("正在交县里暂存"))


def _head(vault: Vault, county: County, chain: bytes) -> ChainHead:
    """Where the county holds our chain; ChainBroken when that is less than it gave receipts for, CountyRefusal for a
    chain that it does not go on with."""
    with vault.reading() as tx:
        mine = _mine(kept.chain(tx, chain))
    try:
        head = county.chain(chain)
    except CountyRefusal as refusal:
        if refusal.code == "chain-unknown" and mine.acknowledged:
            raise ChainBroken("county-went-back", held=mine.acknowledged, shown=0) from None
        raise
    if head.next_seq + head.held < mine.acknowledged:
        raise ChainBroken("county-went-back", held=mine.acknowledged, shown=head.next_seq)
    if head.state == "forked":
        raise CountyRefusal("chain-forked", seq=head.next_seq)
    if head.next_seq > mine.state.next_seq and not _has_tail(mine):
        raise ChainBroken("chain-behind", held=mine.state.next_seq, shown=head.next_seq)
    if head.next_seq == mine.state.next_seq and head.head != mine.state.head and not _has_tail(mine):
        raise CountyRefusal("chain-forked", seq=head.next_seq)
    return head


def _mend(vault: Vault, county: County) -> frozenset[bytes]:
    """Let go on the chains that waited for the county after a salvage or a restoration and have by now all that it
    has; the roots touched."""
    with vault.reading() as tx:
        waiting = salvage.waiting_chains(tx)
    touched = frozenset[bytes]()
    for chain in sorted(waiting):
        try:
            head = _head(vault, county, chain)
        except (CountyRefusal, ChainBroken) as error:
            if error.code not in _OF_ONE_CHAIN:
                raise
            continue
        with vault.transaction() as tx:
            if head.next_seq <= _mine(kept.chain(tx, chain)).state.next_seq:
                touched |= journal.mend(tx, chain, _seed(vault), county.clock()).roots
    return touched


def _seed(vault: Vault) -> bytes | None:
    """The key that signs, None behind the curtain."""
    try:
        return vault.signing_seed
    except VaultProblem as problem:
        if problem.code != "signing-key-dropped":
            raise
        return None


def _mine(found: KeptChain | None) -> KeptChain:
    if found is None:
        raise VaultProblem("vault-damaged", pages=0)
    return found


def _has_tail(mine: KeptChain) -> bool:
    return mine.acknowledged < mine.state.next_seq


def _fitting(tail: Sequence[Sealed], budget: int) -> tuple[Sealed, ...]:
    """As much of `tail` as fits, but at least one new entry behind the overlapping one."""
    taken: list[Sealed] = []
    room = budget
    for sealed in tail:
        room -= sum(map(len, sealed))
        if room < 0 and len(taken) >= 2:
            break
        taken.append(sealed)
    return tuple(taken)


def _next_budget(budget: int, took_ms: int) -> int:
    if took_ms > SLOW_MS:
        return max(budget // 2, FIRST_BYTES // 8)
    return min(budget * 2, PACKET_BYTES) if took_ms < QUICK_MS else budget


# --- pulling ---


def _pull(vault: Vault, county: County) -> Steps[tuple[int, bool, frozenset[bytes]]]:
    """Take page after page; (entries that are new here, whether both sides hold the same, roots touched)."""
    received, still, with_heads = 0, 0, False
    roots = frozenset[bytes]()
    with vault.reading() as tx:
        heads, digest = journal.held(tx)
    while True:
        with vault.reading() as tx:
            cursor, sight = journal.cursor(tx), journal.sight(tx)
            size, _ = journal.held_checkpoint(tx)
        told = tuple((root, n, head) for root, (n, head) in sorted(heads.items())) if with_heads else None
        request = DeliveryRequest(cursor=cursor, digest=digest, size=size, heads=told, sight=sight)
        try:
            page = county.delivery(request)
        except CountyRefusal as refusal:
            raise _went_back(refusal) from None
        with vault.transaction() as tx:
            journal.take_checkpoint(tx, page.note, page.consistency)
            journal.see(tx, page.sight)
        fresh, before = 0, digest
        for at in range(0, len(page.entries), SLICE):
            part = page.entries[at : at + SLICE]
            ids = {entry_id(sent.entry) for sent in part}
            with vault.transaction() as tx:
                fresh += len(ids) - len(kept.known_entries(tx, list(ids)))
                roots |= journal.take(tx, part).roots
            yield Progress(done=received + fresh, of=0, doing=tr("正在接收"))
        with vault.transaction() as tx:
            roots |= journal.turn(tx, page).roots
            heads, digest = journal.held(tx)
        received += fresh
        yield Progress(done=received, of=0, doing=tr("正在接收"))
        same = digest == page.digest
        moved = fresh or page.left or page.cursor != cursor or (page.wants_heads and not with_heads) or digest != before
        still = 0 if moved else still + 1
        if not (page.more or page.wants_heads) and (same or with_heads):
            break
        if still >= STANDSTILL:
            break
        with_heads = page.wants_heads or not same
    touched = yield from journal.catch_up(vault)
    return received, same, roots | touched.roots


# --- cards ---


def _stock(vault: Vault, county: County, random: Random) -> Steps[int]:
    """Take the cards of pools that are ours into stock; how many. A pool that is not what its record says is
    ChainBroken: its cards must never reach a door."""
    with vault.reading() as tx:
        connection = Connection.load(tx)
        held = kept.stocked_pools(tx)
        wanted = [pool for pool in pools.for_workplace(tx, connection.workplace) if pool.pool_no not in held]
        facts = journal.county_facts(tx)
    trust = Trust(county=facts[chains.COUNTY_CODE], keys={1: facts[chains.CARD_KEY]})
    stocked = 0
    for done, pool in enumerate(wanted):
        yield Progress(done=done, of=len(wanted), doing=tr("正在领取户码"))
        name = attachments.fetch(vault, county, pool.file, random=random)
        plain = vault.load_attachment(name, key=pool.content_key, digest=pool.digest)
        signed = yield from _checked(pool, PoolFile.decode(plain), trust)
        with vault.transaction() as tx:
            kept.put_cards(tx, signed)
        stocked += len(signed)
    return stocked


def _checked(pool: Pool, file: PoolFile, trust: Trust) -> Steps[list[tuple[str, str]]]:
    """(number, payload) of each card; ChainBroken("pool-damaged") unless all are of this pool and the county's."""
    if file.pool_no != pool.pool_no or len(file.payloads) != pool.count:
        raise ChainBroken("pool-damaged", pool=pool.pool_no)
    signed: list[tuple[str, str]] = []
    for done, payload in enumerate(file.payloads, 1):
        try:
            day = cards.parse_payload(payload)[1].day
        except InputProblem:
            raise ChainBroken("pool-damaged", pool=pool.pool_no) from None
        read = cards.read(payload, trust, day)
        if read.outcome is not cards.Outcome.GENUINE or read.card is None or read.card.pool != pool.pool_no:
            raise ChainBroken("pool-damaged", pool=pool.pool_no)
        signed.append((read.card.number, payload))
        if done % 100 == 0:
            yield Progress(done=done, of=len(file.payloads), doing=tr("正在核对户码"))
    return signed


def is_temporary(error: HudangError) -> bool:
    """Whether trying again by itself may help."""
    return isinstance(error, TransportProblem) and error.code not in ("wrong-certificate", "address-unusable")
