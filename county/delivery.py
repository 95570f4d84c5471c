"""Who gets what: the streams of a vault, page by page, with values only where they are live and somebody may see them.

The set of a vault follows from the log alone: the grants of its people that let them view households, within its
workplace, give areas, the areas give households; with them come the county, its areas above and below, the card pools
of the workplace, and the streams of everybody who acted in any of these, so that every signature can be checked.
Entering and leaving the set is one mechanism: what must be held is compared with what is held. The county remembers
what it last sent to a device (in memory: it is only a guess), the laptop's digest says whether the guess is right, and
else the laptop sends its heads.

When what the people may see changes (`county.sights`), so does the tag that the laptop sends along: then nothing counts
as held, all comes again and takes the place of what is there, with more values or fewer. Where only some places are
seen better than others, a household that moves between them leaves for one page and enters again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from app.errors import CountyRefusal
from app.ledger import streams
from app.ledger.authority import MAY_WRITE
from app.ledger.entry import Change, Entry, decode_entry, encode_payload, open_payload, withhold
from app.models.fields import LIFE
from app.models.queries import seats
from app.models.records.fieldwork import ATTACHMENT, POOL
from app.models.records.households import HOUSEHOLD
from app.models.records.people import DEVICE, GRANT, SIGNER
from app.models.records.places import AREA
from app.models.records.registry import BY_NUMBER
from app.models.rules.rights import Action
from app.models.store import Transaction
from app.models.tables import ENTRY, FIELD_STATE, PAYLOAD, STREAM, SUPERSEDED, TABLES
from app.sync.protocol import PACKET_BYTES, Delivered, Delivery, DeliveryRequest
from county.administration import Areas
from county.sequencer import Log
from county.sights import Sights, Where

PAGE_BYTES: Final = PACKET_BYTES
REMEMBERED: Final = 64  # devices
PART: Final = 400

# Bytes of an entry on its way, about: what is withheld weighs as much as what is not.
_WEIGHT: Final = (func.length(ENTRY.c.data) + func.length(PAYLOAD.c.data) + 96).label("weight")

Heads = Mapping[bytes, tuple[int, bytes]]  # root -> (n, H_n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as the log knows it; one that was ended is not `alive`: it may hand in, and gets nothing."""

    id: bytes
    transport_key: bytes
    workplace: bytes
    vault: bytes
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What a page sends and where it leads: rows of (root, n, entry id, running hash, position)."""

    rows: Sequence[tuple[bytes, int, bytes, bytes, int]]
    cursor: int
    more: bool


def device(tx: Transaction, identity: bytes) -> Device:
    """The device with this id; CountyRefusal("not-authorised") when it is unknown."""
    table = TABLES[DEVICE.number]
    row = tx.execute(select(table).where(table.c.id == identity)).mappings().first()
    if row is None or not row["transport_key"] or not row["workplace"] or not row["vault"]:
        raise CountyRefusal("not-authorised")
    return Device(
        id=identity,
        transport_key=row["transport_key"],
        workplace=row["workplace"],
        vault=row["vault"],
        alive=bool(row["alive"]),
    )


# --- the set of a vault ---


def sights(tx: Transaction, here: Device, today: str) -> Sights:
    """What the people of the vault of `here` may see on the calendar date `today` (YYYY-MM-DD)."""
    return Sights(tx, seats.people(tx, here.vault), today)


def scope(tx: Transaction, log: Log, county: bytes, here: Device, seen_by: Sights) -> list[bytes]:
    """The roots whose streams the vault of `here` holds, those first that others need to be checked. Of what everybody
    may view (staff, devices) come only those that something else here needs."""
    areas = Areas(tx)
    people = seats.people(tx, here.vault)
    mine = areas.below(here.workplace) & seen_by.households_of()
    places = mine | {here.workplace}
    places = places.union(*(areas.above(area) for area in places))
    places = set(areas.by_id) if seen_by.everywhere("area") else places & areas.by_id.keys()
    households = _households(tx, mine)
    pools = _pools(tx, here.workplace) if seen_by.may(Action.VIEW, "pool", (here.workplace,)) else set()
    staff = people | _signers(tx, here.vault) | _authorities(tx)
    seen: set[bytes] = set()
    waiting = [county, *places, *pools, *households, *staff]
    while waiting:
        root = waiting.pop()
        if root in seen:
            continue
        seen.add(root)
        for actor in log.acted.get(root, ()):
            if actor not in staff:
                staff.add(actor)
                waiting.append(actor)
    ordered = [county, *sorted(staff), *sorted(places), *sorted(pools), *sorted(households)]
    return [root for root in dict.fromkeys(ordered) if root in log.roots]


def _signers(tx: Transaction, vault: bytes) -> set[bytes]:
    """Everybody who ever had a key in this vault: what was decided about their work behind its end stands in theirs."""
    signer, holder = TABLES[SIGNER.number], TABLES[DEVICE.number]
    joined = signer.join(holder, holder.c.id == signer.c.device)
    return set(tx.scalars(select(signer.c.staff).select_from(joined).where(holder.c.vault == vault)))


def _authorities(tx: Transaction) -> set[bytes]:
    """Everybody whose acts on staff, areas and keys take or took effect, and whoever the root chain belongs to."""
    table = TABLES[GRANT.number]
    found = set(tx.scalars(select(table.c.staff).where(table.c.role.in_(list(MAY_WRITE)))))
    founder = tx.scalar(select(ENTRY.c.actor).where(ENTRY.c.position == 0))
    return {staff for staff in found | {founder} if staff is not None}


def _households(tx: Transaction, areas: Iterable[bytes]) -> set[bytes]:
    table = TABLES[HOUSEHOLD.number]
    found: set[bytes] = set()
    for part in _parts(sorted(areas)):
        found.update(tx.scalars(select(table.c.id).where(table.c.grid.in_(part) | table.c.village.in_(part))))
    return found


def _pools(tx: Transaction, workplace: bytes) -> set[bytes]:
    """The pools of this workplace, and every withdrawn one: its cards may be shown anywhere."""
    table = TABLES[POOL.number]
    return set(tx.scalars(select(table.c.id).where((table.c.workplace == workplace) | ~table.c.alive)))


def may_read(tx: Transaction, log: Log, county: bytes, here: Device, digest: bytes, today: str) -> bool:
    """Whether the vault gets the file with this SHA-256: a pool's of its set, or an attachment's whose key it holds."""
    attachment, pool = TABLES[ATTACHMENT.number], TABLES[POOL.number]
    owners = list(tx.execute(select(attachment.c.id, attachment.c.root).where(attachment.c.upload_key == digest)))
    pools = set(tx.scalars(select(pool.c.id).where(pool.c.file == digest)))
    if not (owners or pools):
        return False
    seen_by = sights(tx, here, today)
    held = set(scope(tx, log, county, here, seen_by))
    where = _areas_of(tx, {row.root for row in owners})
    key = ATTACHMENT.field("content_key").number
    readable = {row.root for row in owners if seen_by.holds(ATTACHMENT.number, key, where.get(row.root, ()))}
    return not held.isdisjoint(pools | readable)


def _areas_of(tx: Transaction, roots: Iterable[bytes]) -> dict[bytes, Where]:
    """root -> the areas that it lies in, grid and village; an area lies in itself."""
    household, area = TABLES[HOUSEHOLD.number], TABLES[AREA.number]
    found: dict[bytes, Where] = {}
    for part in _parts(sorted(roots)):
        query = select(household.c.id, household.c.grid, household.c.village).where(household.c.id.in_(part))
        found.update({row.id: (row.grid, row.village) for row in tx.execute(query)})
        found.update({here: (here,) for here in tx.scalars(select(area.c.id).where(area.c.id.in_(part)))})
    return found


# --- pages ---


class Deliveries:
    """Answers delivery requests; remembers the last pages, each device's under its id."""

    def __init__(self, log: Log, county: bytes) -> None:
        self._log = log
        self._county = county
        self._sent: OrderedDict[bytes, list[tuple[int, Heads]]] = OrderedDict()

    def page(self, tx: Transaction, here: Device, request: DeliveryRequest, today: str) -> Delivery:
        """The next page for the vault of `here`. Inside one of the log's transactions."""
        log = self._log
        if request.cursor > log.tree.size:
            raise CountyRefusal("log-shorter", shown=request.cursor, held=log.tree.size)
        seen_by = sights(tx, here, today)
        wanted = scope(tx, log, self._county, here, seen_by)
        held = self._held(tx, here, request, wanted) if request.sight == seen_by.tag else {}
        if held is None:
            return self._answer(request, (), request.cursor, seen_by, wants_heads=True)
        heads = {root: at for root, at in held.items() if root in set(wanted)}
        cursor = request.cursor if held else log.tree.size
        page = _fill(tx, log, wanted, heads, cursor)
        moved = _moved(tx, page, heads, cursor) if seen_by.mixed else set()
        if moved:
            page = _Page(rows=[row for row in page.rows if row[0] not in moved], cursor=page.cursor, more=True)
        heads = {root: at for root, at in heads.items() if root not in moved}
        for root, n, _, head, _ in page.rows:
            heads[root] = n, head
        sent = self._sent.setdefault(here.id, [])
        sent[:] = [*sent[-1:], (page.cursor, heads)]
        self._sent.move_to_end(here.id)
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        entries = _deliver(tx, page.rows, held.keys(), seen_by)
        left = (held.keys() - set(wanted)) | moved
        return self._answer(request, entries, page.cursor, seen_by, more=page.more, left=left, heads=heads)

    def _answer(
        self,
        request: DeliveryRequest,
        entries: tuple[Delivered, ...],
        cursor: int,
        seen_by: Sights,
        *,
        more: bool = True,
        wants_heads: bool = False,
        left: Iterable[bytes] = (),
        heads: Heads | None = None,
    ) -> Delivery:
        return Delivery(
            entries=entries,
            cursor=cursor,
            more=more,
            wants_heads=wants_heads,
            left=tuple(sorted(left)),
            digest=digest(heads or {}),
            note=self._log.note(),
            consistency=self._log.consistency(request.size),
            sight=seen_by.tag,
        )

    def _held(self, tx: Transaction, here: Device, request: DeliveryRequest, wanted: Sequence[bytes]) -> Heads | None:
        """What the laptop holds, by the first guess whose digest is right; None when it has to say so itself."""
        if request.heads is not None:
            return _true_heads(tx, request, set(wanted))
        if request.digest == digest({}):
            return {}
        for cursor, heads in self._sent.get(here.id, ()):
            if cursor == request.cursor and digest(heads) == request.digest:
                return heads
        guess = _heads_below(tx, self._log, wanted, request.cursor)
        return guess if digest(guess) == request.digest else None


