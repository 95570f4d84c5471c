"""One entry: one act of one person, as bytes that are hashed, signed and never written again.

The bytes follow `formats.md` (entry, commitment, payload). Values stand beside the signed bytes, in the payload; the
entry holds one commitment over all of them, so that a value can be erased on legal order and every hash still verifies.
Rules kept here: an entry that decodes is canonical and well-formed; nothing here knows what a field means.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from operator import lt
from typing import Any, Final

from app.errors import ChainBroken
from app.ledger.encoding import decode, encode, head, item, number

VERSION: Final = 1
SCHEMA: Final = 1
NO_PREV: Final = bytes(32)
MAX_ENTRY: Final = 32 * 1024
MAX_PAYLOAD: Final = 256 * 1024
SIGNED_PREFIX: Final = b"dossier-entry/1\n"


class Kind(IntEnum):
    """What an entry does to the log. Odd numbers are critical to readers who do not know them."""

    GENESIS = 1
    ACT = 3
    ROTATE = 5
    EPOCH = 7
    REDACT = 9
    HEADS = 11


class Act(IntEnum):
    """What the person did: the permanent table of acts (key 6)."""

    IMPORT = 1
    CREATE = 2
    EDIT = 3
    END = 4
    REOPEN = 5
    SAME = 6
    ENROL = 7
    VISIT = 8
    ATTACH = 9
    BIND_CARD = 10
    PRINT = 11
    GRANT = 12
    ISSUE_POOL = 13
    RESOLVE = 14
    SET_UP = 15
    REVEAL = 16
    EXPORT = 17
    PROPOSE = 18
    DECIDE = 19
    SET_POLICY = 20
    REVOKE = 21
    ADMIT = 22
    JOIN = 23
    LEAVE = 24
    RECOVER = 25
    CHANGE_KEYS = 26
    HOLD = 27


class Withheld:
    """The value that is not here: redacted by order or withheld from this reader; its commitment is."""

    __slots__ = ("commitment",)

    def __init__(self, commitment: bytes) -> None:
        self.commitment = commitment

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Withheld) and other.commitment == self.commitment

    def __hash__(self) -> int:
        return hash(self.commitment)


@dataclass(frozen=True, slots=True)
class Change:
    """What an act changed of one object: record kind, object id (16 bytes), field numbers ascending."""

    kind: int
    object: bytes
    fields: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A decoded entry. `bases` maps (change index, field) to the dots that the change replaces."""

    chain: bytes
    seq: int
    prev: bytes
    kind: int
    act: int = 0
    roots: tuple[bytes, ...] = ()
    changes: tuple[Change, ...] = ()
    bases: Mapping[tuple[int, int], tuple[bytes, ...]]
    commitment: bytes | None = None
    actor: bytes | None = None
    wall: int = 0
    mono: tuple[int, int] | None = None
    schema: int = SCHEMA
    seen: tuple[int, int, bytes] | None = None
    refs: tuple[bytes, ...] = ()
    app: int = 0
    original: tuple[bytes, bytes] | None = None
    body: Mapping[int, Any] | None = None

    def slots(self) -> Iterator[tuple[int, Change, int]]:
        """(change index, change, field) in the order of the values of the payload."""
        for index, change in enumerate(self.changes):
            for field in change.fields:
                yield index, change, field


def entry_id(data: bytes) -> bytes:
    """Id of the entry with these bytes = its RFC 6962 leaf hash, 32 bytes."""
    return sha256(b"\x00" + data).digest()


def signed_bytes(identity: bytes) -> bytes:
    """What the person signs for the entry with this id."""
    return SIGNED_PREFIX + identity


def dot(data: bytes, entry: Entry) -> bytes:
    """The dot of an entry: first half of its id, or of the id it had before it was signed again after a fork."""
    return entry_id(entry.original[0] if entry.original else data)[:16]


def encode_entry(entry: Entry) -> bytes:
    """The D1 bytes of `entry`; absent keys are left out."""
    table: dict[int, Any] = {
        1: VERSION,
        2: entry.chain,
        3: entry.seq,
        4: entry.prev,
        5: int(entry.kind),
        12: entry.wall,
        14: entry.schema,
        17: entry.app,
    }
    if entry.act:
        table[6] = int(entry.act)
    if entry.roots:
        table[7] = list(entry.roots)
    if entry.changes:
        table[8] = [[change.kind, change.object, list(change.fields)] for change in entry.changes]
    if entry.bases:
        table[9] = [[index, field, list(dots)] for (index, field), dots in sorted(entry.bases.items())]
    table |= {key: value for key, value in ((10, entry.commitment), (11, entry.actor)) if value is not None}
    if entry.mono:
        table[13] = list(entry.mono)
    if entry.seen:
        table[15] = list(entry.seen)
    if entry.refs:
        table[16] = list(entry.refs)
    if entry.original:
        table[18] = list(entry.original)
    if entry.body is not None:
        table[19] = dict(entry.body)
    data = encode(table)
    if len(data) > MAX_ENTRY:
        raise ChainBroken("entry-too-large", size=len(data))
    return data


