"""Streams: the entries of one root in the county's order, with a running hash, and the digest of what is held.

A stream's head (n, H_n) proves that a file is complete; the digest over all heads held says in 32 bytes whether laptop
and county agree, and its 256 buckets where they do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from app.ledger.encoding import number

BUCKETS: Final = 256


def start(root: bytes) -> bytes:
    """H_0 of the stream of `root` (16 bytes)."""
    return hashlib.sha256(b"\x03" + root).digest()


def advance(head: bytes, entry_id: bytes) -> bytes:
    """H_n from H_{n-1} and the id of the n-th entry."""
    return hashlib.sha256(b"\x02" + head + entry_id).digest()


def head_leaf(root: bytes, n: int, head: bytes) -> bytes:
    """Leaf hash of a stream in the heads tree."""
    # D1([root, n, head]), written out: 16 and 32 bytes.
    return hashlib.sha256(b"\x00\x83\x50%b%b\x58\x20%b" % (root, number(n), head)).digest()


def buckets(heads: Mapping[bytes, tuple[int, bytes]]) -> list[bytes]:
    """b_0 ... b_255 over root -> (n, H_n)."""
    digests = [hashlib.sha256(b"\x05") for _ in range(BUCKETS)]
    for root in sorted(heads):
        n, head = heads[root]
        digests[root[0]].update(root + n.to_bytes(8, "big") + head)
    return [digest.digest() for digest in digests]


def digest_of(bucket_digests: Sequence[bytes]) -> bytes:
    """Digest of what is held, from its buckets."""
    return hashlib.sha256(b"\x04" + b"".join(bucket_digests)).digest()


def differing(mine: Sequence[bytes], theirs: Sequence[bytes]) -> Iterable[int]:
    """Numbers of the buckets that differ."""
    return (k for k in range(BUCKETS) if mine[k] != theirs[k])
