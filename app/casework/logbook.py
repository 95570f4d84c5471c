"""The log as pages read it: acts in slices, each with who did it, on whose file, and what it said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.casework import revealing
from app.casework.desk import SHANGHAI, Desk
from app.casework.revealing import Seen
from app.models.queries import history, households, places
from app.models.queries.history import ActDetail
from app.models.store import Transaction
from app.progress import Progress, Steps
from app.vault import kept
from app.vault.kept import KeptReceipt

READ_AT_ONCE = 200
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which acts: of one person (staff id), of one household, written on one day ("YYYY-MM-DD" in Asia/Shanghai by the
    writer's clock); None is all."""

    actor: bytes | None = None
    household: bytes | None = None
    day: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One act with its changes; the name of its person, the heads of its households that are here, how its values are
    seen at this desk."""

    detail: ActDetail
    person: str
    heads: tuple[str, ...]
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lines of the log, and how many there are in all."""

    total: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Whom and what the log can be asked for: people who wrote in it, households that are here, by name."""

    people: tuple[tuple[bytes, str], ...]
    households: tuple[tuple[bytes, str], ...]


def read(desk: Desk, wanted: Wanted, offset: int, limit: int) -> Part:
    """Acts offset ... offset+limit-1, newest first, of those that speak of no household which this person may not look
    at."""
    areas = desk.listed().areas
    since = until = None
    if wanted.day is not None:
        since = _start_of(wanted.day)
        until = since + DAY_MS
    with desk.vault.reading() as tx:
        total = history.count(tx, root=wanted.household, actor=wanted.actor, since=since, until=until, areas=areas)
        rows = history.acts(
            tx,
            root=wanted.household,
            actor=wanted.actor,
            since=since,
            until=until,
            areas=areas,
            offset=offset,
            limit=limit,
        )
        names = {person.id: person.name for person in places.staff(tx).values()}
        heads: dict[bytes, str] = {}
        eyes: dict[tuple[bytes, ...], Seen] = {}
        lines = []
        for row in rows:
            detail = history.detail(tx, row.id)
            if detail is None:
                continue
            known = tuple(name for root in row.roots if (name := _head(tx, heads, root)))
            if row.roots not in eyes:
                eyes[row.roots] = revealing.seen(desk, tx, row.roots)
            person = names.get(row.actor or b"", "")
            lines.append(Line(detail=detail, person=person, heads=known, seen=eyes[row.roots]))
    return Part(total=total, lines=tuple(lines))


def choices(desk: Desk) -> Steps[Choices]:
    """Whom and what one may ask for."""
    mine = desk.listed()
    with desk.vault.reading() as tx:
        names: Mapping[bytes, str] = {person.id: person.name for person in places.staff(tx).values()}
        people = [(actor, names[actor]) for actor in history.authors(tx, mine.areas) if names.get(actor)]
        total = households.count(tx, mine)
    found: list[tuple[bytes, str]] = []
    for offset in range(0, total, READ_AT_ONCE):
        with desk.vault.reading() as tx:
            rows = households.page(tx, mine, offset=offset, limit=READ_AT_ONCE)
        found += [(row.id, f"{row.head_name} {row.villager_group}".strip()) for row in rows]
        yield Progress(done=len(found), of=total)
    return Choices(people=tuple(sorted(people, key=lambda each: each[1])), households=tuple(found))


def receipt_of(desk: Desk, chain: bytes, seq: int) -> KeptReceipt | None:
    """The county's receipt that covers an act of our own; None for others' acts and before the county had it."""
    with desk.vault.reading() as tx:
        for receipt, _ in kept.receipts(tx, chain):
            if receipt.start <= seq < receipt.start + receipt.count:
                return receipt
    return None


def _head(tx: Transaction, heads: dict[bytes, str], root: bytes) -> str:
    if root not in heads:
        row = households.one(tx, root)
        heads[root] = row.head_name if row is not None else ""
    return heads[root]


def _start_of(day: str) -> int:
    """The instant (ms) at which a calendar day begins in Asia/Shanghai."""
    return round((datetime.fromisoformat(day).replace(tzinfo=UTC) - SHANGHAI).timestamp() * 1000)
