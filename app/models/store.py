"""The fold: what the log says, written into tables. `fold(log) == tables` holds at every moment.

`fold` takes entries with their place in the county's order (None while the county has not seen them) and brings the
tables of facts up to date; each entry is folded exactly once. The result is the same for every order of arrival. Rules:
a disputed column shows the value with the lowest position; acts on kinds that need authority take effect only with a
position and from a chain that had authority there; a field this program does not know is kept in `field_state`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ClauseElement, Table, bindparam, delete, exists, insert, select, update

from app.errors import ChainBroken
from app.ledger import authority as authorities
from app.ledger.authority import Authority
from app.ledger.encoding import decode, encode
from app.ledger.entry import Change, Entry, Kind, Withheld, decode_entry, dot, open_payload
from app.ledger.registers import Register, fold_hash
from app.models.fields import LIFE, RecordKind, Root
from app.models.records.registry import BY_NAME, BY_NUMBER
from app.models.tables import (
    DERIVED,
    ENTRY,
    FIELD_STATE,
    LIVE,
    PAYLOAD,
    SEARCH,
    STALE,
    STREAM,
    SUPERSEDED,
    TABLES,
    WITHHELD,
    Transaction,
    fits_column,
    from_column,
    to_column,
)

__all__ = ["Item", "Transaction", "fold", "place", "refold", "registers_of", "state_hash"]

CHUNK = 400
Key = tuple[int, bytes]  # record kind, object


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry to fold: its dot, its position or None, its values in slot order (`Withheld` where not here)."""

    entry: Entry
    dot: bytes
    position: int | None
    values: tuple[Any, ...]

    @classmethod
    def of(cls, data: bytes, payload: bytes, position: int | None) -> Item:
        """The item of stored bytes; the payload is checked against its commitment."""
        entry = decode_entry(data)
        return cls(entry=entry, dot=dot(data, entry), position=position, values=open_payload(entry, payload).values)


@dataclass(slots=True)
class _Object:
    """One object while entries are applied to it."""

    kind: RecordKind | None
    number: int
    id: bytes
    stored: bool = False
    creations: int = 0
    born: bytes | None = None
    born_position: int | None = None
    columns: dict[int, Any] = field(default_factory=dict)
    explicit: dict[int, Register] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)  # fields that have rows in `field_state`
    begun: bool = False

    def say(self, number: int, at: bytes, position: int | None, value: Any, bases: Sequence[bytes]) -> None:
        """Take up what the entry `at` says of a field. What a new object is created with stands in its row alone; most
        values are never said again, and a register for each would cost more than all else."""
        first = self.born == at and not self.stored and not bases
        if first and number not in self.explicit and number not in self.columns and self._fits(number, value):
            self.columns[number] = value
            self.begun = True
        else:
            self.register(number).apply(at, position, value, bases)

    def register(self, number: int) -> Register:
        """The register of a field, also when it stands only in the column."""
        found = self.explicit.get(number)
        if found is None:
            found = self.explicit[number] = Register()
            value = self.columns.get(number)
            if value is not None and self.born is not None:
                found.live[self.born] = (self.born_position, value)
        self.written.add(number)
        return found

    def create(self, at: bytes, position: int | None) -> None:
        """Note that the entry `at` creates this object; a second creation makes every register explicit."""
        self.creations += 1
        if self.creations == 1:
            self.born, self.born_position = at, position
        else:
            for number in list(self.columns):
                self.register(number)
            self.born = self.born_position = None

    def settle(self) -> None:
        """Bring the written registers into normal form: only what the row cannot say stays explicit."""
        for number in self.written:
            register = self.explicit[number]
            shown = register.shown()
            fits = not isinstance(shown, Withheld) and self._fits(number, shown)
            value = self.columns[number] = shown if fits else None
            alone = self.born is not None and register.live.keys() == {self.born}
            if (alone and value is not None and not register.superseded) or not (register.live or register.superseded):
                del self.explicit[number]

    def _fits(self, number: int, value: Any) -> bool:
        """Whether the row can say this value of a field."""
        if self.kind is None:
            return False
        if number == LIFE:
            return value is True or (isinstance(value, bytes) and len(value) == 16)
        declared = self.kind.numbered(number)
        return declared is not None and fits_column(declared, value)


