"""Salvage: a new database file from what is readable of damaged ones. Nothing is ever written into a damaged file.

- Sources are asked in their order, the present file first, then backups: what one has lost another may have.
- An entry comes over only when its bytes are its id, its signature holds under the key that its chain had there, and
  its payload is what was committed to. Everything else is believed because a whole page says it.
- Derived tables are not taken: the new file is marked as not proven, so that its first opening walks the chains and
  folds the log anew.
- Our own chain stands behind the last entry without a hole before it. Where that may not be its end it *waits*
  (`waiting_chains`): until the county has said how far the chain is, nobody writes in it, or it would fork. Entries
  of ours behind a hole stay in the log; those that never came to the county are signed again after that exchange.
- Streams are numbered anew; where something is missing their heads differ from the county's, and it sends them again.
- Cards of a backup count as used: nobody knows which of them were given out since.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from app.errors import ChainBroken, VaultProblem
from app.ledger import chain as chains
from app.ledger.chain import Chain
from app.ledger.encoding import decode
from app.ledger.entry import NO_PREV, Entry, Kind, decode_entry, entry_id, open_payload
from app.ledger.signatures import ED25519
from app.models.tables import ENTRY, Transaction
from app.progress import Progress, Steps
from app.text import tr
from app.vault import cipherfile, disk, kept, slotfile
from app.vault.cipherfile import DatabaseKey
from app.vault.pages import Condition, Pages, Row
from app.vault.vault import DATABASE

SET_ASIDE: Final = "set-aside"
WAITING: Final = "waiting-chains"  # the kept setting: ids of own chains whose end only the county knows
NEEDED: Final = ("county.pub", "connection")  # settings without which nobody can go on: whose county, which device
PAGES_A_STEP = 64
ENTRIES_A_STEP = 100

# How a row of each table looks: a digit is a byte string of that length, b bytes, t text, i integer; ? may be null.
_SHAPES: Final[dict[str, tuple[str, ...]]] = {
    "entry": ("32", "16", "16", "i", "i?", "i", "i", "16?", "i", "b", "64"),
    "payload": ("32", "b"),
    "stream": ("16", "32", "i?", "32?"),
    "chain": ("16", "i", "32", "i", "32", "16?", "i", "i"),
    "receipt": ("16", "i", "i", "i", "i", "b"),
    "setting": ("t", "b"),
    "draft": ("16", "t", "16", "16", "i", "b"),
    "card_stock": ("t", "t", "i"),
    "file": ("32", "t", "i"),
    "print_job": ("16", "16", "t", "i"),
}
_BY_LENGTH: Final = {
    length: [(name, shape) for name, shape in _SHAPES.items() if len(shape) == length]
    for length in map(len, _SHAPES.values())
}
_KEYS: Final = {"stream": 2, "receipt": 2, "print_job": 2}  # columns of the key where it is not the first alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A database file to read from; `present`: the one that was worked in last, not a backup of it."""

    path: Path
    key: DatabaseKey
    present: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChain:
    """What became of a chain that is written here. Numbers of entries: `whole` stand without a hole, `at_county` are
    missing and the county has them, `lost` are missing and never came to the county, `again` are here behind what was
    lost and will be signed again. `waits`: an exchange comes before the next entry."""

    actor: bytes | None
    whole: int
    at_county: tuple[tuple[int, int], ...]
    lost: tuple[tuple[int, int], ...]
    again: int
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What came over. `condition` is that of the first source that could be opened. `refused`: entries that did not
    prove themselves; `bare`: entries without their values, which the county has; `cards_put_away`: see above."""

    condition: Condition | None
    entries: int
    from_backup: int
    refused: int
    bare: int
    drafts: int
    cards_put_away: int
    chains: tuple[OwnChain, ...]


@dataclass(slots=True)
class _Found:
    """Rows by table and key, the first that was found; `backup`: keys of those that only a backup had."""

    rows: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=lambda: {name: {} for name in _SHAPES})
    backup: dict[str, set[tuple[Any, ...]]] = field(default_factory=lambda: {name: set() for name in _SHAPES})

    def take(self, row: Row, present: bool) -> None:
        for name, shape in _BY_LENGTH[len(row)]:
            if all(_fits(value, kind) for value, kind in zip(row, shape, strict=True)):
                key = row[: _KEYS.get(name, 1)]
                if key not in self.rows[name]:
                    self.rows[name][key] = row
                    if not present:
                        self.backup[name].add(key)
                return


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return kind.endswith("?")
    kind = kind.rstrip("?")
    if kind in ("t", "i"):
        return type(value) is (str if kind == "t" else int)
    return type(value) is bytes and (kind == "b" or len(value) == int(kind))


@dataclass(slots=True, kw_only=True)
class _Kept:
    """An entry that proved itself; `after`: its chain behind it, if all before it is as it says."""

    after: Chain
    entry: Entry
    id: bytes
    data: bytes
    signature: bytes
    position: int | None
    payload: bytes | None


# --- what the rest of the program asks ---


def waiting_chains(tx: Transaction) -> frozenset[bytes]:
    """Own chains in which nothing may be written before an exchange has told where they end."""
    return frozenset(kept.setting(tx, WAITING) or ())


def put_waiting_chains(tx: Transaction, waiting: Iterable[bytes]) -> None:
    """Keep which they are from now on."""
    kept.put_setting(tx, WAITING, sorted(waiting))


# --- in place of the damaged file ---


def install(folder: Path, made: Path, name: str, slot_data: bytes | None = None) -> Path:
    """`made`, a file of `gather`, takes the place of the database of the vault in `folder`, `slot_data` that of its
    slot files. What lay there goes into a folder of its own beneath, which is returned; nothing is deleted.

    A crash at any point leaves the old database or the new one in its place, both marked to be checked."""
    path, aside = folder / DATABASE, folder / SET_ASIDE / name
    unproven, journal = f"{DATABASE}-unproven", f"{DATABASE}-journal"
    with disk.disk_errors():
        disk.make_folder(aside)
        for each in slotfile.FILE_NAMES:
            if (folder / each).exists():
                shutil.copy2(folder / each, aside / each)
        if path.exists():
            _second_name(path, aside / DATABASE)
        disk.sync_folder(aside)
        disk.write_whole(folder / unproven, b"")
        # A journal of the old file would be rolled back into the new one.
        if (folder / journal).exists():
            (folder / journal).rename(aside / journal)
            disk.sync_folder(aside)
            disk.sync_folder(folder)
        if slot_data is not None:
            for each in slotfile.FILE_NAMES:
                disk.write_whole(folder / each, slot_data)
        made.replace(path)
        disk.sync_folder(folder)
        made.with_name(f"{made.name}-unproven").unlink(missing_ok=True)
    return aside


def _second_name(path: Path, target: Path) -> None:
    """Let the file be found at `target` too: the replacing of the first name leaves it there."""
    try:
        os.link(path, target)
    except OSError:  # a disk without second names
        shutil.copyfile(path, target)
        with target.open("rb+") as copied:
            os.fsync(copied.fileno())


def rolled_back(path: Path, work: Path, key: DatabaseKey) -> Path:
    """The file to read from: `path`, or where a journal waits beside it a copy at `work` into which it was rolled back,
    as far as it could be. The caller removes the copy with `clear`."""
    if not path.exists() or not cipherfile.waits_for_rollback(path):
        return path
    clear(work)
    with disk.disk_errors():
        shutil.copyfile(path, work)
        shutil.copyfile(path.with_name(f"{path.name}-journal"), work.with_name(f"{work.name}-journal"))
    try:
        cipherfile.open_existing(work, key).close()
    except VaultProblem as problem:
        if problem.code in ("disk-full", "disk-error", "folder-read-only"):
            raise
    return work


def clear(path: Path) -> None:
    """Remove a file of ours with all that lies beside it for its sake."""
    with disk.disk_errors():
        for suffix in ("-journal", "-unproven", "-open", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


# --- salvage ---


def gather(sources: Sequence[Source], target: Path, key: DatabaseKey, signers: frozenset[bytes]) -> Steps[Salvaged]:
    """Make the file `target` (which must not exist) under `key` from what the sources have; `signers` are the signing
    keys of the people of this vault. The file is closed, and its next opening checks and folds it.

    VaultProblem("salvage-too-little") when not even whose vault it is can be read; "disk-full" and other disk codes. No
    source is changed, `target` is gone when it fails."""
    found = _Found()
    first: Condition | None = None
    for source in sources:
        read = yield from _read(source, found)
        first = first or read
    entries, refused = yield from _prove(found)
    own = _own_chains(found, entries, signers)
    names = found.rows["setting"]
    if not own or any((name,) not in names for name in NEEDED):
        raise VaultProblem("salvage-too-little")
    file = cipherfile.create(target, key)
    try:
        with file.writing() as tx:
            kept.prepare(tx)
            told = yield from _write(tx, found, entries, own)
        file.doubt()
    except BaseException:
        file.close()
        clear(target)
        raise
    file.close()
    return replace(told, condition=first, refused=refused)


def _read(source: Source, found: _Found) -> Steps[Condition | None]:
    """Take up the rows of a source; None when there is no such file."""
    try:
        opened = Pages(source.path, source.key)
    except VaultProblem as problem:
        if problem.code != "vault-missing":
            raise
        return None
    with opened as pages:
        damaged: list[int] = []
        for number in range(1, pages.count + 1):
            rows = pages.rows(number, _BY_LENGTH)
            if rows is None:
                damaged.append(number)
            for row in rows or ():
                found.take(row, source.present)
            if number % PAGES_A_STEP == 0:
                yield Progress(done=number, of=pages.count, doing=tr("正在读出数据"))
        return pages.condition_of(damaged)


def _prove(found: _Found) -> Steps[tuple[dict[bytes, dict[int, _Kept]], int]]:
    """chain -> number -> entry, of those that prove themselves; how many did not."""
    by_chain: dict[bytes, dict[int, _Kept]] = defaultdict(dict)
    refused = 0
    rows = sorted(found.rows["entry"].values(), key=lambda row: (row[2], row[3]))
    keys: dict[bytes, Chain] = {}
    places: set[int] = set()
    for done, row in enumerate(rows, 1):
        proved = _proved(row, found, keys)
        taken = proved is not None and proved.position is not None and proved.position in places
        if proved is None or taken or proved.entry.seq in by_chain[proved.entry.chain]:
            refused += 1
        else:
            by_chain[proved.entry.chain][proved.entry.seq] = proved
            if proved.position is not None:
                places.add(proved.position)
        if done % ENTRIES_A_STEP == 0:
            yield Progress(done=done, of=len(rows), doing=tr("正在核对签名"))
    return by_chain, refused


def _proved(row: Row, found: _Found, keys: dict[bytes, Chain]) -> _Kept | None:
    """The entry in a row when id, signature and payload hold; `keys` are the chains so far, in order of numbers."""
    identity, position, data, signature = row[0], row[4], row[9], row[10]
    if entry_id(data) != identity:
        return None
    try:
        entry = decode_entry(data)
        if entry.kind == Kind.GENESIS:
            keys[entry.chain] = chains.begin(entry, identity, signature)
        else:
            state = keys.get(entry.chain) or _kept_chain(found, entry.chain)
            if state is None:
                return None
            at = replace(state, next_seq=entry.seq, head=entry.prev)
            keys[entry.chain] = chains.extend(at, entry, identity, signature)
    except ChainBroken:
        return None
    payload = found.rows["payload"].get((identity,), (b"", None))[1]
    if payload is not None:
        try:
            open_payload(entry, payload)
        except ChainBroken:
            payload = None
    if payload is None and position is None:
        return None  # nobody else has its values: it can neither be shown nor sent
    return _Kept(
        after=keys[entry.chain],
        entry=entry,
        id=identity,
        data=data,
        signature=signature,
        position=position,
        payload=payload,
    )


def _kept_chain(found: _Found, chain: bytes) -> Chain | None:
    row: Any = found.rows["chain"].get((chain,))
    if row is None:
        return None
    return Chain(id=row[0], next_seq=row[1], head=row[2], algorithm=row[3], public_key=row[4], actor=row[5])


# --- our own chains ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    state: Chain
    acknowledged: int
    told: OwnChain


def _own_chains(found: _Found, entries: dict[bytes, dict[int, _Kept]], signers: frozenset[bytes]) -> list[_Own]:
    own = {row[0] for row in found.rows["chain"].values() if row[6] or row[4] in signers}
    own |= {chain for chain, there in entries.items() if any(one.position is None for one in there.values())}
    own |= {
        chain
        for chain, there in entries.items()
        if 0 in there and (there[0].entry.body or {}).get(chains.PUBLIC_KEY) in signers
    }
    stood = [_stand(found, chain, entries.get(chain, {})) for chain in sorted(own)]
    return [one for one in stood if one is not None]


def _stand(found: _Found, chain: bytes, there: dict[int, _Kept]) -> _Own | None:
    """Where an own chain stands now, and what is missing of it."""
    row: Any = found.rows["chain"].get((chain,))
    named = row[1] if row else 0
    receipts = [(r[1], r[2]) for r in found.rows["receipt"].values() if r[0] == chain]
    settled = [seq for seq, one in there.items() if one.position is not None]
    acknowledged = max([row[7] if row else 0, *(s + c for s, c in receipts), *(seq + 1 for seq in settled)])
    end = max([named, acknowledged, *(seq + 1 for seq in there)])
    whole = next((seq for seq in range(end) if seq not in there), end)
    state = _walked(there, whole)
    if state is None:
        known = _kept_chain(found, chain)
        if known is None:
            return None
        state = replace(known, next_seq=0, head=NO_PREV, algorithm=ED25519)
    whole = state.next_seq
    missing = [seq for seq in range(end) if seq not in there]
    certain = row is not None and (chain,) not in found.backup["chain"] and not missing and state.head == row[2]
    lost = [seq for seq in missing if seq >= acknowledged]
    again = sum(one.position is None and bool(lost) and seq > lost[0] for seq, one in there.items())
    told = OwnChain(
        actor=state.actor,
        whole=whole,
        at_county=_ranges(seq for seq in missing if seq < acknowledged),
        lost=_ranges(lost),
        again=again,
        waits=not certain,
    )
    return _Own(state=state, acknowledged=min(acknowledged, whole), told=told)


def _walked(there: dict[int, _Kept], whole: int) -> Chain | None:
    """The chain behind its first `whole` entries, or before the first that does not follow the one before. Each has
    been proved by itself."""
    state: Chain | None = None
    for seq in range(whole):
        one = there[seq]
        if one.entry.prev != (state.head if state is not None else NO_PREV):
            break
        state = one.after
    return state


def _ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """(first, last) of runs of numbers."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)


