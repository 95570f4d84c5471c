"""Checkpoints: what the county signs about its log, in the formats that others' verifiers and witnesses read.

A checkpoint (C2SP tlog-checkpoint) is a signed note (C2SP signed-note) with a text of three lines:

    county.example/hudang-520123          origin: names the log, and is the key name of the county's signature
    1042                                  size: number of leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2...   root: base64 of the root hash of that size

    — county.example/hudang-520123 Az3grlgtzPICa5OS8npV...

The signed bytes are the text with its last line feed, without the blank line. A signature line holds base64
of a 4-byte key id and the signature; key id = first 4 bytes of SHA-256(key name ‖ 0x0A ‖ 0x01 ‖ public key).

Rules: one text has one encoding. Extension lines, which the specification allows and advises against, are
refused, since nothing here could say what they mean. Signatures by others are ignored; a wrong one in the
county's name condemns the note.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256

from app.errors import ChainBroken
from app.ledger.signatures import ED25519, public_key, sign, verify_signature
from app.ledger.tree import HASH_BYTES, LARGEST_SIZE

# Type byte of a plain Ed25519 signature in a signed note: a table of C2SP, not our algorithm numbers.
NOTE_ED25519 = b"\x01"
KEY_ID_BYTES = 4
# Room for dozens of witnesses with post-quantum signatures of 5 kB; the specification asks for 16 at least.
LARGEST_NOTE = 256 * 1024
MOST_SIGNATURES = 64
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint says: the log `origin` had `size` leaves under the 32-byte `root`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """The bytes that are signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: `key_id` has 4 bytes, `signature` as many as its algorithm needs."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A note taken apart, nothing verified yet."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]


def key_id(name: str, key: bytes) -> bytes:
    """The 4 bytes that name a public Ed25519 key in a signature line (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + NOTE_ED25519 + key).digest()[:KEY_ID_BYTES]


def make(origin: str, size: int, root: bytes, seed: bytes) -> bytes:
    """The note for a tree of `size` leaves with the 32-byte `root`, signed with the Ed25519 `seed`.

    The same tree and key always give the same bytes. ValueError for an origin, size or root that cannot be.
    """
    if not _is_name(origin) or not 0 <= size <= LARGEST_SIZE or len(root) != HASH_BYTES:
        raise ValueError("not a checkpoint: origin, size or root")
    text = Checkpoint(origin=origin, size=size, root=root).text
    signature = key_id(origin, public_key(seed)) + sign(ED25519, seed, text)
    return text + f"\n— {origin} {b64encode(signature).decode()}\n".encode()


def parse(note: bytes) -> SignedCheckpoint:
    """Takes a note apart without verifying it. Raises ChainBroken `checkpoint-malformed` and the `part`."""
    if len(note) > LARGEST_NOTE:
        raise _malformed("length")
    try:
        text = note.decode()
    except UnicodeDecodeError:
        raise _malformed("encoding") from None
    if any(character < " " and character != "\n" for character in text):
        raise _malformed("encoding")
    lines = text.split("\n")
    if len(lines) < 6 or lines.pop() != "":
        raise _malformed("lines")
    origin, size, root, blank, *signatures = lines
    if not _is_name(origin):
        raise _malformed("origin")
    if not SIZE.fullmatch(size) or int(size) > LARGEST_SIZE:
        raise _malformed("size")
    root_hash = _from_base64(root)
    if root_hash is None or len(root_hash) != HASH_BYTES:
        raise _malformed("root")
    if blank:
        raise _malformed("lines")
    if len(signatures) > MOST_SIGNATURES:
        raise _malformed("length")
    return SignedCheckpoint(
        checkpoint=Checkpoint(origin=origin, size=int(size), root=root_hash),
        signatures=tuple(_parse_signature(line) for line in signatures),
    )


def verify(note: bytes, origin: str, key: bytes) -> Checkpoint:
    """What the note says, if the holder of the Ed25519 public `key` signed it for the log `origin`.

    Raises ChainBroken: `checkpoint-malformed`; `checkpoint-of-another-log`; `checkpoint-unsigned` if no line
    names this key; `bad-signature` if one does and is not by it.
    """
    signed = parse(note)
    if signed.checkpoint.origin != origin:
        raise ChainBroken("checkpoint-of-another-log")
    known = origin, key_id(origin, key)
    ours = [line for line in signed.signatures if (line.name, line.key_id) == known]
    if not ours:
        raise ChainBroken("checkpoint-unsigned", size=signed.checkpoint.size)
    for line in ours:
        verify_signature(ED25519, key, signed.checkpoint.text, line.signature)
    return signed.checkpoint


def _parse_signature(line: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _is_name(parts[1]):
        raise _malformed("signature")
    value = _from_base64(parts[2])
    if value is None or len(value) <= KEY_ID_BYTES:
        raise _malformed("signature")
    return NoteSignature(name=parts[1], key_id=value[:KEY_ID_BYTES], signature=value[KEY_ID_BYTES:])


def _is_name(name: str) -> bool:
    """Whether `name` can be a key name: not empty, no Unicode space, no plus, no control character."""
    return name != "" and not any(c.isspace() or c == "+" or c < " " for c in name)


def _from_base64(text: str) -> bytes | None:
    """The bytes of a base64 text (RFC 4648, 4), or None where it is not the one encoding of its bytes."""
    try:
        value = b64decode(text, validate=True)
    except (Base64Error, ValueError):  # ValueError: characters beyond ASCII
        return None
    return value if b64encode(value).decode() == text else None


def _malformed(part: str) -> ChainBroken:
    return ChainBroken("checkpoint-malformed", part=part)
