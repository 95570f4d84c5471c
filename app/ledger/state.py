"""What a whole log comes to, held in memory: registers of every object, streams of every root. The verifier's fold.

Entries are applied once each, in the order of the log. The rules are those of the county and of the tables: acts on
kinds that need authority count only from chains that have it at that position; an entry is in the stream of each root
it names and of each root that the objects it changes belong to once it is applied. Values are not kept, except the
links that say where an object belongs. Most objects were said once and never changed: they cost one tuple each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from app.ledger.authority import KINDS, Authority
from app.ledger.entry import Change, Entry
from app.ledger.registers import Register, fold_hash_in_order
from app.ledger.streams import advance, head_leaf, start
from app.ledger.tree import MapTree

Key = tuple[bytes, int]  # object, record kind


class Objects:
    """Registers of all objects. `homes`: record kind -> number of the field that links to the root."""

    def __init__(self, homes: Mapping[int, int], root_chain: bytes) -> None:
        self.authority = Authority(root_chain)
        self.inert = 0  # changes without the authority they need
        self._homes = homes
        self._plain: dict[Key, tuple[bytes, tuple[int, ...], Any]] = {}  # dot, fields, home; said once
        self._open: dict[Key, dict[int, Register]] = {}
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def apply(self, entry: Entry, dot: bytes, position: int, values: Sequence[Any]) -> set[bytes]:
        """Take up the act `entry` with its `values` in slot order; the roots whose streams it belongs to."""
        roots = set(entry.roots)
        at = 0
        for index, change in enumerate(entry.changes):
            said = values[at : at + len(change.fields)]
            at += len(change.fields)
            if change.kind in KINDS:
                if not self.authority.may_write(entry.chain, change.kind):
                    self.inert += 1
                    continue
                self.authority.apply(change, said)
            self._change(entry, index, change, dot, position, said)
            roots.add(self.root_of(change.object, change.kind))
        return roots

    def root_of(self, object_id: bytes, kind: int) -> bytes:
        """The root that an object belongs to now: where its home link leads, or itself."""
        field = self._homes.get(kind)
        if field is None:
            return object_id
        key = object_id, kind
        if plain := self._plain.get(key):
            home = plain[2]
        else:
            register = self._open.get(key, {}).get(field)
            home = register.shown() if register else None
        return home if isinstance(home, bytes) and len(home) == 16 else object_id

    def fold_hash(self) -> bytes:
        """Fold hash of `formats.md` over all registers."""
        return fold_hash_in_order(self._live())

    def __len__(self) -> int:
        return len(self._plain) + len(self._open)

    def _change(self, entry: Entry, index: int, change: Change, dot: bytes, position: int, said: Sequence[Any]) -> None:
        key = change.object, change.kind
        home = self._homes.get(change.kind)
        replaced = any((index, field) in entry.bases for field in change.fields) if entry.bases else False
        if not replaced and key not in self._plain and key not in self._open:
            shape = self._shapes.setdefault(change.fields, change.fields)
            link = said[shape.index(home)] if home is not None and home in shape else None
            self._plain[key] = dot, shape, link
            return
        registers = self._opened(key, home)
        for field, value in zip(change.fields, said, strict=True):
            register = registers.get(field)
            if register is None:
                register = registers[field] = Register()
            kept = value if field == home else None
            register.apply(dot, position, kept, entry.bases.get((index, field), ()))

    def _opened(self, key: Key, home: int | None) -> dict[int, Register]:
        """The registers of an object that is no longer as its first entry said it."""
        registers = self._open.setdefault(key, {})
        if plain := self._plain.pop(key, None):
            dot, fields, link = plain
            for field in fields:
                register = registers[field] = Register()
                # A position before every later one: the order among live values is that of arrival.
                register.live[dot] = (-1, link if field == home else None)
        return registers

    def _live(self) -> Iterator[tuple[tuple[bytes, int], Iterable[bytes]]]:
        """(object, field) and its live dots, ascending; what several kinds say of one id comes together."""
        keys = sorted([*self._plain, *self._open])
        for object_id, group in groupby(keys, key=itemgetter(0)):
            found: dict[int, set[bytes]] = {}
            for key in group:
                if plain := self._plain.get(key):
                    for field in plain[1]:
                        found.setdefault(field, set()).add(plain[0])
                else:
                    for field, register in self._open[key].items():
                        found.setdefault(field, set()).update(register.live)
            for field in sorted(found):
                yield (object_id, field), found[field]


class Streams:
    """Heads of all streams and the tree over them; a root's leaf stands where the root came first."""

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[int, int, bytes]] = {}  # root -> index, n, H_n
        self._tree = MapTree()
        self._touched: set[bytes] = set()

    def append(self, roots: Iterable[bytes], identity: bytes) -> None:
        """Append an entry to the streams of `roots`; new ones take their place in ascending order."""
        for root in sorted(roots):
            index, n, head = self._heads.get(root) or (len(self._heads), 0, start(root))
            self._heads[root] = index, n + 1, advance(head, identity)
            self._touched.add(root)

    def heads(self) -> tuple[int, bytes]:
        """Number of streams and root hash of the tree of their heads."""
        known, fresh, changed = self._tree.size, [], {}
        for root in self._touched:
            index, n, head = self._heads[root]
            leaf = head_leaf(root, n, head)
            if index < known:
                changed[index] = leaf
            else:
                fresh.append((index, leaf))
        self._touched.clear()
        self._tree.replace_all(changed)
        self._tree.extend(leaf for _, leaf in sorted(fresh))
        return len(self._heads), self._tree.root()
