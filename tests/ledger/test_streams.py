"""Streams: running hashes, the tree over their heads, the digest of what is held."""

from __future__ import annotations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.ledger.state import Streams
from app.ledger.streams import BUCKETS, advance, buckets, differing, digest_of, head_leaf, start
from app.ledger.tree import MapTree, root_of_leaves
from tests.ledger import independent
from tests.ledger.independent import read

VECTOR = read("streams.json")
IDS = [bytes.fromhex(identity) for identity in VECTOR["ids"]]
CHANCE = settings(max_examples=60, phases=[Phase.explicit, Phase.generate])

roots = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=32, max_size=32)


def test_the_frozen_streams() -> None:
    heads: dict[bytes, tuple[int, bytes]] = {}
    for row in VECTOR["roots"]:
        root = bytes.fromhex(row["root"])
        found = [start(root)]
        for identity in IDS:
            found.append(advance(found[-1], identity))
        assert [head.hex() for head in found] == row["heads"]
        heads[root] = row["n"], found[row["n"]]
        assert head_leaf(root, *heads[root]).hex() == row["leaf"]
    assert digest_of(buckets(heads)).hex() == VECTOR["digest"]
    assert digest_of(buckets({})).hex() == VECTOR["digest of nothing"]
    assert independent.vectors()["streams.json"] == VECTOR


@CHANCE
@given(roots, st.integers(0, 2**64 - 1), hashes)
def test_leaves_of_anything(root: bytes, n: int, head: bytes) -> None:
    assert head_leaf(root, n, head) == independent.head_leaf(root, n, head)


@CHANCE
@given(st.dictionaries(roots, st.tuples(st.integers(0, 2**63), hashes), max_size=12), st.data())
def test_digests_differ_exactly_where_heads_differ(heads: dict[bytes, tuple[int, bytes]], data: st.DataObject) -> None:
    mine = buckets(heads)
    assert len(mine) == BUCKETS
    assert digest_of(mine) == independent.digest_of_held(heads)
    changed = data.draw(st.sets(st.sampled_from(sorted(heads)))) if heads else set()
    other = {root: (n + (root in changed), head) for root, (n, head) in heads.items()}
    assert set(differing(mine, buckets(other))) == {root[0] for root in changed}


@CHANCE
@given(st.lists(st.lists(st.sets(st.integers(0, 20), min_size=1, max_size=3), max_size=6), max_size=6))
def test_the_tree_of_heads_is_that_of_the_definition(packets: list[list[set[int]]]) -> None:
    """Packets of entries, each entry with its roots."""
    streams, held = Streams(), dict[bytes, list[bytes]]()
    count = 0
    for packet in packets:
        for named in packet:
            identity = independent.sha(count.to_bytes(4, "big"))
            count += 1
            names = {bytes([255 - number]) * 16 for number in named}
            streams.append(names, identity)
            for root in sorted(names):
                held.setdefault(root, []).append(identity)
        leaves = [
            independent.head_leaf(root, len(ids), independent.stream(root, ids)[-1]) for root, ids in held.items()
        ]
        assert streams.heads() == (len(leaves), root_of_leaves(leaves))
        assert streams.heads() == (len(leaves), root_of_leaves(leaves))


@CHANCE
@given(st.integers(1, 70), st.data())
def test_many_leaves_replaced_at_once(size: int, data: st.DataObject) -> None:
    leaves = [independent.sha(n.to_bytes(4, "big")) for n in range(size)]
    tree = MapTree.of(leaves)
    changed = data.draw(st.dictionaries(st.integers(0, size - 1), hashes))
    tree.replace_all(changed)
    now = [changed.get(n, leaf) for n, leaf in enumerate(leaves)]
    assert tree.root() == root_of_leaves(now)
    tree.extend(leaves[:5])
    assert tree.root() == root_of_leaves([*now, *leaves[:5]])
    one = MapTree.of(leaves)
    for index, leaf in changed.items():
        one.replace(index, leaf)
    assert one.root() == root_of_leaves(now)
