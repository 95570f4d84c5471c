"""A program that uploads to the real county and kills one of the two processes at a random moment, over and over.

Arguments: an empty folder, number of kills, seed. Laptop and county are processes of their own, TLS with a pin between
them. After each kill the same is tried again with new work on top. In the end both logs must be equal: every entry
once, in order, at rising positions; every photo whole; tables what the log folds to; the county's log verified. Exit
code 0 and one line of JSON when all of it holds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from socket import create_server

from sqlalchemy import select

from app.errors import TransportProblem
from app.models.tables import ENTRY
from app.sync import exchange
from app.sync.protocol import EnrolmentCode
from app.vault import kept
from county import administration, archive, demo, enrolment, web
from county.administration import ATTACHMENTS, Areas, County
from tests.sync.laptops import CHEAP, Laptop, finished

ACTS = 60  # a round
STAGES = ("正在联系县里", "正在上报", "正在接收", "正在重新整理", "正在上传照片", "正在领取户码", "正在核对户码")
AIMS = (0, 1, 1, 2, 4, 4)  # numbers of stages
SOON_S = 0.15  # a kill comes within this time after its stage began
PHOTO = 150_000
LOST = 3  # exit code of a laptop that lost its county


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Site:
    """The county's folder, and the process that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = 0
        self._listen = -1

    def open(self) -> County:
        """The county, while nobody serves it."""
        return administration.open_county(self.folder / "county", self.folder / "keys", now_ms, os.urandom)

    def start(self) -> None:
        """Serve in a process of its own; returns when it takes connections."""
        listen, tell = os.pipe()
        self.process = os.fork()
        if not self.process:
            os.close(listen)
            try:
                county = self.open()
                web.serve(county, "127.0.0.1", self.port, plain=False, ready=lambda _: os.close(tell))
            finally:
                os._exit(1)
        os.close(tell)
        with os.fdopen(listen, "rb") as stream:
            stream.read()  # ends when it is ready, or gone

    def kill(self) -> None:
        """Without a word."""
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def start_upload(folder: Path) -> tuple[int, int]:
    """An exchange in a process of its own: (process, end of a pipe that gets the number of each stage)."""
    listen, tell = os.pipe()
    process = os.fork()
    if not process:
        code = 1
        try:
            laptop = Laptop.unlock(folder)
            for step in exchange.run(laptop.vault, laptop.county(), random=os.urandom):
                os.write(tell, bytes([STAGES.index(step.doing)]))
            code = 0
        except TransportProblem:
            code = LOST
        finally:
            os._exit(code)
    os.close(tell)
    return process, listen


def work(folder: Path, dice: random.Random, count: int) -> None:
    """Something new to upload."""
    laptop = Laptop.unlock(folder, seed=dice.randrange(2**32))
    households = sorted(laptop.groups())
    laptop.write_all([(dice.choice(households), f"第{dice.randrange(99)}组") for _ in range(count)])
    photo = laptop.vault.store_attachment(os.urandom(PHOTO), random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    laptop.vault.lock()


def ended(process: int) -> int | None:
    """Exit code of a process that ended, None while it runs."""
    found, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def main() -> int:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    dice = random.Random(seed)
    site = Site(folder)
    county, _ = demo.build(folder, now_ms, os.urandom, kdf=CHEAP)
    with county.log.reading() as tx:
        staff = administration.staff_called(tx, demo.STAFF[0].name)
        workplace = Areas(tx).at(demo.STAFF[0].place).id
    code: EnrolmentCode = enrolment.invite(county, staff, workplace, f"https://127.0.0.1:{site.port}")
    county.close()
    vault = folder / "vault"
    site.start()
    Laptop.enrol(code.text(), vault).vault.lock()

    kills_of, stages = Counter[str](), Counter[str]()
    began = time.monotonic()
    work(vault, dice, ACTS)
    while kills_of.total() < kills:
        process, listen = start_upload(vault)
        with os.fdopen(listen, "rb", buffering=0) as steps:
            aim, seen = dice.choice(AIMS), b""
            while not seen or seen[-1] < aim:
                step = steps.read(1)
                if not step:
                    break
                seen += step
            time.sleep(dice.uniform(0, SOON_S))
            code_now = ended(process)
            if code_now is not None:  # it was through before it could be killed
                assert code_now == 0, code_now
                work(vault, dice, ACTS)
                continue
            victim = dice.choice(("laptop", "county"))
            if victim == "laptop":
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            else:
                site.kill()
                code_now = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
                assert code_now in (0, LOST), code_now
                site.start()
            seen += steps.read() or b""
        kills_of[victim] += 1
        stages[STAGES[seen[-1]]] += 1
        work(vault, dice, ACTS)

    laptop = Laptop.unlock(vault)
    assert laptop.sync().same
    ids, chain = laptop.chain_ids(), laptop.chain
    assert chain.acknowledged == len(ids)
    laptop.assert_fold_is_tables()
    with laptop.vault.reading() as tx:
        assert kept.undelivered_files(tx) == []
        files = set(tx.scalars(select(kept.FILE.c.upload_key)))
    laptop.vault.lock()
    site.kill()
    county = site.open()
    try:
        with county.log.reading() as tx:
            query = select(ENTRY.c.id, ENTRY.c.position).where(ENTRY.c.chain == chain.state.id)
            rows = tx.execute(query.order_by(ENTRY.c.seq)).all()
        assert [row.id for row in rows] == ids, "the logs differ"
        positions = [row.position for row in rows]
        assert positions == sorted(set(positions))
        report = finished(archive.verify_log(county))
        assert report.fault is None, report.fault
        blobs = {path.name for path in (county.folder / ATTACHMENTS).iterdir()}
        assert {key.hex() for key in files} <= blobs
        assert not [name for name in blobs if name.endswith(".part")]
    finally:
        county.close()
    told = {
        "kills": kills_of,
        "last_stage": stages,
        "entries": len(ids),
        "photos": len(files),
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
