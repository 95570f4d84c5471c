"""`formats.md` read a second time, by the letter and without the program: the source of the frozen vectors.

`python -m tests.ledger.independent` writes them anew into `tests/vectors/`; the tests hold the program to them, and to
this module for values that chance makes. In the JSON files bytes are `{"hex": …}`, maps
`{"map": [[key, value], …]}`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent.parent / "vectors"


def sha(*parts: bytes) -> bytes:
    """SHA-256 of the parts, joined."""
    return hashlib.sha256(b"".join(parts)).digest()


# --- D1 ---


def head(major: int, value: int) -> bytes:
    """RFC 8949, 3: the shortest head."""
    if value <= 23:
        return bytes([major * 32 + value])
    if value <= 0xFF:
        return bytes([major * 32 + 24]) + value.to_bytes(1, "big")
    if value <= 0xFFFF:
        return bytes([major * 32 + 25]) + value.to_bytes(2, "big")
    if value <= 0xFFFFFFFF:
        return bytes([major * 32 + 26]) + value.to_bytes(4, "big")
    return bytes([major * 32 + 27]) + value.to_bytes(8, "big")


def d1(value: Any) -> bytes:
    """The D1 encoding of a value that has one."""
    match value:
        case None:
            return b"\xf6"
        case True:
            return b"\xf5"
        case False:
            return b"\xf4"
        case int() if value >= 0:
            return head(0, value)
        case int():
            return head(1, -value - 1)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case list() | tuple():
            return head(4, len(value)) + b"".join(d1(part) for part in value)
        case dict():
            pairs = sorted((d1(key), d1(part)) for key, part in value.items())
            return head(5, len(value)) + b"".join(key + part for key, part in pairs)
    raise TypeError


# --- entry, commitment, payload ---


def chain_id(key: bytes, nonce: bytes) -> bytes:
    return sha(b"chain", key, nonce)[:16]


def entry_id(data: bytes) -> bytes:
    return sha(b"\x00", data)


def signed(data: bytes) -> bytes:
    return b"dossier-entry/1\n" + entry_id(data)


def salt(secret: bytes, index: int) -> bytes:
    return hmac.new(secret, index.to_bytes(4, "big"), "sha256").digest()


def commitment_of(salt_bytes: bytes, object_id: bytes, field: int, value: Any) -> bytes:
    return sha(b"\x10", salt_bytes, d1([object_id, field, value]))


def commitment(secret: bytes, slots: Sequence[tuple[bytes, int, Any]]) -> bytes:
    """C over (object, field, value) in order."""
    each = [commitment_of(salt(secret, i), *slot) for i, slot in enumerate(slots)]
    return sha(b"\x11", len(each).to_bytes(4, "big"), *each)


def payload(secret: bytes, slots: Sequence[tuple[bytes, int, Any]], keep: Sequence[int] | None = None) -> bytes:
    """The whole payload, or the one where only the values `keep` are left."""
    if keep is None:
        return d1([secret, [value for _, _, value in slots]])
    items: list[Any] = []
    for i, (object_id, field, value) in enumerate(slots):
        own = salt(secret, i)
        items.append([own, value] if i in keep else commitment_of(own, object_id, field, value))
    return d1([None, items])


# --- streams, digest, fold ---


def stream(root: bytes, ids: Sequence[bytes]) -> list[bytes]:
    """H_0 ... H_n."""
    heads = [sha(b"\x03", root)]
    for identity in ids:
        heads.append(sha(b"\x02", heads[-1], identity))
    return heads


def head_leaf(root: bytes, n: int, head_n: bytes) -> bytes:
    return sha(b"\x00", d1([root, n, head_n]))


def digest_of_held(heads: Mapping[bytes, tuple[int, bytes]]) -> bytes:
    buckets = []
    for k in range(256):
        inside = sorted(root for root in heads if root[0] == k)
        buckets.append(sha(b"\x05", *(root + heads[root][0].to_bytes(8, "big") + heads[root][1] for root in inside)))
    return sha(b"\x04", *buckets)


def fold_hash(registers: Mapping[tuple[bytes, int], Sequence[bytes]]) -> bytes:
    return sha(b"\x06", *(d1([*key, sorted(registers[key])]) for key in sorted(registers) if registers[key]))


# --- JSON ---


def to_json(value: Any) -> Any:
    """A value as it stands in a vector file."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {"map": [[key, to_json(part)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    return value


def from_json(value: Any) -> Any:
    """The value in a vector file."""
    if isinstance(value, dict):
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        return {key: from_json(part) for key, part in value["map"]}
    if isinstance(value, list):
        return [from_json(part) for part in value]
    return value