# --- writing ---


def _write(
    tx: Transaction, found: _Found, entries: dict[bytes, dict[int, _Kept]], own: Sequence[_Own]
) -> Steps[Salvaged]:
    flat = [one for there in entries.values() for one in there.values()]
    for at in range(0, len(flat), ENTRIES_A_STEP):
        part = flat[at : at + ENTRIES_A_STEP]
        rows = [kept.entry_row(one.entry, one.id, one.data, one.signature, one.position) for one in part]
        tx.execute(insert(ENTRY).prefix_with("OR IGNORE"), rows)
        kept.put_payloads(tx, [(one.id, one.payload) for one in part if one.payload is not None])
        yield Progress(done=at + len(part), of=len(flat), doing=tr("正在写入新文件"))
    _write_chains(tx, found, entries, own)
    readable = {one.id for one in flat if one.payload is not None}
    streams = {(row[0], row[1]) for row in found.rows["stream"].values() if row[1] in readable}
    streams |= {(root, one.id) for one in flat if one.position is None for root in one.entry.roots}
    kept.put_streams(tx, streams)
    cards = _write_kept(tx, found)
    cursor = kept.setting(tx, "cursor") or 0
    kept.number_streams(tx, {root for root, _ in streams}, cursor)
    put_waiting_chains(tx, [one.state.id for one in own if one.told.waits])
    yield Progress(done=len(flat), of=len(flat), doing=tr("正在写入新文件"))
    return Salvaged(
        condition=None,
        entries=len(flat),
        from_backup=sum((one.id,) in found.backup["entry"] for one in flat),
        refused=0,
        bare=len(flat) - len(readable),
        drafts=len(found.rows["draft"]),
        cards_put_away=cards,
        chains=tuple(one.told for one in own),
    )


