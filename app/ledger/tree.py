"""The Merkle tree of RFC 6962 and RFC 9162 (2.1): roots and proofs for the log and for the heads of streams.

Leaf hash = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right), empty tree = SHA-256 of nothing.

Rules: only *complete* nodes are stored, node (level, index) covering the leaves index * 2^level up to
(index + 1) * 2^level exclusive; a stored node of a `Tree` never changes, so a log answers for every earlier
size too. Nodes of the ragged right edge are computed when asked for. Making proofs trusts the stored nodes;
the `verify_*` functions trust only their arguments, share only the node hash with it, and raise ChainBroken.
A proof binds to its *root*; that a root belongs to a size is what a signed checkpoint says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Protocol, Self

from app.errors import ChainBroken

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()
LARGEST_SIZE = 2**63 - 1


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf holding `data` (RFC 6962, 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of the node above two 32-byte hashes (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Nodes(Protocol):
    """Where complete nodes are kept. `get` is asked only for nodes that were put."""

    def get(self, level: int, index: int) -> bytes: ...

    def put(self, level: int, index: int, node: bytes) -> None: ...


class MemoryNodes:
    """Complete nodes in lists, one a level. Nodes of a level are first put in ascending order."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def get(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    def put(self, level: int, index: int, node: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
        row = self._levels[level]
        if index == len(row):
            row.append(node)
        else:
            row[index] = node


