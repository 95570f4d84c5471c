"""Uploads at the county: packets of 256 entries in, checked receipts out, everything verified and durable.

From the bytes of a packet to the bytes of its receipt: decompressed, decoded, chain, signatures and commitments
checked, one transaction on the encrypted database with streams, tree and fold, checkpoint signed. The limit of the same
run is the bare rate of one core verifying Ed25519 signatures of entries, and nothing else. The network is left out.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nacl.signing import VerifyKey

from app.ledger.act import Circumstances, Pen, Said, Signed, start, write
from app.ledger.entry import Act, signed_bytes
from app.models.records.fieldwork import VISIT
from app.models.records.households import HOUSEHOLD
from app.models.records.people import SIGNER
from app.sync.protocol import PACKET_ENTRIES, Packet
from app.vault.slotfile import KdfParameters
from county import administration, demo
from county.administration import Deed
from county.sequencer import Log

CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)  # of the demo's administrator, not measured
SUMMARY = "核对了全家人口和收入，老人身体稳定，没有新的困难，约好下月再来。" * 3
HOUSEHOLDS = 1000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def circumstances(log: Log) -> Circumstances:
    """As a laptop writes them: with the newest checkpoint it holds."""
    with log.reading():
        return Circumstances(wall=now_ms(), seen=(0, log.tree.size, log.tree.root()))


def enrolled(county: administration.County) -> tuple[Pen, Signed]:
    """A new chain that the county takes."""
    staff = os.urandom(16)
    genesis, pen = start(os.urandom(32), os.urandom(16), staff, Circumstances(wall=now_ms()))
    facts = {"staff": staff, "chain": pen.chain.id, "algorithm": 1, "public_key": pen.chain.public_key}
    with county.log.writing() as tx:
        county.log.write(tx, [genesis])
        told = [administration.said(SIGNER.name, os.urandom(16), facts)]
        county.act(tx, county.service, [Deed(act=Act.ENROL, roots=[staff], said=told)])
    return pen, genesis


def households(pen: Pen, count: int) -> tuple[list[Signed], Pen]:
    """Acts that make `count` households, first of all."""
    made: list[Signed] = []
    for n in range(count):
        identity = os.urandom(16)
        values = {0: True, 1: f"99010100{n:08d}", 4: f"{n % 9} 组", 6: f"{n} 号", 10: "10000000000", 28: "无"}
        said = Said(kind=HOUSEHOLD.number, object=identity, values=values)
        one, pen = write(pen, Act.CREATE, [identity], [said], Circumstances(wall=now_ms()), os.urandom)
        made.append(one)
    return made, pen


def edits(pen: Pen, homes: list[Signed], count: int, at: Circumstances) -> tuple[list[Signed], Pen]:
    """Acts with three changed values, each naming what it replaces."""
    newest = [one.id[:16] for one in homes]
    made: list[Signed] = []
    for n in range(count):
        place = n * 7 % len(homes)
        home = homes[place].entry.roots[0]
        values = {6: f"{n} 号", 10: f"100{n:08d}", 28: f"第 {n} 次核对"}
        bases = {number: [newest[place]] for number in values}
        said = Said(kind=HOUSEHOLD.number, object=home, values=values, bases=bases)
        one, pen = write(pen, Act.EDIT, [home], [said], at, os.urandom)
        newest[place] = one.id[:16]
        made.append(one)
    return made, pen


def visits(pen: Pen, homes: list[Signed], count: int, at: Circumstances) -> tuple[list[Signed], Pen]:
    """Whole visits."""
    made: list[Signed] = []
    for n in range(count):
        home = homes[n * 7 % len(homes)].entry.roots[0]
        facts = {
            "household": home,
            "visit_kind": "ROUTINE",
            "visited_on": "2026-11-21",
            "place_kind": "HOME",
            "presence_proof": ["PHOTO", "SIGNATURE"],
            "respondent": "莫测五",
            "respondent_relation": "02",
            "changes_found": ["NONE"],
            "summary": SUMMARY,
            "needs": "无",
            "policy_told": ["MEDICAL", "EDUCATION"],
            "satisfaction": "GOOD",
            "started_at": now_ms(),
            "ended_at": now_ms(),
        }
        values = {0: True, **{VISIT.field(name).number: value for name, value in facts.items()}}
        said = Said(kind=VISIT.number, object=os.urandom(16), values=values)
        one, pen = write(pen, Act.VISIT, [home], [said], at, os.urandom)
        made.append(one)
    return made, pen


def packets(made: list[Signed]) -> list[bytes]:
    """The entries as they travel."""
    found = []
    for at in range(0, len(made), PACKET_ENTRIES):
        part = made[at : at + PACKET_ENTRIES]
        sealed = tuple((one.data, one.signature, one.payload) for one in part)
        found.append(Packet(part[0].entry.chain, part[0].entry.seq, sealed).encode())
    return found


def submit(log: Log, sent: list[bytes]) -> float:
    """Seconds until the last receipt."""
    begun = time.perf_counter()
    for body in sent:
        log.submit(Packet.decode(body), 0).encode()
    return time.perf_counter() - begun


def verification_rate(made: list[Signed], key: bytes) -> float:
    """Signatures of these entries verified a second, by PyNaCl alone."""
    verify = VerifyKey(key).verify
    messages = [(signed_bytes(one.id), one.signature) for one in made[:2000]]
    begun = time.perf_counter()
    for message, signature in messages:
        verify(message, signature)
    return len(messages) / (time.perf_counter() - begun)


def measure(count: int) -> list[dict[str, object]]:
    """One figure for each kind of act."""
    kinds: dict[str, Callable[[Pen, list[Signed], int, Circumstances], tuple[list[Signed], Pen]]] = {
        "upload acts of 3 values": edits,
        "upload visits": visits,
    }
    figures: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        county, _ = demo.build(Path(name) / "demo", now_ms, os.urandom, kdf=CHEAP)
        for title, make in kinds.items():
            pen, _ = enrolled(county)
            homes, pen = households(pen, HOUSEHOLDS)
            submit(county.log, packets(homes))
            made, pen = make(pen, homes, count, circumstances(county.log))
            sent = packets(made)
            before = verification_rate(made, pen.chain.public_key)
            seconds = submit(county.log, sent)
            bare = (before + verification_rate(made, pen.chain.public_key)) / 2
            figures.append(
                {
                    "benchmark": title,
                    "entries": count,
                    "bytes_per_entry_sent": round(sum(map(len, sent)) / count),
                    "entries_per_s": round(count / seconds),
                    "limit_verifications_per_s": round(bare),
                    "ratio": round(count / seconds / bare, 3),
                }
            )
        county.close()
    return figures


if __name__ == "__main__":
    for figure in measure(PACKET_ENTRIES * (200 if "--full" in sys.argv else 16)):
        print(json.dumps(figure))