def digest(heads: Heads) -> bytes:
    """Digest of what is held."""
    return streams.digest_of(streams.buckets(heads))


def _true_heads(tx: Transaction, request: DeliveryRequest, wanted: set[bytes]) -> dict[bytes, tuple[int, bytes]]:
    """The heads a laptop names, without those of wanted streams that are not the whole stream below its cursor: these
    are sent again from the start; whatever is there of them, entries are the same."""
    named = {root: (n, head) for root, n, head in request.heads or ()}
    ours: dict[bytes, tuple[int, bytes]] = {}
    for part in _parts(sorted(named)):
        ours.update(_last_below(tx, part, request.cursor))
    return {root: at for root, at in named.items() if ours.get(root) == at or root not in wanted}


def _heads_below(tx: Transaction, log: Log, roots: Sequence[bytes], cursor: int) -> dict[bytes, tuple[int, bytes]]:
    """Where the streams of `roots` stood before position `cursor`; without those that had not begun."""
    found: dict[bytes, tuple[int, bytes]] = {}
    later: list[bytes] = []
    for root in roots:
        at = log.roots[root]
        if at.last < cursor:
            found[root] = at.n, at.head
        else:
            later.append(root)
    for part in _parts(later):
        found.update(_last_below(tx, part, cursor))
    return found