def decode_entry(data: bytes) -> Entry:
    """The entry in `data`; ChainBroken("entry-form") unless the bytes are canonical and every key has its form."""
    if len(data) > MAX_ENTRY:
        raise ChainBroken("entry-too-large", size=len(data))
    usual = _read_usual(data)
    if usual is not None:
        return usual
    table = decode(data)
    try:
        entry = _read(table)
    except (KeyError, TypeError, ValueError, IndexError):
        raise ChainBroken("entry-form") from None
    return entry


def _read(t: Any) -> Entry:
    """The entry that the decoded map `t` is; this alone decides what is one."""
    _must(type(t) is dict and t.keys() <= _KEYS and type(t[1]) is int and t[1] == VERSION)
    _must(all(type(fields) is list for _, _, fields in t.get(8, ())))
    changes = tuple(Change(k, o, tuple(f)) for k, o, f in t.get(8, ()))
    order = [(c.object, c.kind) for c in changes]
    _must(order == sorted(set(order)))
    for change in changes:
        _must(_count(change.kind) and _is(change.object, 16) and len(change.fields) > 0)
        _must(all(_count(f) for f in change.fields) and list(change.fields) == sorted(set(change.fields)))
    bases: dict[tuple[int, int], tuple[bytes, ...]] = {}
    for index, field, dots in t.get(9, ()):
        _must(_count(index) and index < len(changes) and field in changes[index].fields and len(dots) > 0)
        _must(all(_is(d, 16) for d in dots) and list(dots) == sorted(set(dots)) and (index, field) not in bases)
        bases[index, field] = tuple(dots)
    _must(list(bases) == sorted(bases))
    roots, refs = tuple(t.get(7, ())), tuple(t.get(16, ()))
    _must(all(_is(r, 16) for r in roots) and list(roots) == sorted(set(roots)))
    _must(all(type(r) is bytes and len(r) in (16, 32) for r in refs))
    for key in (7, 8, 9, 16):
        _must(key not in t or (type(t[key]) is list and len(t[key]) > 0))
    _must((10 in t) == bool(changes))
    mono, seen, original = t.get(13), t.get(15), t.get(18)
    _must(mono is None or (type(mono) is list and len(mono) == 2 and all(_count(m) for m in mono)))
    _must(seen is None or (len(seen) == 3 and _count(seen[0]) and _count(seen[1]) and _is(seen[2], 32)))
    _must(original is None or (len(original) == 2 and type(original[0]) is bytes and _is(original[1], 64)))
    _must(19 not in t or type(t[19]) is dict)
    _must(_is(t[2], 16) and _count(t[3]) and _is(t[4], 32) and _count(t[5]) and t[5] > 0)
    _must(_count(t.get(6, 1)) and t.get(6, 1) > 0 and type(t[12]) is int and _count(t[14]) and _count(t[17]))
    _must((t[3] == 0) == (t[4] == NO_PREV))
    for key, size in ((10, 32), (11, 16)):
        _must(key not in t or _is(t[key], size))
    return Entry(
        chain=t[2],
        seq=t[3],
        prev=t[4],
        kind=t[5],
        act=t.get(6, 0),
        roots=roots,
        changes=changes,
        bases=bases,
        commitment=t.get(10),
        actor=t.get(11),
        wall=t[12],
        mono=tuple(mono) if mono else None,
        schema=t[14],
        seen=tuple(seen) if seen else None,
        refs=refs,
        app=t[17],
        original=tuple(original) if original else None,
        body=t.get(19),
    )


_KEYS = set(range(1, 20))


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError


def _count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is(value: object, size: int) -> bool:
    return type(value) is bytes and len(value) == size


# --- the usual entry, read in one go ---

# Most entries have one shape: no body, no original, short lists. One regular expression reads their bytes several times
# as fast as the decoder. It may leave an entry to the decoder, but never takes one that the decoder refuses, nor reads
# it differently: numbers stand in their shortest form, keys in order, and what it cannot count is counted below.

