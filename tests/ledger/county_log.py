"""A county's log in a few lines, written from `formats.md` and not from the program: what it comes to is computed anew
from the first entry each time, with plain dictionaries and the recursive definition of the tree.

`python -m tests.ledger.county_log` writes the frozen export of `small()` anew.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2

from app.ledger import act, checkpoint
from app.ledger.act import Circumstances, Pen, Said, Signed
from app.ledger.authority import ADMIN, GRANT, SERVICE, SIGNER
from app.ledger.encoding import encode
from app.ledger.entry import Act, Kind
from app.ledger.export import WHOLE, Closing, Header, write
from app.ledger.signatures import public_key
from app.ledger.tree import root_of_leaves
from app.ledger.verify import Report, Trusted, examine
from tests.ledger.independent import VECTORS

ORIGIN = "county.test/hudang-990000"
NOW = 1_780_000_000_000
HOUSEHOLD, MEMBER = 10, 11
HOMES = {GRANT: 1, SIGNER: 1, MEMBER: 1}
ROOT_STAFF, SERVER, WORKER, CLERK = (bytes([n]) * 16 for n in (1, 2, 3, 4))


def seed_of(name: str) -> bytes:
    """A key that everybody may know."""
    return hashlib.sha256(f"seed {name}".encode()).digest()


class Chance:
    """Chance that is the same each time."""

    def __init__(self, name: str = "chance") -> None:
        self._name, self._drawn = name, 0

    def __call__(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"{self._name} {self._drawn}".encode()).digest(size)


def at(seen: tuple[int, int, bytes] | None = None) -> Circumstances:
    """Always the same moment."""
    return Circumstances(wall=NOW, mono=(1, 1000), seen=seen, app=7)


@dataclass(slots=True)
class CountyLog:
    """The log as a list of signed entries, the pens of its chains, its checkpoints."""

    origin: str = ORIGIN
    log_seed: bytes = field(default=seed_of("log"), repr=False)
    chance: Chance = field(default_factory=Chance, repr=False)
    entries: list[Signed] = field(default_factory=list, repr=False)
    pens: dict[str, Pen] = field(default_factory=dict, repr=False)
    checkpoints: list[tuple[int, bytes]] = field(default_factory=list, repr=False)

    def genesis(self, name: str, staff: bytes, body: Mapping[int, Any] | None = None) -> Signed:
        """The chain `name` of `staff` begins."""
        signed, self.pens[name] = act.start(seed_of(name), self.chance(16), staff, at(), body)
        self.entries.append(signed)
        return signed

    def county(self) -> Signed:
        """The first entry: what county.pub holds."""
        keys = {13: public_key(self.log_seed), 14: public_key(seed_of("cards")), 15: public_key(seed_of("recovery"))}
        return self.genesis("root", ROOT_STAFF, {10: "990000", 11: "试验县", 12: True, **keys, 16: self.origin})

    def say(
        self,
        name: str,
        roots: Sequence[bytes],
        said: Sequence[Said],
        *,
        number: int = Act.EDIT,
        seen: tuple[int, int, bytes] | None = None,
    ) -> Signed:
        """One act on the chain `name`."""
        signed, self.pens[name] = act.write(self.pens[name], number, roots, said, at(seen), self.chance)
        self.entries.append(signed)
        return signed

    def body(self, name: str, kind: Kind, body: Mapping[int, Any]) -> Signed:
        """One entry whose words are signed."""
        signed, self.pens[name] = act.write_body(self.pens[name], kind, body, at())
        self.entries.append(signed)
        return signed

    def heads(self, name: str = "server") -> Signed:
        """The heads entry that ends a packet, and the checkpoint behind it."""
        tree = heads_tree(self.entries)
        signed = self.body(name, Kind.HEADS, {1: len(tree), 2: root_of_leaves(tree)})
        size = len(self.entries)
        self.checkpoints.append((size, checkpoint.make(self.origin, size, self.root(), self.log_seed)))
        return signed

    def root(self, size: int | None = None) -> bytes:
        """Root of the log."""
        return root_of_leaves([signed.id for signed in self.entries[:size]])

    def staff_up(self) -> None:
        """The server and a worker get what they need."""
        self.county()
        self.genesis("server", SERVER)
        self.grant(SERVER, SERVICE)
        self.sign_up("server", SERVER)
        self.genesis("worker", WORKER)
        self.sign_up("worker", WORKER)
        self.heads()

    def grant(self, staff: bytes, role: str, by: str = "root") -> Signed:
        """A person gets a role."""
        said = Said(kind=GRANT, object=self.chance(16), values={0: True, 1: staff, 2: role})
        return self.say(by, [staff], [said], number=Act.GRANT)

    def sign_up(self, name: str, staff: bytes, by: str = "root") -> Signed:
        """A chain is tied to a person."""
        values = {0: True, 1: staff, 2: self.pens[name].chain.id}
        said = Said(kind=SIGNER, object=self.chance(16), values=values)
        return self.say(by, [staff], [said], number=Act.ENROL)

    # --- out ---

    def key(self) -> bytes:
        """county.pub."""
        return encode({1: self.entries[0].data, 2: self.entries[0].signature})

    def closing(self) -> Closing:
        """What the log comes to."""
        tree = heads_tree(self.entries)
        return Closing(streams=len(tree), heads=root_of_leaves(tree), fold=fold(self.entries))

    def header(self, what: int = WHOLE) -> Header:
        """The header of an export."""
        first = self.entries[0]
        return Header(
            entry=first.data,
            signature=first.signature,
            origin=self.origin,
            size=len(self.entries),
            what=what,
            homes=HOMES,
        )

    def items(self, what: int = WHOLE) -> list[bytes]:
        """The export, item by item."""
        sealed = [(signed.data, signed.signature, signed.payload) for signed in self.entries]
        return list(write(self.header(what), sealed, self.checkpoints, self.closing()))


def small() -> CountyLog:
    """A log with every kind of thing in it, and few bytes."""
    log = CountyLog()
    log.staff_up()
    house, person = b"H" * 16, b"P" * 16
    size, root = len(log.entries), log.root()
    born = log.say(
        "worker",
        [house],
        [
            Said(kind=HOUSEHOLD, object=house, values={0: True, 1: "户主甲", 30: 12}),
            Said(kind=MEMBER, object=person, values={0: True, 1: house, 2: "演示人"}),
        ],
        number=Act.CREATE,
        seen=(0, size, root),
    )
    log.say("worker", [house], [Said(kind=MEMBER, object=person, values={2: "演示"}, bases={2: [born.id[:16]]})])
    log.heads()
    return log


def verify(data: bytes, key: bytes) -> Report:
    """The report on an export."""
    steps = examine(io.BytesIO(data), Trusted.read(key))
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            report: Report = finished.value
            return report


# --- formats.md once more ---


def effective(entries: Sequence[Signed]) -> list[tuple[int, Signed, int, Any, dict[int, Any]]]:
    """(position, entry, change index, change, field -> value) of every change that takes effect."""
    signers: dict[bytes, dict[int, Any]] = {}
    grants: dict[bytes, dict[int, Any]] = {}
    found = []
    for position, signed in enumerate(entries):
        values = iter(payload_values(signed))
        for index, change in enumerate(signed.entry.changes):
            said = {number: next(values) for number in change.fields}
            chain = signed.entry.chain
            people = [s[1] for s in signers.values() if s[2] == chain]
            roles = {g[2] for g in grants.values() if g[1] in people}
            may = chain == entries[0].entry.chain or ADMIN in roles or (SERVICE in roles and change.kind in (5, 6, 7))
            if change.kind <= 7 and not may:
                continue
            if change.kind == SIGNER:
                signers.setdefault(change.object, {}).update(said)
            if change.kind == GRANT:
                grants.setdefault(change.object, {}).update(said)
            found.append((position, signed, index, change, said))
    return found


def payload_values(signed: Signed) -> list[Any]:
    """The values of an entry, None where withheld."""
    secret, items = cbor2.loads(signed.payload)
    if secret is not None:
        return list(items)
    return [item[1] if isinstance(item, list) else None for item in items]


def registers(entries: Sequence[Signed]) -> dict[tuple[bytes, int], dict[bytes, Any]]:
    """(object, field) -> live dot -> value, in the order of the log."""
    live: dict[tuple[bytes, int], dict[bytes, Any]] = {}
    for _, signed, index, change, said in effective(entries):
        for number, value in said.items():
            present = live.setdefault((change.object, number), {})
            for base in signed.entry.bases.get((index, number), ()):
                present.pop(base, None)
            present[signed.id[:16]] = value
    return live


def fold(entries: Sequence[Signed]) -> bytes:
    """Fold hash."""
    digest = hashlib.sha256(b"\x06")
    for (object_id, number), present in sorted(registers(entries).items()):
        if present:
            digest.update(encode([object_id, number, sorted(present)]))
    return digest.digest()


def heads_tree(entries: Sequence[Signed]) -> list[bytes]:
    """Leaves of the tree of heads."""
    streams: dict[bytes, tuple[int, bytes]] = {}
    for position, signed in enumerate(entries):
        if signed.entry.kind == Kind.HEADS:
            continue
        roots = set(signed.entry.roots)
        now = registers(entries[: position + 1])
        for place, _, _, change, _ in effective(entries[: position + 1]):
            if place == position:
                links = now.get((change.object, HOMES.get(change.kind, -1)), {})
                link = next(iter(links.values()), None)
                roots.add(link if isinstance(link, bytes) and len(link) == 16 else change.object)
        for root in sorted(roots):
            n, head = streams.get(root, (0, hashlib.sha256(b"\x03" + root).digest()))
            streams[root] = n + 1, hashlib.sha256(b"\x02" + head + signed.id).digest()
    return [hashlib.sha256(b"\x00" + encode([root, n, head])).digest() for root, (n, head) in streams.items()]


def main() -> None:
    """Write the frozen export."""
    log = small()
    data = b"".join(log.items())
    report = verify(data, log.key())
    known = {"key": log.key().hex(), "sha256": hashlib.sha256(data).hexdigest(), "entries": report.entries}
    known |= {"root": report.root.hex(), "fold": report.fold.hex(), "streams": report.streams}
    (VECTORS / "export.bin").write_bytes(data)
    (VECTORS / "export.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
