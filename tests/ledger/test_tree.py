"""The Merkle tree against others' vectors, against its own frozen ones, and against chance."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ChainBroken
from app.ledger.tree import (
    EMPTY_ROOT,
    LARGEST_SIZE,
    MapTree,
    MemoryNodes,
    Tree,
    leaf_hash,
    node_hash,
    root_of_leaves,
    verify_consistency,
    verify_growth,
    verify_inclusion,
    verify_range,
)

VECTORS = Path(__file__).parent.parent / "vectors"
MOST = 300
LEAVES = [leaf_hash(i.to_bytes(8, "big")) for i in range(MOST)]
TREE = Tree.of(LEAVES)
ROOTS = [root_of_leaves(LEAVES[:size]) for size in range(MOST + 1)]


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


OWN = read("tree.json")
INCLUSION: dict[str, Any] = read("foreign/merkle-inclusion.json")
CONSISTENCY: dict[str, Any] = read("foreign/merkle-consistency.json")


# --- others' vectors -------------------------------------------------------------------------------------


def test_foreign_cases_are_all_there() -> None:
    for cases in (INCLUSION, CONSISTENCY):
        assert len(cases) == 98
        assert sum(case["wantErr"] for case in cases.values()) == 92


@pytest.mark.parametrize("name", INCLUSION)
def test_foreign_inclusion(name: str) -> None:
    case = INCLUSION[name]
    proof = [b64decode(each) for each in case["proof"] or []]
    leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
    if case["wantErr"]:
        with pytest.raises(ChainBroken, match="inclusion-proof-wrong"):
            verify_inclusion(case["leafIdx"], leaf, case["treeSize"], proof, root)
    else:
        verify_inclusion(case["leafIdx"], leaf, case["treeSize"], proof, root)


@pytest.mark.parametrize("name", CONSISTENCY)
def test_foreign_consistency(name: str) -> None:
    case = CONSISTENCY[name]
    proof = [b64decode(each) for each in case["proof"] or []]
    old_root, new_root = b64decode(case["root1"]), b64decode(case["root2"])
    if case["wantErr"]:
        with pytest.raises(ChainBroken, match="consistency-proof-wrong"):
            verify_consistency(case["size1"], old_root, case["size2"], new_root, proof)
    else:
        verify_consistency(case["size1"], old_root, case["size2"], new_root, proof)


# --- own frozen vectors, made by an implementation that follows the text of RFC 6962 word by word ---------


def test_frozen_roots() -> None:
    for size, root in OWN["roots"].items():
        assert TREE.root(int(size)).hex() == root
        assert Tree.of(LEAVES[: int(size)]).root().hex() == root
        assert root_of_leaves(LEAVES[: int(size)]).hex() == root


def test_frozen_inclusion_proofs() -> None:
    for case in OWN["inclusion"]:
        proof = TREE.inclusion_proof(case["index"], case["size"])
        assert proof == hashes(case["proof"])
        verify_inclusion(case["index"], LEAVES[case["index"]], case["size"], proof, ROOTS[case["size"]])


def test_frozen_range_proofs() -> None:
    for case in OWN["range"]:
        start, end, size = case["start"], case["end"], case["size"]
        proof = TREE.range_proof(start, end, size)
        assert proof == hashes(case["proof"])
        verify_range(start, LEAVES[start:end], size, proof, ROOTS[size])


def test_frozen_consistency_proofs() -> None:
    for case in OWN["consistency"]:
        proof = TREE.consistency_proof(case["old"], case["new"])
        assert proof == hashes(case["proof"])
        verify_consistency(case["old"], ROOTS[case["old"]], case["new"], ROOTS[case["new"]], proof)


def test_frozen_replacements() -> None:
    case = OWN["replaced"]
    tree = MapTree.of(LEAVES[: case["size"]])
    for leaf in case["leaves"]:
        tree.replace(leaf["index"], leaf_hash(bytes.fromhex(leaf["data"])))
    assert tree.root().hex() == case["root"]


# --- everything that holds -------------------------------------------------------------------------------


def test_every_small_proof_holds() -> None:
    for size in range(1, 34):
        for start in range(size):
            assert TREE.inclusion_proof(start, size) == TREE.range_proof(start, start + 1, size)
            verify_inclusion(start, LEAVES[start], size, TREE.inclusion_proof(start, size), ROOTS[size])
            for end in range(start + 1, size + 1):
                verify_range(start, LEAVES[start:end], size, TREE.range_proof(start, end, size), ROOTS[size])
        for old in range(1, size + 1):
            verify_consistency(old, ROOTS[old], size, ROOTS[size], TREE.consistency_proof(old, size))


def test_every_size_has_its_root_and_is_taken_up_again() -> None:
    nodes = MemoryNodes()
    for size, leaf in enumerate(LEAVES):
        tree = Tree(nodes, size)
        assert tree.root() == ROOTS[size] == TREE.root(size)
        assert tree.append(leaf) == size
        assert tree.root() == ROOTS[size + 1]
        assert tree.root(size) == ROOTS[size]


def test_only_complete_nodes_are_kept_and_each_once() -> None:
    class Once:
        def __init__(self) -> None:
            self.kept: dict[tuple[int, int], bytes] = {}

        def get(self, level: int, index: int) -> bytes:
            return self.kept[level, index]

        def put(self, level: int, index: int, node: bytes) -> None:
            assert (level, index) not in self.kept
            assert index + 1 << level <= MOST
            self.kept[level, index] = node

    nodes = Once()
    tree = Tree.of(LEAVES, nodes)
    assert len(nodes.kept) == sum(MOST >> level for level in range(MOST.bit_length()))
    assert tree.root() == ROOTS[MOST]
    assert tree.consistency_proof(77, 200) == TREE.consistency_proof(77, 200)
    assert tree.range_proof(77, 120, 200) == TREE.range_proof(77, 120, 200)


def test_a_failing_source_of_leaves_leaves_the_tree_whole() -> None:
    def broken() -> Any:
        yield from LEAVES[:5]
        raise EOFError

    tree = Tree()
    with pytest.raises(EOFError):
        tree.extend(broken())
    tree.extend(LEAVES[5:9])
    assert tree.root() == ROOTS[9]
    assert tree.leaf(8) == LEAVES[8]


@given(st.integers(1, MOST), st.data())
def test_proofs_hold(size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    old = data.draw(st.integers(1, size))
    proof = TREE.range_proof(start, end, size)
    verify_range(start, LEAVES[start:end], size, proof, ROOTS[size])
    assert len(proof) <= 2 * (size - 1).bit_length()
    verify_consistency(old, ROOTS[old], size, ROOTS[size], TREE.consistency_proof(old, size))


@given(st.integers(1, MOST), st.data())
def test_replaced_leaves_give_the_root_of_a_new_tree(size: int, data: st.DataObject) -> None:
    nodes = MemoryNodes()
    tree, leaves = MapTree.of(LEAVES[:size], nodes), LEAVES[:size]
    for _ in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, len(leaves) - 1))
        leaves[index] = sha256(data.draw(st.binary(max_size=4))).digest()
        tree.replace(index, leaves[index])
        if data.draw(st.booleans()):
            leaves.append(sha256(b"more").digest())
            tree.append(leaves[-1])
        assert tree.root() == root_of_leaves(leaves) == MapTree(nodes, len(leaves)).root()
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.inclusion_proof(index, len(leaves))
    verify_inclusion(index, leaves[index], len(leaves), proof, tree.root())


# --- everything that does not ----------------------------------------------------------------------------


def flipped(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")


def mutated(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """Another proof: a bit flipped, a hash dropped, doubled, cut or put in."""
    place = data.draw(st.integers(0, len(proof)))
    if place == len(proof):
        return [*proof, data.draw(st.sampled_from([ROOTS[1], b"", *proof]))]
    before, here, after = proof[:place], proof[place], proof[place + 1 :]
    instead = data.draw(st.sampled_from([[flipped(here, data)], [], [here, here], [here[:-1]]]))
    return before + instead + after


@given(st.integers(2, MOST), st.data())
def test_a_changed_range_is_refused(size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    leaves, proof, root = LEAVES[start:end], TREE.range_proof(start, end, size), ROOTS[size]
    match data.draw(st.sampled_from(["start", "leaf", "shorter", "longer", "swapped", "proof", "root"])):
        case "start":
            start = data.draw(st.integers(-1, size).filter(lambda other: other != start))
        case "leaf":
            place = data.draw(st.integers(0, len(leaves) - 1))
            leaves = [*leaves[:place], flipped(leaves[place], data), *leaves[place + 1 :]]
        case "shorter":
            leaves = leaves[1:] if data.draw(st.booleans()) else leaves[:-1]
        case "longer":
            leaves = [*leaves, leaves[-1]]
        case "swapped":
            leaves = leaves[::-1] if len(leaves) > 1 else [proof[0]]
        case "proof":
            proof = mutated(proof, data)
        case "root":
            root = flipped(root, data)
    with pytest.raises(ChainBroken, match="inclusion-proof-wrong"):
        verify_range(start, leaves, size, proof, root)


@given(st.integers(2, MOST), st.data())
def test_a_changed_history_is_refused(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    old_root, new_root, proof = ROOTS[old], ROOTS[size], TREE.consistency_proof(old, size)
    match data.draw(st.sampled_from(["old root", "new root", "proof", "rewritten"])):
        case "old root":
            old_root = flipped(old_root, data)
        case "new root":
            new_root = flipped(new_root, data)
        case "proof":
            proof = mutated(proof, data)
        case "rewritten":
            leaves = LEAVES[:size]
            place = data.draw(st.integers(0, old - 1))
            leaves[place] = flipped(leaves[place], data)
            forged = Tree.of(leaves)
            new_root, proof = forged.root(), forged.consistency_proof(old, size)
    with pytest.raises(ChainBroken, match="consistency-proof-wrong"):
        verify_consistency(old, old_root, size, new_root, proof)


def test_sizes_and_places_that_cannot_be_are_refused() -> None:
    siblings = [sha256(bytes([level])).digest() for level in range(63)]
    root = LEAVES[0]
    for sibling in siblings:
        root = node_hash(root, sibling)
    verify_inclusion(0, LEAVES[0], LARGEST_SIZE, siblings, root)
    verify_consistency(1, LEAVES[0], LARGEST_SIZE, root, siblings)
    with pytest.raises(ChainBroken):
        verify_inclusion(0, LEAVES[0], LARGEST_SIZE + 1, siblings, root)
    with pytest.raises(ChainBroken):
        verify_consistency(1, LEAVES[0], LARGEST_SIZE + 1, root, siblings)
    with pytest.raises(ChainBroken):
        verify_inclusion(-1, LEAVES[0], 1, [], LEAVES[0])
    with pytest.raises(ChainBroken):
        verify_range(0, [], 1, [], LEAVES[0])


def test_the_border_between_two_hashes_does_not_move() -> None:
    left, right = LEAVES[0] + LEAVES[1][:1], LEAVES[1][1:]
    with pytest.raises(ChainBroken):
        verify_inclusion(0, left, 2, [right], ROOTS[2])
    with pytest.raises(ChainBroken):
        verify_range(0, [left, right], 2, [], ROOTS[2])
    with pytest.raises(ChainBroken):
        verify_consistency(1, left, 2, ROOTS[2], [right])


def test_what_a_tree_does_not_have_is_a_bug() -> None:
    tree = MapTree.of(LEAVES[:5])
    for ask in (
        lambda: tree.root(6),
        lambda: tree.root(-1),
        lambda: tree.leaf(5),
        lambda: tree.replace(5, LEAVES[0]),
        lambda: tree.inclusion_proof(5, 5),
        lambda: tree.inclusion_proof(4, 4),
        lambda: tree.range_proof(2, 2, 5),
        lambda: tree.range_proof(0, 6, 6),
        lambda: tree.consistency_proof(0, 5),
        lambda: tree.consistency_proof(5, 4),
    ):
        with pytest.raises(ValueError, match="no "):
            ask()


# --- the guard before signing ----------------------------------------------------------------------------


@given(st.integers(0, MOST - 1), st.data())
def test_the_guard_gives_the_root_of_what_is_stored(old: int, data: st.DataObject) -> None:
    new = data.draw(st.integers(old + 1, MOST))
    nodes = MemoryNodes()
    Tree.of(LEAVES[:new], nodes)
    assert verify_growth(nodes, old, ROOTS[old], LEAVES[old:new]) == ROOTS[new]


@given(st.integers(0, MOST - 1), st.data())
def test_the_guard_finds_every_flipped_bit_that_would_be_signed(old: int, data: st.DataObject) -> None:
    """A flipped node is either found or plays no part, so that the root is the right one all the same."""
    new = data.draw(st.integers(old + 1, MOST))
    nodes = MemoryNodes()
    Tree.of(LEAVES[:new], nodes)
    level = data.draw(st.integers(0, new.bit_length() - 1))
    index = data.draw(st.integers(0, (new >> level) - 1))
    nodes.put(level, index, flipped(nodes.get(level, index), data))
    try:
        root = verify_growth(nodes, old, ROOTS[old], LEAVES[old:new])
    except ChainBroken:
        return
    assert root == ROOTS[new]


def test_the_guard_finds_a_flipped_new_leaf_and_a_flipped_peak() -> None:
    for level, index in ((0, 100), (2, 24), (5, 2), (6, 0)):
        nodes = MemoryNodes()
        Tree.of(LEAVES[:101], nodes)
        nodes.put(level, index, bytes(32))
        with pytest.raises(ChainBroken):
            verify_growth(nodes, 100, ROOTS[100], LEAVES[100:101])


def test_the_empty_tree() -> None:
    assert Tree().root() == Tree().root(0) == TREE.root(0) == root_of_leaves([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