_N: Final = r"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00).{4}|\x1b(?!\x00\x00\x00\x00).{8})"
_16, _32, _LIST = r".{16}", r".{32}", r"[\x81-\x97]"
_CHANGE: Final = rf"\x83({_N})\x50({_16})({_LIST}|\x98[\x18-\xff])((?:{_N})+)"
_BASE: Final = rf"\x83({_N})({_N})({_LIST})((?:\x50{_16})+)"
_GROUP: Final = re.compile(r"\((?!\?)")
_NUMBERS, _CHANGES, _BASES = (re.compile(part.encode(), re.DOTALL) for part in (_N, _CHANGE, _BASE))
_USUAL: Final = re.compile(
    (
        rf"([\xa8-\xb1])\x01\x01\x02\x50({_16})\x03({_N})\x04\x58\x20({_32})\x05({_N})(?:\x06({_N}))?"
        rf"(?:\x07({_LIST})((?:\x50{_16})+))?"
        rf"(?:\x08({_LIST})((?:{_GROUP.sub('(?:', _CHANGE)})+))?"
        rf"(?:\x09({_LIST})((?:{_GROUP.sub('(?:', _BASE)})+))?"
        rf"(?:\x0a\x58\x20({_32}))?(?:\x0b\x50({_16}))?\x0c({_N})(?:\x0d\x82({_N})({_N}))?\x0e({_N})"
        rf"(?:\x0f\x83({_N})({_N})\x58\x20({_32}))?(?:\x10({_LIST})((?:\x50{_16}|\x58\x20{_32})+))?\x11({_N})"
    ).encode(),
    re.DOTALL,
)


def _read_usual(data: bytes) -> Entry | None:
    """The entry in `data` if it has the usual shape and is well-formed, else None: the decoder shall judge."""
    found = _USUAL.fullmatch(data)
    if found is None:
        return None
    count, chain, seq_, prev, kind_, act_, roots_n, roots_, changes_n, changes_, *more = found.groups()
    bases_n, bases_, commitment, actor, wall, boot, since, schema, epoch, size, root, refs_n, refs_, app = more
    present = (act_, roots_n, changes_n, bases_n, commitment, actor, boot, epoch, refs_n)
    seq, kind, act = _int(seq_), _int(kind_), _int(act_) if act_ else 0
    if count[0] != 0xA8 + len(present) - present.count(None) or (seq == 0) != (prev == NO_PREV) or kind == 0:
        return None
    if (act_ is not None and act == 0) or (commitment is None) != (changes_n is None):
        return None
    try:
        roots = _ids(roots_n, roots_) if roots_n else ()
        changes = _usual_changes(changes_n, changes_) if changes_n else ()
        bases = _usual_bases(bases_n, bases_, changes) if bases_n else {}
        refs = _ids(refs_n, refs_, ordered=False) if refs_n else ()
    except ValueError:
        return None
    return Entry(
        chain=chain,
        seq=seq,
        prev=prev,
        kind=kind,
        act=act,
        roots=roots,
        changes=changes,
        bases=bases,
        commitment=commitment,
        actor=actor,
        wall=_int(wall),
        mono=(_int(boot), _int(since)) if boot else None,
        schema=_int(schema),
        seen=(_int(epoch), _int(size), root) if epoch else None,
        refs=refs,
        app=_int(app),
    )


def _int(raw: bytes) -> int:
    return raw[0] if len(raw) == 1 else int.from_bytes(raw[1:], "big")


def _ids(count: bytes, raw: bytes, *, ordered: bool = True) -> tuple[bytes, ...]:
    """The ids in an array; 16 bytes each and ascending, or else 16 or 32 bytes in any order."""
    ids, at = [], 0
    while at < len(raw):
        start, end = (at + 1, at + 17) if raw[at] == 0x50 else (at + 2, at + 34)
        ids.append(raw[start:end])
        at = end
    _must(len(ids) == count[0] - 0x80 and (not ordered or len(ids) == 1 or _ascending(ids)))
    return tuple(ids)


def _usual_changes(count: bytes, raw: bytes) -> tuple[Change, ...]:
    changes: list[Change] = []
    for kind, object_id, fields_n, fields_ in _CHANGES.findall(raw):
        wanted = fields_n[0] - 0x80 if len(fields_n) == 1 else fields_n[1]
        short = len(fields_) == wanted and max(fields_) < 24
        fields = tuple(fields_) if short else tuple(map(_int, _NUMBERS.findall(fields_)))
        _must(len(fields) == wanted and _ascending(fields))
        changes.append(Change(_int(kind), object_id, fields))
    _must(len(changes) == count[0] - 0x80)
    _must(len(changes) == 1 or _ascending([(change.object, change.kind) for change in changes]))
    return tuple(changes)


def _usual_bases(count: bytes, raw: bytes, changes: tuple[Change, ...]) -> dict[tuple[int, int], tuple[bytes, ...]]:
    bases: dict[tuple[int, int], tuple[bytes, ...]] = {}
    last = -1, -1
    for index_, field_, dots_n, dots_ in _BASES.findall(raw):
        key = index, field = _int(index_), _int(field_)
        _must(last < key and index < len(changes) and field in changes[index].fields)
        bases[key] = _ids(dots_n, dots_)
        last = key
    _must(len(bases) == count[0] - 0x80)
    return bases