def fold(tx: Transaction, items: Sequence[Item]) -> frozenset[bytes]:
    """Apply `items` in their order; the roots whose files changed. Touched households are marked stale."""
    effective = list(_effective(tx, items))
    objects = _load(tx, {(change.kind, change.object) for _, change, _ in effective})
    for item, change, values in effective:
        target = objects[change.kind, change.object]
        index = item.entry.changes.index(change)
        if LIFE in change.fields and (index, LIFE) not in item.entry.bases:
            target.create(item.dot, item.position)
        for number, value in zip(change.fields, values, strict=True):
            target.say(number, item.dot, item.position, value, item.entry.bases.get((index, number), ()))
    return _write(tx, objects.values()) | frozenset(root for item in items for root in item.entry.roots)


def place(tx: Transaction, items: Sequence[Item]) -> frozenset[bytes]:
    """Entries folded before without a position have one now: order disputed values anew, let acts that need authority
    take effect. The roots whose files changed."""
    placed = {item.dot: item.position for item in items}
    created: dict[Table, list[dict[str, Any]]] = {}
    waiting: list[Item] = []
    for item in items:
        for change in item.entry.changes:
            if change.kind in authorities.KINDS:
                waiting.append(item)
            elif change.kind in TABLES and LIFE in change.fields:
                row = {"o": change.object, "d": item.dot, "p": item.position}
                created.setdefault(TABLES[change.kind], []).append(row)
    for table, rows in created.items():
        where = (table.c.id == bindparam("o")) & (table.c.born == bindparam("d"))
        tx.execute(update(table).where(where).values(born_position=bindparam("p")), rows)
    keys: set[Key] = set()
    for part in _chunks(sorted(placed)):
        found = tx.execute(select(FIELD_STATE.c.kind, FIELD_STATE.c.object).where(FIELD_STATE.c.dot.in_(part)))
        keys.update((row.kind, row.object) for row in found)
    objects = _load(tx, keys)
    for target in objects.values():
        for number, register in target.explicit.items():
            for known, (_, value) in list(register.live.items()):
                if known in placed:
                    register.live[known] = (placed[known], value)
                    target.written.add(number)
    touched = _write(tx, objects.values())
    parts = [allowed for item in waiting if (allowed := _authority_part(item)) is not None]
    return touched | (fold(tx, parts) if parts else frozenset())


def refold(tx: Transaction, slice_size: int = 500) -> Iterator[tuple[int, int]]:
    """Empty the derived tables and fold the whole log anew; yields (entries done, of)."""
    for table in DERIVED.sorted_tables:
        tx.execute(delete(table))
    tx.execute(delete(SEARCH))
    order = select(ENTRY.c.id).order_by(ENTRY.c.position.is_(None), ENTRY.c.position, ENTRY.c.chain, ENTRY.c.seq)
    ids = list(tx.scalars(order))
    for start in range(0, len(ids), slice_size):
        fold(tx, stored_items(tx, ids[start : start + slice_size], erased=True))
        yield min(start + slice_size, len(ids)), len(ids)


def refold_authority(tx: Transaction) -> frozenset[bytes]:
    """Judge the acts on kinds that need authority anew, in the county's order: they came in another one. The roots
    whose files changed. Looks only at streams that are not of households: there these acts stand."""
    for number in sorted(authorities.KINDS):
        tx.execute(delete(FIELD_STATE).where(FIELD_STATE.c.kind == number))
        tx.execute(delete(TABLES[number]))
    households = select(TABLES[BY_NAME["household"].number].c.id)
    query = select(ENTRY.c.id).where(
        ENTRY.c.position.is_not(None),
        ENTRY.c.id.in_(select(STREAM.c.id).where(STREAM.c.root.not_in(households))),
    )
    items = stored_items(tx, list(tx.scalars(query.order_by(ENTRY.c.position))), erased=True)
    return fold(tx, [part for item in items if (part := _authority_part(item)) is not None])


