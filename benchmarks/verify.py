"""How fast a log is verified: entries a second of an export, against bare signature verification in the same run.

Acts of the usual size (one household, three changed values that replace older ones) by ten workers, in packets of 256
with a heads entry and a checkpoint each. Seconds of this process, so that a busy machine changes nothing.
`python -m benchmarks.verify [--full] [--acts N] [--households N] [--profile]`; one JSON line.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import io
import json
import time
from collections.abc import Iterator

from app.ledger import act, checkpoint
from app.ledger.act import Circumstances, Pen, Said, Signed
from app.ledger.authority import GRANT, SERVICE, SIGNER
from app.ledger.encoding import encode
from app.ledger.entry import Act, Kind, open_payload, signed_bytes
from app.ledger.export import Closing, Header, write
from app.ledger.signatures import ED25519, public_key, verify_signature
from app.ledger.state import Objects, Streams
from app.ledger.tree import Tree
from app.ledger.verify import Report, Trusted, examine

ORIGIN = "county.test/hudang-990000"
HOUSEHOLD, MEMBER = 10, 11
HOMES = {GRANT: 1, SIGNER: 1, MEMBER: 1}
PACKET = 256
WORKERS = 10
NOW = 1_780_000_000_000


class Log:
    """A county's log while it grows, sequenced as the county does it."""

    def __init__(self, name: str) -> None:
        self._name, self._drawn = name, 0
        self.entries: list[Signed] = []
        self.pens: dict[str, Pen] = {}
        self.notes: list[tuple[int, bytes]] = []
        self.log_seed = self.chance(32)
        self.tree, self.streams = Tree(), Streams()
        keys = {number: public_key(self.log_seed) for number in (13, 14, 15)}
        root = self.begin("root", {10: "990000", 11: "", 12: True, **keys, 16: ORIGIN})
        self.objects = Objects(HOMES, root.entry.chain)
        self._take(root)

    def chance(self, size: int) -> bytes:
        """Chance that is the same each time."""
        self._drawn += 1
        return hashlib.shake_256(f"{self._name} {self._drawn}".encode()).digest(size)

    def begin(self, name: str, body: dict[int, object] | None = None) -> Signed:
        """A chain of a new person."""
        signed, self.pens[name] = act.start(
            self.chance(32), self.chance(16), self.chance(16), Circumstances(wall=NOW), body
        )
        return signed

    def enrol(self, name: str, role: str | None = None) -> None:
        """A new person with a chain, and a role if any."""
        self._take(self.begin(name))
        chain = self.pens[name].chain
        staff = chain.actor or b""
        facts = [Said(kind=SIGNER, object=self.chance(16), values={0: True, 1: staff, 2: chain.id})]
        if role:
            facts.append(Said(kind=GRANT, object=self.chance(16), values={0: True, 1: staff, 2: role}))
        self.say("root", staff, facts)

    def say(self, name: str, root: bytes, said: list[Said]) -> Signed:
        """One act."""
        size = self.notes[-1][0] if self.notes else 0
        at = Circumstances(
            wall=NOW, mono=(3, 7_654_321), seen=(0, size, self.tree.root(size)) if size else None, app=12
        )
        signed, self.pens[name] = act.write(self.pens[name], Act.EDIT, [root], said, at, self.chance)
        return self._take(signed)

    def close(self) -> None:
        """The end of a packet."""
        size, root = self.streams.heads()
        signed, self.pens["server"] = act.write_body(
            self.pens["server"], Kind.HEADS, {1: size, 2: root}, Circumstances(wall=NOW)
        )
        self.entries.append(signed)
        self.tree.append(signed.id)
        at = self.tree.size
        self.notes.append((at, checkpoint.make(ORIGIN, at, self.tree.root(), self.log_seed)))

    def _take(self, signed: Signed) -> Signed:
        values = open_payload(signed.entry, signed.payload).values
        roots = self.objects.apply(signed.entry, signed.id[:16], self.tree.size, values)
        self.streams.append(roots, signed.id)
        self.tree.append(signed.id)
        self.entries.append(signed)
        return signed

    def export(self) -> Iterator[bytes]:
        """The export of all of it."""
        first = self.entries[0]
        size, heads = self.streams.heads()
        header = Header(entry=first.data, signature=first.signature, origin=ORIGIN, size=len(self.entries), homes=HOMES)
        sealed = ((signed.data, signed.signature, signed.payload) for signed in self.entries)
        closing = Closing(streams=size, heads=heads, fold=self.objects.fold_hash())
        return write(header, sealed, self.notes, closing)


def grown(acts: int, households: int) -> Log:
    """A log of about `acts` acts on `households` households."""
    log = Log("benchmark")
    log.enrol("server", SERVICE)
    for number in range(WORKERS):
        log.enrol(f"worker {number}")
    last: dict[bytes, bytes] = {}
    homes = [log.chance(16) for _ in range(households)]
    for number in range(acts):
        home = homes[number % households]
        values = {1: f"户主{number}", 7: "01", 12: number} if home in last else {0: True, 1: "户主", 7: "02", 12: 5}
        bases = {field: [last[home]] for field in values} if home in last else {}
        said = [Said(kind=HOUSEHOLD, object=home, values=values, bases=bases)]
        last[home] = log.say(f"worker {number % WORKERS}", home, said).id[:16]
        if number % PACKET == PACKET - 1:
            log.close()
    log.close()
    return log


def verified(data: bytes, key: bytes) -> Report:
    """The verifier's report."""
    steps = examine(io.BytesIO(data), Trusted.read(key))
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            report: Report = finished.value
            return report


def bare(log: Log) -> float:
    """Signatures a second, verified alone."""
    keys = {pen.chain.id: pen.chain.public_key for pen in log.pens.values()}
    began = time.process_time()
    for signed in log.entries:
        verify_signature(ED25519, keys[signed.entry.chain], signed_bytes(signed.id), signed.signature)
    return len(log.entries) / (time.process_time() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten times as many")
    parser.add_argument("--acts", type=int, default=10_000)
    parser.add_argument("--households", type=int, default=2_500)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    times = 10 if asked.full else 1
    log = grown(asked.acts * times, asked.households * times)
    data = b"".join(log.export())
    key = encode({1: log.entries[0].data, 2: log.entries[0].signature})
    if asked.profile:
        cProfile.runctx("verified(data, key)", globals(), {"data": data, "key": key}, sort="tottime")
        return
    rates, limits = [], []
    for _ in range(3):
        limits.append(bare(log))
        began = time.process_time()
        report = verified(data, key)
        rates.append(report.entries / (time.process_time() - began))
        assert report.fault is None, report.fault
    rate, limit = max(rates), max(limits)
    print(
        json.dumps(
            {
                "benchmark": "verify",
                "entries": report.entries,
                "bytes_per_entry": round(len(data) / report.entries),
                "entries_per_s": round(rate),
                "bare_signatures_per_s": round(limit),
                "ratio": round(rate / limit, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