def _last_below(tx: Transaction, roots: Sequence[bytes], cursor: int) -> dict[bytes, tuple[int, bytes]]:
    joined = STREAM.join(ENTRY, ENTRY.c.id == STREAM.c.id)
    newest = (
        select(STREAM.c.root, func.max(STREAM.c.n).label("n"))
        .select_from(joined)
        .where(STREAM.c.root.in_(roots), ENTRY.c.position < cursor)
        .group_by(STREAM.c.root)
        .subquery()
    )
    query = select(STREAM.c.root, STREAM.c.n, STREAM.c.head).join(
        newest, (newest.c.root == STREAM.c.root) & (newest.c.n == STREAM.c.n)
    )
    return {row.root: (row.n, row.head) for row in tx.execute(query)}


def _fill(tx: Transaction, log: Log, wanted: Sequence[bytes], held: Heads, cursor: int) -> _Page:
    """The rows of one page: first what lies below the cursor in streams that are not held, whole streams at a time;
    when nothing of that is left, what lies behind it, in the county's order."""
    size = log.tree.size
    rows: list[tuple[bytes, int, bytes, bytes, int]] = []
    sent: set[bytes] = set()
    room = PAGE_BYTES
    for root in wanted:
        if root in held:
            continue
        stream = [row for row, _ in _stream(tx, root, 0) if row[4] < cursor]
        if not stream:
            continue
        weights = _weights(tx, [row[2] for row in stream if row[2] not in sent])
        if rows and room < sum(weights.values()):
            return _Page(rows=rows, cursor=cursor, more=True)
        room -= sum(weights.values())
        sent |= weights.keys()
        rows.extend(stream)
    behind: list[tuple[tuple[bytes, int, bytes, bytes, int], int]] = []
    for root in wanted:
        if log.roots[root].last >= cursor:
            above = held[root][0] if root in held else 0
            behind.extend((row, weight) for row, weight in _stream(tx, root, above) if row[4] >= cursor)
    behind.sort(key=lambda item: (item[0][4], item[0][0]))
    last = cursor - 1
    for row, weight in behind:
        if row[4] != last and room <= 0 and rows:
            return _Page(rows=rows, cursor=row[4], more=True)
        room -= weight if row[2] not in sent else 0
        sent.add(row[2])
        last = row[4]
        rows.append(row)
    return _Page(rows=rows, cursor=size, more=False)