class Tree:
    """An append-only tree over stored nodes: append amortised O(1), root and proofs of past sizes O(log n).

    `Tree(nodes, size)` takes up what storage holds. The tree keeps its size and its peaks in memory: after a
    rolled back transaction it no longer fits its storage and is opened anew, which costs O(log n) reads.
    Sizes and positions that the tree does not have raise ValueError: who takes them from outside checks.
    """

    __slots__ = ("_nodes", "_peaks", "_size")

    def __init__(self, nodes: Nodes | None = None, size: int = 0) -> None:
        self._nodes: Nodes = MemoryNodes() if nodes is None else nodes
        self._size = size
        # The complete subtrees the tree consists of, largest first: one for each 1 in the binary size.
        self._peaks = [
            self._nodes.get(level, (size >> level) - 1)
            for level in reversed(range(size.bit_length()))
            if size >> level & 1
        ]

    @classmethod
    def of(cls, leaf_hashes: Iterable[bytes], nodes: Nodes | None = None) -> Self:
        """A tree built anew from its leaf hashes."""
        tree = cls(nodes)
        tree.extend(leaf_hashes)
        return tree

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> int:
        """Appends one leaf hash (32 bytes) and returns its position."""
        self.extend((leaf,))
        return self._size - 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Appends leaf hashes in order."""
        put, peaks, index = self._nodes.put, self._peaks, self._size
        for leaf in leaf_hashes:
            put(0, index, leaf)
            node, level, above = leaf, 0, index
            while above & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                level += 1
                above >>= 1
                put(level, above, node)
            peaks.append(node)
            index += 1
            # Kept in step with the peaks, in case the iterable fails half way.
            self._size = index

    def root(self, size: int | None = None) -> bytes:
        """Root hash of the first `size` leaves; of all without an argument."""
        if size is not None and size != self._size:
            self._check_size(size)
            return self._edge(size)
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            node = node_hash(peak, node)
        return node

    def leaf(self, index: int) -> bytes:
        """The leaf hash at a position."""
        if not 0 <= index < self._size:
            raise ValueError(f"no leaf {index} in a tree of {self._size}")
        return self._nodes.get(0, index)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Audit path of leaf `index` in the first `size` leaves (RFC 6962, 2.1.1)."""
        return self.range_proof(index, index + 1, size)

    def range_proof(self, start: int, end: int, size: int) -> list[bytes]:
        """One proof that the leaves `start` up to `end` exclusive stand in the first `size` leaves.

        From the leaves upwards, on each level first the sibling left of the range, then the one right of it,
        where there is one. For a single leaf that is its audit path of RFC 6962.
        """
        self._check_size(size)
        if not 0 <= start < end <= size:
            raise ValueError(f"no leaves {start} to {end} in a tree of {size}")
        return self._path(0, start, end - 1, size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Proof that the first `new` leaves begin with the first `old`, at least one (RFC 6962, 2.1.2)."""
        self._check_size(new)
        if not 1 <= old <= new:
            raise ValueError(f"no proof from {old} to {new} leaves")
        if old == new:
            return []
        # The last complete subtree of the old tree, and from there upwards as for a leaf.
        index, level = old - 1, 0
        while index & 1:
            index >>= 1
            level += 1
        start = [self._nodes.get(level, index)] if index else []
        return start + self._path(level, index, index, new)

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self._size:
            raise ValueError(f"no size {size} in a tree of {self._size}")

    def _edge(self, size: int) -> bytes:
        """Root of the first `size` leaves from stored nodes only."""
        if not size:
            return EMPTY_ROOT
        get, last, level = self._nodes.get, size - 1, 0
        edge = get(0, last)
        while last:
            if last & 1:
                edge = node_hash(get(level, last - 1), edge)
            last >>= 1
            level += 1
        return edge

    def _path(self, level: int, low: int, high: int, size: int) -> list[bytes]:
        """What must be known beside nodes `low` to `high` of `level` to compute the root of `size` leaves."""
        get, last, height = self._nodes.get, size - 1, 0
        edge = get(0, last)  # the last node of each level on the way up, complete or ragged
        path: list[bytes] = []
        while last:
            if height >= level:
                if low & 1:
                    path.append(get(height, low - 1))
                if high < last and not high & 1:
                    path.append(edge if high + 1 == last else get(height, high + 1))
                low >>= 1
                high >>= 1
            if last & 1:
                edge = node_hash(get(height, last - 1), edge)
            last >>= 1
            height += 1
        return path


class MapTree(Tree):
    """A tree whose leaves keep their position but may be replaced: the heads of streams.

    O(log n) an update. Only proofs for the present size mean something: an earlier size shows today's leaves.
    """

    __slots__ = ()

    def replace(self, index: int, leaf: bytes) -> None:
        """Puts another leaf hash (32 bytes) at a position that there is."""
        if not 0 <= index < self._size:
            raise ValueError(f"no leaf {index} in a tree of {self._size}")
        get, put = self._nodes.get, self._nodes.put
        node, level, complete = leaf, 0, self._size
        put(0, index, node)
        while index | 1 < complete:
            beside = get(level, index ^ 1)
            node = sha256(b"\x01" + (beside + node if index & 1 else node + beside)).digest()
            index >>= 1
            complete >>= 1
            level += 1
            put(level, index, node)
        # The first node whose neighbour is not complete is a peak; the larger ones stand before it.
        self._peaks[complete.bit_count() - 1] = node

    def replace_all(self, leaves: Mapping[int, bytes]) -> None:
        """Puts other leaf hashes at positions that there are; nodes above several of them are computed once."""
        if leaves and not 0 <= min(leaves) <= max(leaves) < self._size:
            raise ValueError(f"no such leaves in a tree of {self._size}")
        get, put = self._nodes.get, self._nodes.put
        row, level, complete = dict(leaves), 0, self._size
        while row:
            above: dict[int, bytes] = {}
            for index, node in row.items():
                put(level, index, node)
            for index, node in row.items():
                if index | 1 >= complete:
                    self._peaks[complete.bit_count() - 1] = node
                elif index >> 1 not in above:
                    beside = row.get(index ^ 1) or get(level, index ^ 1)
                    pair = beside + node if index & 1 else node + beside
                    above[index >> 1] = sha256(b"\x01" + pair).digest()
            row, level, complete = above, level + 1, complete >> 1


def root_of_leaves(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root by the recursive definition of RFC 6962, 2.1: a second computation, sharing nothing with Tree."""

    def subtree(start: int, end: int) -> bytes:
        count = end - start
        if count == 1:
            return leaf_hashes[start]
        split = start + (1 << (count - 1).bit_length() - 1)
        return sha256(b"\x01" + subtree(start, split) + subtree(split, end)).digest()

    return subtree(0, len(leaf_hashes)) if leaf_hashes else EMPTY_ROOT


def verify_growth(nodes: Nodes, old_size: int, old_root: bytes, leaf_hashes: Sequence[bytes]) -> bytes:
    """The bit-flip guard before a checkpoint is signed: the root, computed from what storage holds, after
    `leaf_hashes` (at least one) were stored behind `old_size` leaves whose root `old_root` was signed.

    `leaf_hashes` come from the entry bytes anew, `old_root` from the last checkpoint, `nodes` from storage,
    not from a cache. One flipped bit in a stored leaf hash ended a public log for good (Yeti 2022).
    O(log n + leaves).
    Raises ChainBroken as `verify_consistency` and `verify_range` do.
    """
    new_size = old_size + len(leaf_hashes)
    stored = Tree(nodes, new_size)
    root = stored.root()
    if old_size:
        verify_consistency(old_size, old_root, new_size, root, stored.consistency_proof(old_size, new_size))
    verify_range(old_size, leaf_hashes, new_size, stored.range_proof(old_size, new_size, new_size), root)
    return root


def verify_inclusion(index: int, leaf: bytes, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ChainBroken `inclusion-proof-wrong` unless `proof` leads from the leaf hash at `index` to
    `root`, the root hash of a tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    verify_range(index, (leaf,), size, proof, root)


def verify_range(start: int, leaf_hashes: Sequence[bytes], size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ChainBroken `inclusion-proof-wrong` unless `proof` leads from the leaf hashes (at least one) at
    `start` and following to `root`, the root hash of a tree of `size` leaves; all hashes have 32 bytes, none
    is left over."""
    broken = ChainBroken("inclusion-proof-wrong", start=start, count=len(leaf_hashes), size=size)
    if not (leaf_hashes and start >= 0 and start + len(leaf_hashes) <= size <= LARGEST_SIZE):
        raise broken
    if not (_are_hashes(proof) and _are_hashes(leaf_hashes)):
        raise broken
    row, low, last = list(leaf_hashes), start, size - 1
    rest = iter(proof)
    while last:
        try:
            if low & 1:
                row.insert(0, next(rest))
                low -= 1
            if len(row) & 1 and low + len(row) <= last:
                row.append(next(rest))
        except StopIteration:
            raise broken from None
        # Only the last node of a level can be left without a partner: it stands unchanged on the level above.
        alone = row[-1:] if len(row) & 1 else []
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)] + alone
        low >>= 1
        last >>= 1
    if row != [root] or next(rest, None) is not None:
        raise broken


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises ChainBroken `consistency-proof-wrong` unless the tree of `new` leaves begins with the tree of
    `old` leaves, at least one: a proof from nothing shows nothing (RFC 9162, 2.1.4.2)."""
    broken = ChainBroken("consistency-proof-wrong", old=old, new=new)
    if not 1 <= old <= new <= LARGEST_SIZE:
        raise broken
    if old == new:
        if proof or old_root != new_root:
            raise broken
        return
    # Before anything is hashed: the border between two hashes must not move.
    if not _are_hashes([*proof, old_root, new_root]):
        raise broken
    index, last = old - 1, new - 1
    while index & 1:
        index >>= 1
        last >>= 1
    rest: Iterator[bytes] = iter(proof)
    # An old tree that is complete is itself the first node; its root need not be sent.
    first = next(rest, None) if index else old_root
    if first is None:
        raise broken
    old_node = new_node = first
    while last:
        if index & 1 or index < last:
            beside = next(rest, None)
            if beside is None:
                raise broken
            if index & 1:
                old_node = node_hash(beside, old_node)
                new_node = node_hash(beside, new_node)
            else:
                new_node = node_hash(new_node, beside)
        index >>= 1
        last >>= 1
    if old_node != old_root or new_node != new_root or next(rest, None) is not None:
        raise broken


def _are_hashes(hashes: Iterable[bytes]) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)
