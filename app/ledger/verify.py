"""The independent verifier, program `hudang-verify`: does this exported log prove what the county says?

It reads an export (`app.ledger.export`) and the county's public key `county.pub`, nothing else: no network, no
database, no settings. Believed are only `county.pub`, SHA-256 and Ed25519; what the file says is computed anew.
In the order of the file, and the first thing that does not hold ends the examination:

- each item: canonical bytes, the right item at the right place;
- position 0 is the entry of `county.pub`;
- each entry: its chain (sequence, `prev`, person, key after rotations), its signature, the commitment over its values,
  `seen` names a state that this log had, an entry signed again says what its original said, which is not in the log;
- heads entries: from a chain that may write them, the number of streams and the root of their tree as computed;
- acts on kinds that need authority count in the registers only from chains that have it at that position;
- values that are missing from a whole log: two administrators signed redact entries that name them (body
  `{1: [[entry id, [numbers of the values]], ...]}`);
- checkpoints: signed by the county's log key for this origin, each root that of the tree at its size; the last one
  covers the whole log;
- the closing: streams, heads and fold hash as computed; at last the hash of the file.

What it cannot see: entries that never reached the county, and whether what was signed is true.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from app.errors import ChainBroken, HudangError, InputProblem
from app.ledger import chain as chains
from app.ledger.authority import COUNTY as COUNTY_KIND
from app.ledger.chain import Chain
from app.ledger.checkpoint import verify as verify_checkpoint
from app.ledger.encoding import decode
from app.ledger.entry import Entry, Kind, Payload, Withheld, decode_entry, dot, entry_id, open_payload, signed_bytes
from app.ledger.export import WHOLE, Header, Reader
from app.ledger.signatures import verify_signature
from app.ledger.state import Objects, Streams
from app.ledger.tree import EMPTY_ROOT, HASH_BYTES, Tree
from app.messages import sentence
from app.progress import Progress, Steps
from app.text import tr

STEP: Final = 512  # entries between two signs of life
MAX_KEY_FILE: Final = 64 * 1024

# Keys of the bodies read here.
HEADS_SIZE: Final = 1
HEADS_ROOT: Final = 2
REDACTED: Final = 1

COUNTS: Final = (
    "entries",
    "chains",
    "streams",
    "objects",
    "values",
    "withheld",
    "inert",
    "heads",
    "checkpoints",
    "size",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What `county.pub` says: the genesis entry, its signature, the log's origin and the key that signs checkpoints."""

    entry: bytes
    signature: bytes
    chain: bytes
    origin: str
    log_key: bytes
    name: str
    demo: bool

    @classmethod
    def read(cls, data: bytes) -> Trusted:
        """The trusted key in the bytes of `county.pub`; InputProblem("not-county-key") for anything else."""
        try:
            table = decode(data)
            entry_bytes, signature = table[1], table[2]
            entry = decode_entry(entry_bytes)
            chains.begin(entry, entry_id(entry_bytes), signature)
            body = entry.body or {}
            origin, key = body[chains.ORIGIN], body[chains.LOG_KEY]
        except (ChainBroken, KeyError, TypeError, IndexError):
            raise InputProblem("not-county-key") from None
        if len(table) != 2 or type(origin) is not str or type(key) is not bytes:
            raise InputProblem("not-county-key")
        return cls(
            entry=entry_bytes,
            signature=signature,
            chain=entry.chain,
            origin=origin,
            log_key=key,
            name=str(body.get(chains.COUNTY_NAME, "")),
            demo=body.get(chains.DEMO) is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first thing that is wrong. `part`: header, entry, checkpoint, closing or end; `position`: of an entry its
    place in the log from 0, of a checkpoint its number from 1, else None; `offset`: the byte of the file where the
    item begins; the error says what."""

    part: str
    position: int | None
    offset: int
    error: HudangError

    def sentence(self) -> str:
        """Place and reason in the language of the program."""
        where: dict[str, Any] = {"position": self.position, "offset": self.offset}
        place = {
            "header": tr("文件开头（第 {offset} 字节起）", **where),
            "entry": tr("位置 {position} 的记录（第 {offset} 字节起）", **where),
            "checkpoint": tr("第 {position} 张凭证（第 {offset} 字节起）", **where),
            "closing": tr("结尾的汇总（第 {offset} 字节起）", **where),
            "end": tr("文件末尾（第 {offset} 字节起）", **where),
        }[self.part]
        return tr("{place}：{reason}", place=place, reason=sentence(self.error))


@dataclass(slots=True, kw_only=True)
class Report:
    """What was examined; `fault` is None when everything holds."""

    entries: int = 0
    chains: int = 0
    streams: int = 0
    objects: int = 0
    values: int = 0
    withheld: int = 0
    inert: int = 0
    heads: int = 0
    checkpoints: int = 0
    size: int = 0
    root: bytes = EMPTY_ROOT
    fold: bytes = b""
    fault: Fault | None = None


def examine(source: BinaryIO, trusted: Trusted) -> Steps[Report]:
    """Examine the export in `source` (opened for reading bytes) step by step; returns the report."""
    log = _Log(Reader(source), trusted)
    try:
        yield from log.run()
    except ChainBroken as error:
        log.report.fault = Fault(part=log.part, position=log.position, offset=log.reader.offset, error=error)
    log.report.chains = len(log.chains)
    return log.report


class _Packed:
    """Complete nodes of a tree, 32 bytes each and nothing more, one row a level."""

    def __init__(self) -> None:
        self._rows: list[bytearray] = []

    def has_leaf(self, leaf: bytes) -> bool:
        """Whether a leaf is there; a search through all of them."""
        at = self._rows[0].find(leaf)
        while at % HASH_BYTES and at >= 0:
            at = self._rows[0].find(leaf, at + 1)
        return at >= 0

    def get(self, level: int, index: int) -> bytes:
        return bytes(self._rows[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def put(self, level: int, index: int, node: bytes) -> None:
        if level == len(self._rows):
            self._rows.append(bytearray())
        row = self._rows[level]
        row[index * HASH_BYTES : (index + 1) * HASH_BYTES] = node


@dataclass(slots=True)
class _Missing:
    """Values that are not in a whole log, in the order of the log, and who signed that they be removed."""

    values: list[tuple[int, int, bytes, int]] = field(default_factory=list)  # position, offset, entry id, value
    removed: dict[tuple[bytes, int], set[bytes | None]] = field(default_factory=dict)

    def note(self, position: int, offset: int, identity: bytes, payload: Payload) -> None:
        """The withheld values of one entry."""
        for number, value in enumerate(payload.values):
            if isinstance(value, Withheld):
                self.values.append((position, offset, identity, number))

    def remove(self, entry: Entry) -> None:
        """Follow a redact entry of an administrator."""
        try:
            for identity, numbers in (entry.body or {})[REDACTED]:
                for number in numbers:
                    self.removed.setdefault((identity, number), set()).add(entry.actor)
        except (KeyError, TypeError, ValueError):
            raise ChainBroken("redact-form") from None

    def uncovered(self) -> tuple[int, int] | None:
        """Position and offset of the first value that less than two people removed."""
        for position, offset, identity, number in self.values:
            if len(self.removed.get((identity, number), ())) < 2:
                return position, offset
        return None


class _Log:
    """The examination while it runs: where it is in the file, and what the log comes to so far."""

    def __init__(self, reader: Reader, trusted: Trusted) -> None:
        self.reader = reader
        self.trusted = trusted
        self.report = Report()
        self.part = "header"
        self.position: int | None = None
        self.chains: dict[bytes, Chain] = {}
        self._retired: dict[bytes, list[tuple[int, Chain]]] = {}  # chain -> (first seq of the next key, state before)
        self._nodes = _Packed()
        self._tree = Tree(self._nodes)
        self._waiting: list[bytes] = []  # leaves that the tree takes up when somebody asks
        self._resigned: set[bytes] = set()  # originals of entries that were signed again
        self._streams = Streams()
        self._objects = Objects({}, trusted.chain)
        self._missing = _Missing()
        self._whole = True
        self._epoch = 0
        self._seen: dict[tuple[int, int, bytes], bool] = {}

    def run(self) -> Steps[None]:
        header = self._header()
        self.part = "entry"
        for position in range(header.size):
            if position % STEP == 0:
                yield Progress(done=position, of=header.size)
            self.position = position
            self._entry(position)
            self.report.entries += 1
        self._redactions()
        yield from self._checkpoints(header)
        self.part, self.position = "closing", None
        self._closing()
        self.part = "end"
        self.report.size = self.reader.end()

    def _header(self) -> Header:
        header = self.reader.header()
        if (header.entry, header.signature) != (self.trusted.entry, self.trusted.signature):
            raise ChainBroken("export-of-another-county")
        if header.origin != self.trusted.origin:
            raise ChainBroken("checkpoint-of-another-log")
        self._objects = Objects(header.homes, self.trusted.chain)
        self._whole = header.what == WHOLE
        return header

    def _root(self, size: int) -> bytes | None:
        """Root of the first `size` entries, None where there are not so many yet."""
        self._tree.extend(self._waiting)
        self._waiting.clear()
        return self._tree.root(size) if size <= self._tree.size else None

    # --- entries ---

    def _entry(self, position: int) -> None:
        data, signature, sealed = self.reader.entry(position)
        entry, identity = decode_entry(data), entry_id(data)
        if position == 0 and (data, signature) != (self.trusted.entry, self.trusted.signature):
            raise ChainBroken("export-of-another-county")
        self._extend(entry, identity, signature)
        payload = open_payload(entry, sealed)
        self.report.values += len(payload.values)
        if payload.secret is None:
            self._note_missing(position, identity, payload)
        if entry.seen is not None:
            self._check_seen(entry.seen)
        if entry.original is not None:
            self._check_original(entry, *entry.original)
        roots: Sequence[bytes] | set[bytes] = entry.roots
        if entry.kind == Kind.ACT:
            roots = self._objects.apply(entry, dot(data, entry), position, payload.values)
        elif entry.kind == Kind.HEADS:
            self._check_heads(entry)
            roots = ()
        elif entry.kind == Kind.REDACT:
            if self._objects.authority.may_write(entry.chain, COUNTY_KIND):
                self._missing.remove(entry)
        elif entry.kind == Kind.EPOCH:
            self._epoch += 1
        elif entry.kind % 2 and entry.kind not in (Kind.GENESIS, Kind.ROTATE):
            raise ChainBroken("kind-unknown", kind=entry.kind)
        self._streams.append(roots, identity)
        self._waiting.append(identity)

    def _extend(self, entry: Entry, identity: bytes, signature: bytes) -> None:
        before = self.chains.get(entry.chain)
        if entry.kind == Kind.GENESIS:
            if before is not None:
                raise ChainBroken("chain-twice")
            self.chains[entry.chain] = chains.begin(entry, identity, signature)
        elif before is None:
            raise ChainBroken("chain-unknown")
        else:
            self.chains[entry.chain] = chains.extend(before, entry, identity, signature)
            if entry.kind == Kind.ROTATE:
                self._retired.setdefault(entry.chain, []).append((entry.seq + 1, before))

    def _note_missing(self, position: int, identity: bytes, payload: Payload) -> None:
        self.report.withheld += sum(isinstance(value, Withheld) for value in payload.values)
        if self._whole:
            self._missing.note(position, self.reader.offset, identity, payload)

    def _check_seen(self, seen: tuple[int, int, bytes]) -> None:
        epoch, size, root = seen
        if epoch < self._epoch:
            return  # a log of that epoch is not in this file
        holds = self._seen.get(seen)
        if holds is None:
            holds = epoch == self._epoch and self._root(size) == root
            self._seen[seen] = holds
        if not holds:
            raise ChainBroken("seen-contradicts", size=size)

    def _check_original(self, entry: Entry, data: bytes, signature: bytes) -> None:
        old = decode_entry(data)
        now = (entry.actor, entry.act, entry.roots, entry.changes, dict(entry.bases), entry.commitment)
        was = (old.actor, old.act, old.roots, old.changes, dict(old.bases), old.commitment)
        if now != was or old.original is not None:
            raise ChainBroken("original-differs", seq=entry.seq)
        identity = entry_id(data)
        self._root(0)  # the leaves so far stand in the tree
        if identity in self._resigned or self._nodes.has_leaf(identity):
            raise ChainBroken("original-known", seq=entry.seq)
        self._resigned.add(identity)
        key = self.chains.get(old.chain)
        if key is None:
            raise ChainBroken("chain-unknown")
        for first, before in reversed(self._retired.get(old.chain, [])):
            if old.seq < first:
                key = before
        verify_signature(key.algorithm, key.public_key, signed_bytes(identity), signature)

    def _check_heads(self, entry: Entry) -> None:
        body = entry.body or {}
        if not self._objects.authority.may_publish_heads(entry.chain):
            raise ChainBroken("heads-unauthorised")
        if (body.get(HEADS_SIZE), body.get(HEADS_ROOT)) != self._streams.heads():
            raise ChainBroken("heads-differ")
        self.report.heads += 1

    def _redactions(self) -> None:
        found = self._missing.uncovered()
        if found is not None:
            self.position, self.reader.offset = found
            raise ChainBroken("value-missing")

    # --- behind the entries ---

    def _checkpoints(self, header: Header) -> Steps[None]:
        self.part = "checkpoint"
        last, self.position = 0, 1
        while last < header.size:
            found = self.reader.checkpoint()
            if found is None:
                raise ChainBroken("tail-unsigned", signed=last, size=header.size)
            size, note = found
            said = verify_checkpoint(note, self.trusted.origin, self.trusted.log_key)
            if said.size != size or not (last < size <= header.size):
                raise ChainBroken("export-form")
            if self._root(size) != said.root:
                raise ChainBroken("checkpoint-contradicts", size=size)
            last = size
            self.report.checkpoints += 1
            self.position += 1
            if self.report.checkpoints % STEP == 0:
                yield Progress(done=header.size, of=header.size)

    def _closing(self) -> None:
        closing = self.reader.closing()
        streams, heads = self._streams.heads()
        report = self.report
        report.streams, report.objects, report.inert = streams, len(self._objects), self._objects.inert
        report.root, report.fold = self._root(report.entries) or b"", self._objects.fold_hash()
        if (closing.streams, closing.heads) != (streams, heads):
            raise ChainBroken("heads-differ")
        if closing.fold != report.fold:
            raise ChainBroken("fold-differs")


# --- the program ---


def main(arguments: Sequence[str] | None = None) -> int:
    """`hudang-verify EXPORT COUNTY.PUB [--json]`; 0 when everything holds, 1 when something does not, 2 when it could
    not be asked."""
    parser = argparse.ArgumentParser(
        prog="hudang-verify", description=tr("核对导出的日志：不联网，不用数据库，只信县公钥 county.pub。")
    )
    parser.add_argument("export", type=Path, help=tr("导出的日志文件"))
    parser.add_argument("county", type=Path, help=tr("县公钥文件 county.pub"))
    parser.add_argument("--json", action="store_true", help=tr("以 JSON 输出，供其他程序读取"))
    asked = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        trusted = Trusted.read(_small_file(asked.county))
        with _open(asked.export) as source:
            report = _drive(source, trusted, show=sys.stderr.isatty())
    except InputProblem as problem:
        print(sentence(problem), file=sys.stderr)
        return 2
    seconds = time.perf_counter() - began
    print(json.dumps(as_json(report, seconds), ensure_ascii=False) if asked.json else words(report, trusted, seconds))
    return 0 if report.fault is None else 1


def _drive(source: BinaryIO, trusted: Trusted, *, show: bool) -> Report:
    steps, shown = examine(source, trusted), time.monotonic()
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            report: Report = finished.value
            break
        except OSError:
            raise InputProblem("file-unreadable") from None
        if show and time.monotonic() - shown > 1:
            shown = time.monotonic()
            print(f"\r{step.done}/{step.of} ", end="", file=sys.stderr, flush=True)
    if show:
        print("\r", end="", file=sys.stderr)
    return report


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise InputProblem("file-missing") from None
    except OSError:
        raise InputProblem("file-unreadable") from None


def _small_file(path: Path) -> bytes:
    with _open(path) as source:
        try:
            return source.read(MAX_KEY_FILE)
        except OSError:
            raise InputProblem("file-unreadable") from None


def as_json(report: Report, seconds: float) -> dict[str, Any]:
    """The report for other programs: verdict, counts, hashes as hex, and of a fault code, facts, place, sentence."""
    fault = report.fault
    found: dict[str, Any] | None = None
    if fault is not None:
        found = {"part": fault.part, "position": fault.position, "offset": fault.offset, "code": fault.error.code}
        found |= {"facts": fault.error.facts, "sentence": fault.sentence()}
    counts: dict[str, Any] = {name: getattr(report, name) for name in COUNTS}
    counts |= {"root": report.root.hex(), "fold": report.fold.hex(), "seconds": round(seconds, 3)}
    return {"holds": fault is None, "fault": found, **counts}


def words(report: Report, trusted: Trusted, seconds: float) -> str:
    """The report for people: the verdict first, then the counts."""
    rate = round(report.entries / seconds) if seconds > 0 else 0
    county = f"{trusted.name} {trusted.origin}".strip()
    lines = [
        tr("日志属实：{county}", county=county) if report.fault is None else tr("日志有问题：{county}", county=county)
    ]
    if trusted.demo:
        lines.append(tr("演示数据"))
    if report.fault is not None:
        lines.append(report.fault.sentence())
    labels = {
        "entries": tr("记录条数"),
        "chains": tr("签名链条数"),
        "streams": tr("档案份数"),
        "objects": tr("对象个数"),
        "values": tr("值的个数"),
        "withheld": tr("未给出的值"),
        "inert": tr("未生效的改动"),
        "heads": tr("档案汇总次数"),
        "checkpoints": tr("凭证张数"),
        "size": tr("文件字节数"),
    }
    lines += [f"{labels[name]} {getattr(report, name)}" for name in COUNTS]
    if report.fault is None:
        lines += [tr("日志根 {hash}", hash=report.root.hex()), tr("状态值 {hash}", hash=report.fold.hex())]
    lines.append(tr("用时 {seconds} 秒，每秒 {rate} 条", seconds=f"{seconds:.1f}", rate=rate))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