def _moved(tx: Transaction, page: _Page, held: Heads, cursor: int) -> set[bytes]:
    """Held households that the page moves to another place: there, other values of them may be seen."""
    where = {HOUSEHOLD.field(name).number for name in ("grid", "village")}
    late = {row[2]: row[0] for row in page.rows if row[4] >= cursor and row[0] in held}
    found: set[bytes] = set()
    for part in _parts(list(late)):
        for row in tx.execute(select(ENTRY.c.id, ENTRY.c.data).where(ENTRY.c.id.in_(part))):
            changes = decode_entry(row.data).changes
            said = {c.object for c in changes if c.kind == HOUSEHOLD.number and where & set(c.fields)}
            found |= said & held.keys()
    return found


def _stream(tx: Transaction, root: bytes, above: int) -> Iterator[tuple[tuple[bytes, int, bytes, bytes, int], int]]:
    """(root, n, entry id, running hash, position) of a stream from number `above`+1 on, with its weight in bytes."""
    query = (
        select(STREAM.c.n, STREAM.c.id, STREAM.c.head, ENTRY.c.position, _WEIGHT)
        .join(ENTRY, ENTRY.c.id == STREAM.c.id)
        .join(PAYLOAD, PAYLOAD.c.id == STREAM.c.id)
        .where(STREAM.c.root == root, STREAM.c.n > above)
        .order_by(STREAM.c.n)
    )
    for row in tx.execute(query):
        yield (root, row.n, row.id, row.head, row.position), row.weight