def _write_chains(tx: Transaction, found: _Found, entries: dict[bytes, dict[int, _Kept]], own: Sequence[_Own]) -> None:
    mine = {one.state.id for one in own}
    for one in own:
        kept.put_chain(tx, one.state, own=True, acknowledged=one.acknowledged)
    for chain in {*entries, *(row[0] for row in found.rows["chain"].values())} - mine:
        there = entries.get(chain, {})
        state = _kept_chain(found, chain)
        if state is None and 0 in there:
            state = chains.begin(there[0].entry, there[0].id, there[0].signature)
            for seq in sorted(there):
                if there[seq].entry.kind == Kind.ROTATE:
                    at = replace(state, next_seq=seq, head=there[seq].entry.prev)
                    state = chains.extend(at, there[seq].entry, there[seq].id, there[seq].signature)
        if state is not None:
            kept.put_chain(tx, state, own=False, acknowledged=0)


def _write_kept(tx: Transaction, found: _Found) -> int:
    """The tables that are believed as they stand; how many cards were put away."""
    put_away = 0
    for table in kept.KEPT.sorted_tables:
        if table.name == "chain":
            continue
        names = [column.name for column in table.columns]
        rows = []
        for key, row in found.rows[table.name].items():
            values: dict[str, Any] = dict(zip(names, row, strict=True))
            if table.name == "setting" and (row[0] in (kept.VERSION, WAITING) or not _readable(row[1])):
                continue
            if table.name == "draft" and not _readable(row[5]):
                continue
            if table.name == "card_stock":
                put_away += key in found.backup[table.name] and not row[2]
                values["used"] = bool(row[2]) or key in found.backup[table.name]
            if table.name == "file":
                values["delivered"] = bool(row[2])
            rows.append(values)
        if rows:
            tx.execute(insert(table).prefix_with("OR IGNORE"), rows)
    return put_away


def _readable(data: Any) -> bool:
    try:
        decode(data)
    except ChainBroken:
        return False
    return True