def read(name: str) -> Any:
    """A vector file."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


# --- the vectors ---

D1_VALUES: tuple[Any, ...] = (
    *(0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -1, -24, -25, -256, -257, -(2**63)),
    *(None, True, False, b"", b"\x00", bytes(23), bytes(24), bytes(300), "", "a", "户主", "一\n二", "𠮷", "豈", "é"),
    *([], [1, [2, [3]]], [None, True, ""], {}, {0: 1}, {255: "b", 1: "a", 24: [], 65_536: {}}),
    [[[[[[[[1]]]]]]]],
)

# What is CBOR but not D1, or not CBOR.
D1_REFUSED: tuple[tuple[str, str], ...] = (
    ("", "nothing"),
    ("0000", "something behind"),
    ("1800", "0 in two bytes"),
    ("1817", "23 in two bytes"),
    ("1900ff", "255 in three bytes"),
    ("1a0000ffff", "65535 in five bytes"),
    ("1b00000000ffffffff", "2^32-1 in nine bytes"),
    ("3800", "-1 in two bytes"),
    ("3b8000000000000000", "below -2^63"),
    ("5800", "length in two bytes"),
    ("5f4100ff", "indefinite bytes"),
    ("7f6161ff", "indefinite text"),
    ("9f00ff", "indefinite array"),
    ("bf0000ff", "indefinite map"),
    ("41", "bytes that end too early"),
    ("5affffffff", "bytes that are not there"),
    ("9affffffff", "items that are not there"),
    ("a10001ff", "map with a break"),
    ("a2010002", "map that ends too early"),
    ("a201000100", "key twice"),
    ("a202000100", "keys out of order"),
    ("a16161f6", "text as key"),
    ("a120f6", "negative key"),
    ("a140f6", "bytes as key"),
    ("c000", "tag"),
    ("c24101", "big number"),
    ("f93c00", "half float"),
    ("fa3f800000", "float"),
    ("fb3ff0000000000000", "double"),
    ("f7", "undefined"),
    ("e0", "simple value 0"),
    ("f8ff", "simple value 255"),
    ("ff", "break"),
    ("1c", "reserved head"),
    ("6100", "control character"),
    ("6109", "tabulator"),
    ("617f", "delete"),
    ("62c285", "next line"),
    ("61ff", "not UTF-8"),
    ("63eda080", "surrogate"),
    ("62c080", "overlong UTF-8"),
    ("81" * 9 + "00", "nine levels deep"),
)

CHAIN, ACTOR, HOUSE, PERSON, RUN = (bytes([n]) * 16 for n in (0xC1, 0xA1, 0x10, 0x20, 0x30))
PREV, ROOT, SECRET = (bytes([n]) * 32 for n in (0xE1, 0xE2, 0x5E))
DOTS = [bytes([n]) * 16 for n in (0xD1, 0xD2)]
WALL = 1_780_000_000_000

SLOTS: tuple[tuple[bytes, int, Any], ...] = (
    (HOUSE, 0, True),
    (HOUSE, 1, "户主甲"),
    (HOUSE, 30, 120_00),
    (PERSON, 2, None),
    (PERSON, 300, ["01", "02"]),
)


def tables() -> dict[str, dict[int, Any]]:
    """Entries as the maps of `formats.md`."""
    bare = {1: 1, 2: CHAIN, 3: 1, 4: PREV, 12: WALL, 14: 1, 17: 7}
    changes = [[10, HOUSE, [0, 1, 30]], [11, PERSON, [2, 300]]]
    full = {
        **bare,
        5: 3,
        6: 3,
        7: [HOUSE, PERSON],
        8: changes,
        9: [[0, 1, DOTS], [1, 300, DOTS[:1]]],
        10: commitment(SECRET, SLOTS),
        11: ACTOR,
        13: [3, 7_654_321],
        15: [0, 1042, ROOT],
        16: [RUN, PREV],
    }
    old = d1(full)
    return {
        "genesis": {
            1: 1,
            2: chain_id(ROOT, RUN),
            3: 0,
            4: bytes(32),
            5: 1,
            7: [ACTOR],
            11: ACTOR,
            12: WALL,
            14: 1,
            17: 7,
            19: {1: 1, 2: ROOT, 3: RUN, 11: "试验县", 12: True},
        },
        "act": full,
        "act without values": {**bare, 5: 3, 6: 11, 7: [HOUSE], 11: ACTOR, 16: [RUN]},
        "bare act": {**bare, 5: 3},
        "rotate": {**bare, 5: 5, 11: ACTOR, 19: {1: 1, 2: ROOT}},
        "redact": {**bare, 5: 9, 11: ACTOR, 19: {1: [[PREV, [0, 4]]]}},
        "heads": {**bare, 5: 11, 11: ACTOR, 19: {1: 4, 2: ROOT}},
        "act signed again": {**full, 3: 5, 4: ROOT, 18: [old, bytes(64)]},
        "unknown kind": {**bare, 3: 2**32, 5: 1000, 12: -5},
    }


def refused_entries() -> dict[str, Any]:
    """Values whose D1 encoding is no entry: one change each to the full act."""
    full = tables()["act"]
    house, person = full[8]

    def less(key: int) -> dict[int, Any]:
        return {k: v for k, v in full.items() if k != key}

    return {
        "no map": [1, 2],
        "no keys": {},
        **{f"without key {key}": less(key) for key in (1, 2, 3, 4, 5, 10, 12, 14, 17)},
        "changes without commitment": less(10),
        "commitment without changes": {k: v for k, v in full.items() if k not in (8, 9)},
        "another version": {**full, 1: 2},
        "version true": {**full, 1: True},
        "unknown key": {**full, 20: 1},
        "key 0": {0: 1, **full},
        "short chain": {**full, 2: bytes(15)},
        "first with prev": {**full, 3: 0},
        "later without prev": {**full, 4: bytes(32)},
        "kind 0": {**full, 5: 0},
        "act 0": {**full, 6: 0},
        "negative seq": {**full, 3: -1},
        "no roots": {**full, 7: []},
        "roots out of order": {**full, 7: [PERSON, HOUSE]},
        "root twice": {**full, 7: [HOUSE, HOUSE]},
        "long root": {**full, 7: [bytes(17)]},
        "no changes": {**full, 8: []},
        "changes out of order": {**full, 8: [person, house]},
        "change twice": {**full, 8: [house, house]},
        "no fields": {**full, 8: [[10, HOUSE, []], person]},
        "fields out of order": {**full, 8: [[10, HOUSE, [1, 0, 30]], person]},
        "field twice": {**full, 8: [[10, HOUSE, [1, 1, 30]], person]},
        "fields as bytes": {**full, 8: [[10, HOUSE, b"\x00\x01\x1e"], person]},
        "negative field": {**full, 8: [[10, HOUSE, [-1, 0, 1]], person]},
        "base of no change": {**full, 9: [[2, 1, DOTS]]},
        "base of no field": {**full, 9: [[0, 2, DOTS]]},
        "base without dots": {**full, 9: [[0, 1, []]]},
        "dots out of order": {**full, 9: [[0, 1, DOTS[::-1]]]},
        "bases out of order": {**full, 9: [[1, 300, DOTS], [0, 1, DOTS]]},
        "base twice": {**full, 9: [[0, 1, DOTS], [0, 1, DOTS]]},
        "short commitment": {**full, 10: bytes(31)},
        "long actor": {**full, 11: bytes(17)},
        "wall as text": {**full, 12: "now"},
        "mono as bytes": {**full, 13: b"\x01\x02"},
        "mono of three": {**full, 13: [1, 2, 3]},
        "seen without root": {**full, 15: [0, 1]},
        "ref of 17 bytes": {**full, 16: [bytes(17)]},
        "no refs": {**full, 16: []},
        "original without signature": {**full, 18: [b"", b""]},
        "body as list": {**full, 19: []},
    }


def vectors() -> dict[str, Any]:
    """File name -> content."""
    ids = [sha(b"entry", bytes([n])) for n in range(5)]
    roots = {HOUSE: 5, PERSON: 2, ROOT[:16]: 0}
    heads = {root: (n, stream(root, ids)[n]) for root, n in roots.items()}
    registers = {(HOUSE, 1): DOTS, (HOUSE, 0): DOTS[:1], (HOUSE, 300): DOTS[1:], (PERSON, 2): []}
    return {
        "d1.json": {
            "taken": [{"value": to_json(value), "hex": d1(value).hex()} for value in D1_VALUES],
            "refused": [{"hex": data, "why": why} for data, why in D1_REFUSED],
        },
        "entry.json": {
            "taken": [
                {
                    "name": name,
                    "table": to_json(table),
                    "hex": d1(table).hex(),
                    "id": entry_id(d1(table)).hex(),
                    "dot": entry_id(table[18][0] if 18 in table else d1(table))[:16].hex(),
                    "signed": signed(d1(table)).hex(),
                }
                for name, table in tables().items()
            ],
            "refused": [{"name": name, "hex": d1(table).hex()} for name, table in refused_entries().items()],
        },
        "payload.json": {
            "entry": d1(tables()["act"]).hex(),
            "secret": SECRET.hex(),
            "salts": [salt(SECRET, i).hex() for i in range(len(SLOTS))],
            "commitments": [commitment_of(salt(SECRET, i), *slot).hex() for i, slot in enumerate(SLOTS)],
            "commitment": commitment(SECRET, SLOTS).hex(),
            "values": to_json([value for _, _, value in SLOTS]),
            "whole": payload(SECRET, SLOTS).hex(),
            "withheld": [
                {"keep": list(keep), "hex": payload(SECRET, SLOTS, keep).hex()} for keep in ((), (1,), (0, 2, 4))
            ],
        },
        "streams.json": {
            "ids": [identity.hex() for identity in ids],
            "roots": [
                {
                    "root": root.hex(),
                    "heads": [head_n.hex() for head_n in stream(root, ids)],
                    "n": n,
                    "leaf": head_leaf(root, *heads[root]).hex(),
                }
                for root, n in roots.items()
            ],
            "digest": digest_of_held(heads).hex(),
            "digest of nothing": digest_of_held({}).hex(),
        },
        "fold.json": {
            "registers": [
                {"object": key[0].hex(), "field": key[1], "dots": [dot.hex() for dot in dots]}
                for key, dots in registers.items()
            ],
            "hash": fold_hash(registers).hex(),
            "hash of nothing": fold_hash({}).hex(),
        },
    }


def main() -> None:
    """Write the vectors."""
    for name, content in vectors().items():
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (VECTORS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