def _authority_part(item: Item) -> Item | None:
    """What an act says of kinds that need authority, None when it says nothing of them."""
    changes: list[Change] = []
    values: list[Any] = []
    bases: dict[tuple[int, int], tuple[bytes, ...]] = {}
    at = 0
    for index, change in enumerate(item.entry.changes):
        if change.kind in authorities.KINDS:
            for number in change.fields:
                if (index, number) in item.entry.bases:
                    bases[len(changes), number] = item.entry.bases[index, number]
            changes.append(change)
            values.extend(item.values[at : at + len(change.fields)])
        at += len(change.fields)
    if not changes:
        return None
    entry = replace(item.entry, changes=tuple(changes), bases=bases)
    return replace(item, entry=entry, values=tuple(values))


def stored_items(tx: Transaction, ids: Sequence[bytes], *, erased: bool = False) -> list[Item]:
    """The stored entries with these ids as items, in the order given. One without payload is ChainBroken(
    "payload-missing"), or left out where `erased` allows that its household has left this vault."""
    found: dict[bytes, Item] = {}
    joined = ENTRY.outerjoin(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    for part in _chunks(ids):
        query = select(ENTRY.c.id, ENTRY.c.data, ENTRY.c.position, PAYLOAD.c.data.label("payload")).select_from(joined)
        for row in tx.execute(query.where(ENTRY.c.id.in_(part))):
            if row.payload is None:
                if erased:
                    continue
                raise ChainBroken("payload-missing", position=row.position)
            found[row.id] = Item.of(row.data, row.payload, row.position)
    return [found[i] for i in ids if i in found]


def registers_of(tx: Transaction, kind: RecordKind, object_id: bytes) -> dict[int, Register]:
    """Registers of one object by field number: what an edit must name as its bases, and what is disputed."""
    target = _load(tx, {(kind.number, object_id)})[kind.number, object_id]
    for number in list(target.columns):
        if target.columns[number] is not None:
            target.register(number)
    return target.explicit


def state_hash(tx: Transaction) -> bytes:
    """Fold hash of `formats.md` of the registers behind the tables."""
    live: dict[tuple[bytes, int], set[bytes]] = {}
    explicit: set[tuple[int, bytes, int]] = set()
    c = FIELD_STATE.c
    for row in tx.execute(select(c.kind, c.object, c.field, c.dot, c.state)):
        explicit.add((row.kind, row.object, row.field))
        if row.state != SUPERSEDED:
            live.setdefault((row.object, row.field), set()).add(row.dot)
    for number, table in TABLES.items():
        kind = BY_NUMBER[number]
        for row in tx.execute(select(table).where(table.c.born.is_not(None))):
            for name, found in ((None, LIFE), *((f.name, f.number) for f in kind.fields)):
                said = row.alive or row.same_as is not None if name is None else getattr(row, name) is not None
                if said and (number, row.id, found) not in explicit:
                    live.setdefault((row.id, found), set()).add(row.born)
    return fold_hash(live)


# --- authority ---


def load_authority(tx: Transaction) -> Authority:
    """The authority in force behind the tables; the root chain is the one at position 0."""
    root = tx.scalar(select(ENTRY.c.chain).where(ENTRY.c.position == 0))
    state = Authority(root)
    for number in (authorities.SIGNER, authorities.GRANT):
        kind, table = BY_NUMBER[number], TABLES[number]
        for row in tx.execute(select(table).where(table.c.alive)):
            facts = {f.number: getattr(row, f.name) for f in kind.fields if getattr(row, f.name) is not None}
            state.restore(number, row.id, facts)
    return state


def _effective(tx: Transaction, items: Sequence[Item]) -> Iterator[tuple[Item, Any, tuple[Any, ...]]]:
    state: Authority | None = None
    for item in items:
        if item.entry.kind != Kind.ACT:
            continue
        at = 0
        for change in item.entry.changes:
            values: tuple[Any, ...] = item.values[at : at + len(change.fields)]
            at += len(change.fields)
            if change.kind in authorities.KINDS:
                if item.position is None:
                    continue
                state = state or load_authority(tx)
                if not state.may_write(item.entry.chain, change.kind):
                    continue
                state.apply(change, values)
            yield item, change, values


# --- reading and writing rows ---


def _load(tx: Transaction, keys: Iterable[Key]) -> dict[Key, _Object]:
    objects = {key: _Object(BY_NUMBER.get(key[0]), key[0], key[1]) for key in keys}
    by_kind: dict[int, list[bytes]] = {}
    for number, object_id in objects:
        by_kind.setdefault(number, []).append(object_id)
    for number, ids in by_kind.items():
        for part in _chunks(ids):
            if number in TABLES:
                _load_rows(tx, number, part, objects)
            states = select(FIELD_STATE).where(FIELD_STATE.c.object.in_(part), FIELD_STATE.c.kind == number)
            for row in tx.execute(states):
                target = objects[number, row.object]
                target.kept.add(row.field)
                register = target.explicit.setdefault(row.field, Register())
                if row.state == SUPERSEDED:
                    register.superseded.add(row.dot)
                else:
                    register.live[row.dot] = (row.position, _read_value(row.value, row.state))
    return objects


def _load_rows(tx: Transaction, number: int, ids: Sequence[bytes], objects: Mapping[Key, _Object]) -> None:
    table, kind = TABLES[number], BY_NUMBER[number]
    for row in tx.execute(select(table).where(table.c.id.in_(ids))).mappings():
        target = objects[number, row["id"]]
        target.stored = True
        target.creations, target.born, target.born_position = (
            row["creations"],
            row["born"],
            row["born_position"],
        )
        target.columns = {f.number: from_column(f, row[f.name]) for f in kind.fields if row[f.name] is not None}
        life = row["same_as"] or (True if row["alive"] else None)
        if life is not None:
            target.columns[LIFE] = life


def _forget_arrived(tx: Transaction, objects: Sequence[_Object]) -> None:
    """Drop replaced dots whose entries are here: two edits that replaced the same value both name it, but it arrives
    only once. Entries are kept before they are folded, so a dot in the log has been applied by now."""
    waiting = {dot for o in objects for n in o.written for dot in o.explicit[n].superseded}
    arrived: set[bytes] = set()
    for part in _chunks(sorted(waiting)):
        arrived.update(tx.scalars(select(ENTRY.c.dot).where(ENTRY.c.dot.in_(part))))
    if arrived:
        for target in objects:
            for number in target.written:
                target.explicit[number].superseded -= arrived


def _write(tx: Transaction, written: Iterable[_Object]) -> frozenset[bytes]:
    objects = [target for target in written if target.written or target.begun]
    _forget_arrived(tx, objects)
    fresh: dict[int, list[dict[str, Any]]] = {}
    known: dict[tuple[int, tuple[str, ...]], list[tuple[Any, ...]]] = {}
    gone: list[tuple[Any, ...]] = []
    states: list[tuple[Any, ...]] = []
    touched: set[bytes] = set()
    households: set[bytes] = set()
    for target in objects:
        gone.extend((target.id, number, target.number) for number in target.written & target.kept)
        target.settle()
        for number in target.written & target.explicit.keys():
            states.extend(_states(target, number))
        if target.kind is None:
            continue
        root = _root(target, target.kind)
        touched.add(root)
        if target.kind.root is Root.HOUSEHOLD:
            households.add(root)
        if target.stored:
            row = _row(target, target.kind, root, target.written)
            known.setdefault((target.number, tuple(row)), []).append((*row.values(), target.id))
        else:
            everything = {LIFE, *(declared.number for declared in target.kind.fields)}
            row = {"id": target.id, **_row(target, target.kind, root, everything)}
            fresh.setdefault(target.number, []).append(row)
    of_field = (FIELD_STATE.c.object == bindparam("o"), FIELD_STATE.c.field == bindparam("f"))
    of_kind = FIELD_STATE.c.kind == bindparam("k")
    _many(tx, delete(FIELD_STATE).where(*of_field, of_kind), ("clear",), gone)
    _many(tx, insert(FIELD_STATE), ("states",), states)
    for number, rows in fresh.items():
        table = TABLES[number]
        _many(tx, insert(table), ("new", table.name), [tuple(row[column.name] for column in table.c) for row in rows])
    for (number, names), values in known.items():
        table = TABLES[number]
        binds: dict[str, Any] = {name: bindparam(f"v_{name}") for name in names}
        changed = update(table).where(table.c.id == bindparam("b_id")).values(binds)
        _many(tx, changed, ("changed", table.name, *names), values)
    mark_stale(tx, households)
    return frozenset(touched)


def _many(tx: Transaction, statement: ClauseElement, name: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute for many rows of values in the statement's own order; `name` stands for the statement. Values here are
    integers, texts and bytes that need no conversion, and SQLAlchemy's work for each row would cost more than the
    statement itself."""
    if not rows:
        return
    key = (tx.dialect.name, *name)
    if key not in _TEXTS:
        _TEXTS[key] = str(statement.compile(dialect=tx.dialect))
    tx.exec_driver_sql(_TEXTS[key], list(rows))


_TEXTS: dict[tuple[str, ...], str] = {}


def mark_stale(tx: Transaction, households: Iterable[bytes]) -> None:
    """Note that search text and rule hits of these households must be derived again."""
    rows = [{"household": household} for household in sorted(households)]
    if rows:
        tx.execute(insert(STALE).prefix_with("OR IGNORE", dialect="sqlite"), rows)


def _root(target: _Object, kind: RecordKind) -> bytes:
    """Whose file the object belongs to: what its home field says, else its own."""
    home = None if kind.home is None else target.columns.get(kind.field(kind.home).number)
    return home if isinstance(home, bytes) else target.id


def _row(target: _Object, kind: RecordKind, root: bytes, written: Iterable[int]) -> dict[str, Any]:
    """The columns that follow from these fields, in the order of the table."""
    wanted = set(written)
    life = target.columns.get(LIFE)
    row: dict[str, Any] = {
        "root": root,
        "creations": target.creations,
        "born": target.born,
        "born_position": target.born_position,
        "alive": int(life is True),
        "same_as": life if isinstance(life, bytes) else None,
    }
    for declared in kind.fields:
        if declared.number in wanted:
            row[declared.name] = to_column(declared, target.columns.get(declared.number))
    return row


def _states(target: _Object, number: int) -> Iterator[tuple[Any, ...]]:
    """Rows of `field_state`, in the order of its columns."""
    register = target.explicit[number]
    for known, (position, value) in register.live.items():
        if isinstance(value, Withheld):
            yield target.id, number, known, target.number, position, value.commitment, WITHHELD
        else:
            yield target.id, number, known, target.number, position, encode(value), LIVE
    for known in register.superseded:
        yield target.id, number, known, target.number, None, None, SUPERSEDED


def _read_value(data: bytes, state: int) -> Any:
    if state == WITHHELD:
        return Withheld(data)
    value = decode(data)
    return tuple(value) if isinstance(value, list) else value


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    values = list(values)
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def erase(tx: Transaction, root: bytes) -> None:
    """Take a root out of the tables: rows and registers of its objects, and the payloads of its settled entries that
    stand in no other stream held. The signed bytes stay, so that chains and streams still prove what they say."""
    for number, table in TABLES.items():
        objects = list(tx.scalars(select(table.c.id).where(table.c.root == root)))
        for part in _chunks(objects):
            tx.execute(delete(FIELD_STATE).where(FIELD_STATE.c.kind == number, FIELD_STATE.c.object.in_(part)))
            tx.execute(delete(table).where(table.c.id.in_(part)))
    settled = select(STREAM.c.id).join(ENTRY, ENTRY.c.id == STREAM.c.id)
    settled = settled.where(STREAM.c.root == root, ENTRY.c.position.is_not(None))
    beside = STREAM.alias()
    settled = settled.where(~exists().where(beside.c.id == STREAM.c.id, beside.c.root != root))
    tx.execute(delete(PAYLOAD).where(PAYLOAD.c.id.in_(settled)))
    tx.execute(delete(STREAM).where(STREAM.c.root == root))
    mark_stale(tx, [root])