def _ascending(values: Sequence[Any]) -> bool:
    return all(map(lt, values, values[1:]))


# --- commitment and payload ---


def salt(secret: bytes, index: int) -> bytes:
    """salt_i of `formats.md`: 32 bytes."""
    return hmac.digest(secret, index.to_bytes(4, "big"), "sha256")


def salts_of(secret: bytes, count: int) -> Iterator[bytes]:
    """salt_0 ... salt_{count-1}: HMAC (RFC 2104) with the key's two blocks hashed only once."""
    block = secret.ljust(64, b"\x00")
    inner, outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))
    for index in range(count):
        first, second = inner.copy(), outer.copy()
        first.update(index.to_bytes(4, "big"))
        second.update(first.digest())
        yield second.digest()


_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def commit_value(salt_bytes: bytes, object_id: bytes, field: int, value: Any) -> bytes:
    """c_i of `formats.md`: commitment to one value."""
    return sha256(b"\x10" + salt_bytes + encode([object_id, field, value])).digest()


def commit_all(commitments: Sequence[bytes]) -> bytes:
    """C of `formats.md`: commitment of the act."""
    return sha256(b"\x11" + len(commitments).to_bytes(4, "big") + b"".join(commitments)).digest()


@dataclass(frozen=True, slots=True)
class Payload:
    """The values of an entry in the order of its slots; `secret` is None once any of them is withheld."""

    secret: bytes | None
    values: tuple[Any, ...]
    salts: tuple[bytes | None, ...] = ()


def encode_payload(payload: Payload) -> bytes:
    """The D1 bytes of a payload, whole or with withheld values."""
    if payload.secret is not None:
        data = encode([payload.secret, list(payload.values)])
    else:
        pairs = zip(payload.salts, payload.values, strict=True)
        data = encode([None, [v.commitment if isinstance(v, Withheld) else [s, v] for s, v in pairs]])
    if len(data) > MAX_PAYLOAD:
        raise ChainBroken("payload-too-large", size=len(data))
    return data


def open_payload(entry: Entry, data: bytes) -> Payload:
    """The payload in `data`, checked against the commitment of `entry`; ChainBroken("commitment") when it differs."""
    if len(data) > MAX_PAYLOAD:
        raise ChainBroken("payload-too-large", size=len(data))
    try:
        payload, commitments = _open(entry, data)
    except (ValueError, IndexError):
        raise ChainBroken("payload-form") from None
    if commitments and commit_all(commitments) != entry.commitment:
        raise ChainBroken("commitment")
    return payload


def _open(entry: Entry, data: bytes) -> tuple[Payload, list[bytes]]:
    """The payload and c_0 ... c_{n-1}; the commitments are made over the bytes as they stand, D1 once read."""
    _must(data[:1] == b"\x82")
    secret, at = item(data, 1, 1)
    _must(secret is None or _is(secret, 32))
    major, count, at = head(data, at)
    _must(major == 4 and count == sum(len(change.fields) for change in entry.changes))
    salts: list[bytes | None] = [*salts_of(secret, count)] if secret is not None and count else [None] * count
    values: list[Any] = []
    commitments: list[bytes] = []
    index = 0
    for change in entry.changes:
        start = b"\x83\x50" + change.object
        for field in change.fields:
            if secret is None and data[at] != _PAIR:
                value, at = item(data, at, 2)
                _must(_is(value, 32))
                commitments.append(value)
                values.append(Withheld(value))
            else:
                if secret is None:
                    salts[index], at = item(data, at + 1, 3)
                    _must(_is(salts[index], 32))
                value, end = item(data, at, 2 if secret is not None else 3)
                own = salts[index] or b""
                commitments.append(sha256(b"\x10" + own + start + number(field) + data[at:end]).digest())
                values.append(tuple(value) if type(value) is list else value)
                at = end
            index += 1
    _must(at == len(data))
    return Payload(secret, tuple(values), tuple(salts) if secret is None else ()), commitments


_PAIR: Final = 0x82  # an array of two: salt and value


def withhold(entry: Entry, payload: Payload, keep: set[int]) -> Payload:
    """`payload` with only the values at the slot indices `keep`; the others leave their commitments."""
    values: list[Any] = []
    salts: list[bytes | None] = []
    for i, (_, change, field) in enumerate(entry.slots()):
        value = payload.values[i]
        own = salt(payload.secret, i) if payload.secret is not None else payload.salts[i]
        if i in keep or isinstance(value, Withheld) or own is None:
            values.append(value)
            salts.append(own)
        else:
            values.append(Withheld(commit_value(own, change.object, field, value)))
            salts.append(None)
    return Payload(None, tuple(values), tuple(salts))