def _weights(tx: Transaction, ids: Sequence[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for part in _parts(ids):
        query = select(ENTRY.c.id, _WEIGHT).join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id).where(ENTRY.c.id.in_(part))
        found.update({row.id: row.weight for row in tx.execute(query)})
    return found


def _deliver(
    tx: Transaction,
    rows: Sequence[tuple[bytes, int, bytes, bytes, int]],
    held: Collection[bytes],
    seen_by: Sights,
) -> tuple[Delivered, ...]:
    """The entries of `rows` in their order, each once with all its streams, values withheld unless they are live and
    somebody may see them; before them the genesis entries of chains whose people's streams are not `held` yet."""
    roots: dict[bytes, list[bytes]] = {identity: [] for identity in _geneses(tx, rows, held)}
    for root, _, identity, _, _ in rows:
        roots.setdefault(identity, []).append(root)
    joined = ENTRY.join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    found: dict[bytes, Any] = {}
    for part in _parts(list(roots)):
        query = select(
            ENTRY.c.id, ENTRY.c.position, ENTRY.c.dot, ENTRY.c.data, ENTRY.c.signature, PAYLOAD.c.data.label("payload")
        ).select_from(joined)
        found.update({row.id: row for row in tx.execute(query.where(ENTRY.c.id.in_(part)))})
    entries = {identity: decode_entry(row.data) for identity, row in found.items()}
    live = _Live(tx, entries.values())
    where = _areas_of(tx, live.roots() | {root for entry in entries.values() for root in entry.roots})
    delivered: list[Delivered] = []
    for identity, named in roots.items():
        row, entry = found[identity], entries[identity]
        payload = row.payload
        slots = list(entry.slots())
        beside = tuple(area for root in entry.roots for area in where.get(root, ()))
        keep = {
            i
            for i, (_, change, number) in enumerate(slots)
            if live.is_live(change, number, row.dot)
            and seen_by.holds(change.kind, number, where.get(live.root(change), beside))
        }
        if len(keep) < len(slots):
            payload = encode_payload(withhold(entry, open_payload(entry, payload), keep))
        delivered.append(
            Delivered(
                position=row.position,
                entry=row.data,
                signature=row.signature,
                payload=payload,
                roots=tuple(sorted(set(named))),
            )
        )
    return tuple(delivered)


def _geneses(
    tx: Transaction, rows: Sequence[tuple[bytes, int, bytes, bytes, int]], held: Collection[bytes]
) -> Iterator[bytes]:
    """Ids of the genesis entries that a reader of these rows needs and does not have."""
    chains: dict[bytes, None] = {}
    for part in _parts([row[2] for row in rows]):
        query = select(ENTRY.c.chain, ENTRY.c.actor).where(ENTRY.c.id.in_(part)).order_by(ENTRY.c.position)
        chains.update({row.chain: None for row in tx.execute(query) if row.actor not in held})
    for part in _parts(list(chains)):
        first = select(ENTRY.c.id).where(ENTRY.c.chain.in_(part), ENTRY.c.seq == 0).order_by(ENTRY.c.position)
        yield from tx.scalars(first)


class _Live:
    """Which dots are live: those in `field_state`, and else the creating entry's."""

    def __init__(self, tx: Transaction, entries: Iterable[Entry]) -> None:
        objects: dict[int, set[bytes]] = {}
        for entry in entries:
            for change in entry.changes:
                objects.setdefault(change.kind, set()).add(change.object)
        self._born: dict[tuple[int, bytes], bytes | None] = {}
        self._roots: dict[tuple[int, bytes], bytes] = {}
        self._explicit: dict[tuple[int, bytes, int], set[bytes]] = {}
        for number, ids in objects.items():
            for part in _parts(sorted(ids)):
                if number in BY_NUMBER:
                    table = TABLES[number]
                    for row in tx.execute(select(table.c.id, table.c.born, table.c.root).where(table.c.id.in_(part))):
                        self._born[number, row.id] = row.born
                        self._roots[number, row.id] = row.root
                states = select(FIELD_STATE.c.object, FIELD_STATE.c.field, FIELD_STATE.c.dot).where(
                    FIELD_STATE.c.object.in_(part), FIELD_STATE.c.kind == number, FIELD_STATE.c.state != SUPERSEDED
                )
                for row in tx.execute(states):
                    self._explicit.setdefault((number, row.object, row.field), set()).add(row.dot)

    def root(self, change: Change) -> bytes:
        """Whose file the changed object belongs to, empty when nobody knows it."""
        return self._roots.get((change.kind, change.object), b"")

    def roots(self) -> set[bytes]:
        """Whose files the objects belong to."""
        return set(self._roots.values())

    def is_live(self, change: Change, field: int, dot: bytes) -> bool:
        """Whether the value that the entry with `dot` gave the field still counts. Whether an object lives or ended
        is never withheld."""
        explicit = self._explicit.get((change.kind, change.object, field))
        if field == LIFE:
            return True
        return dot in explicit if explicit is not None else self._born.get((change.kind, change.object)) == dot


def _parts(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for at in range(0, len(values), PART):
        yield values[at : at + PART]
