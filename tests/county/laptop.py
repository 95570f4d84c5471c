"""A laptop as the county sees it: a chain, a device key, and what it was told. Real entries, real HTTP."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import create_server
from typing import Any

import uvicorn

from app.ledger import streams
from app.ledger.act import Circumstances, Pen, Said, Signed, start, write
from app.ledger.entry import Act, Payload, Withheld, decode_entry, entry_id, open_payload
from app.ledger.signatures import public_key
from app.models.records.registry import BY_NAME
from app.sync.protocol import Delivery, DeliveryRequest, EnrolmentCode, EnrolRequest, Packet, Receipt
from app.sync.transport import County as Wire
from county.administration import County
from county.web import application

NOW = 1_795_229_880_000  # 2026-11-21 10:58 in Shanghai


def clock() -> int:
    return NOW + time.monotonic_ns() // 1_000_000


@contextmanager
def serving(county: County) -> Iterator[str]:
    """The county on a free port of this machine; its base address."""
    socket = create_server(("127.0.0.1", 0))
    app = application(county)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        socket.close()
        app.state.calls.nonces.flush()


@dataclass(slots=True)
class Laptop:
    """One person's chain on one device."""

    base: str
    staff: bytes
    pen: Pen
    log: list[Signed]
    request: EnrolRequest
    seed: bytes = field(repr=False)
    size: int = 0

    @classmethod
    def make(cls, code: EnrolmentCode, base: str, staff: bytes) -> Laptop:
        """A laptop that has its keys and is not enrolled yet."""
        seed, device_seed = os.urandom(32), os.urandom(32)
        genesis, pen = start(seed, os.urandom(16), staff, Circumstances(wall=NOW))
        request = EnrolRequest(
            secret=code.secret,
            genesis=genesis.data,
            signature=genesis.signature,
            box_key=os.urandom(32),
            transport_key=public_key(device_seed),
            device=os.urandom(16),
            device_name="测试机",
            vault=os.urandom(16),
            build=1,
        )
        return cls(base, staff, pen, [genesis], request, device_seed)

    @property
    def wire(self) -> Wire:
        return Wire(self.base, b"", random=os.urandom, clock=clock, device=self.request.device, seed=self.seed)

    def enrol(self) -> Laptop:
        wire = self.wire
        wire.enrol(self.request)
        wire.close()
        return self

    def act(self, root: bytes, said: Sequence[Said], act: int = Act.EDIT) -> Signed:
        """One more entry of the chain."""
        signed, self.pen = write(self.pen, act, [root], said, Circumstances(wall=clock()), os.urandom)
        self.log.append(signed)
        return signed

    def new_household(self, values: dict[str, Any]) -> bytes:
        kind, identity = BY_NAME["household"], os.urandom(16)
        numbered = {0: True, **{kind.field(name).number: value for name, value in values.items()}}
        self.act(identity, [Said(kind=kind.number, object=identity, values=numbered)], Act.CREATE)
        return identity

    def edit(self, household: bytes, name: str, value: Any, bases: Sequence[bytes] = ()) -> Signed:
        number = BY_NAME["household"].field(name).number
        replaced = {number: list(bases)} if bases else {}
        return self.act(household, [Said(kind=8, object=household, values={number: value}, bases=replaced)])

    def packet(self, begin: int, end: int | None = None) -> Packet:
        sealed = [(s.data, s.signature, s.payload) for s in self.log[begin:end]]
        return Packet(self.pen.chain.id, begin, tuple(sealed))

    def send(self, begin: int, end: int | None = None) -> Receipt:
        wire = self.wire
        try:
            return wire.send(self.packet(begin, end), self.size)
        finally:
            wire.close()


@dataclass(slots=True)
class Store:
    """What a laptop keeps of deliveries, no more than the contract says."""

    entries: dict[bytes, tuple[int, bytes, bytes, bytes]] = field(default_factory=dict)
    streams: dict[bytes, dict[int, bytes]] = field(default_factory=dict)  # root -> position -> entry id
    cursor: int = 0
    pages: int = 0
    sight: bytes = b""
    renewed: set[bytes] | None = None  # while everything comes anew under another tag

    def heads(self) -> dict[bytes, tuple[int, bytes]]:
        found = {}
        for root, placed in self.streams.items():
            if self.renewed is not None and root not in self.renewed:
                continue
            head, n = streams.start(root), 0
            for position in sorted(placed):
                if position < self.cursor:
                    head, n = streams.advance(head, placed[position]), n + 1
            if n:
                found[root] = n, head
        return found

    def digest(self) -> bytes:
        return streams.digest_of(streams.buckets(self.heads()))

    def take(self, page: Delivery) -> None:
        if page.sight != self.sight:
            self.sight, self.renewed = page.sight, set()
        known = {decode_entry(kept[1]).chain for kept in self.entries.values()}
        for sent in page.entries:
            identity = entry_id(sent.entry)
            entry = decode_entry(sent.entry)
            assert entry.seq == 0 or entry.chain in known, "signed by a key that was not sent before"
            known.add(entry.chain)
            open_payload(entry, sent.payload)
            told = sent.position, sent.entry, sent.signature, sent.payload
            if self.renewed is None:
                self.entries.setdefault(identity, told)
            else:
                self.entries[identity] = told
            for root in sent.roots:
                self.streams.setdefault(root, {})[sent.position] = identity
        for root in page.left:
            self.streams.pop(root, None)
        self.cursor = page.cursor
        self.pages += 1
        if self.renewed is not None:
            self.renewed |= {root for sent in page.entries for root in sent.roots}
            self.renewed = self.renewed if page.more or page.wants_heads else None

    def pull(self, laptop: Laptop) -> Delivery:
        """Ask until nothing is left; digests agree at the end."""
        wire, with_heads = laptop.wire, False
        try:
            while True:
                told = tuple((root, *at) for root, at in sorted(self.heads().items())) if with_heads else None
                page = wire.delivery(
                    DeliveryRequest(
                        cursor=self.cursor, digest=self.digest(), size=laptop.size, heads=told, sight=self.sight
                    )
                )
                renewing = self.renewed is not None or page.sight != self.sight
                self.take(page)
                ended = renewing and self.renewed is None  # what left meanwhile is found out by the heads
                with_heads = page.wants_heads or (ended and page.digest != self.digest())
                assert with_heads or page.digest == self.digest()
                if not (page.more or with_heads):
                    return page
                assert self.pages < 500
        finally:
            wire.close()

    def values(self) -> Iterator[tuple[bytes, int, Any]]:
        """(object, field, value) of everything that is not withheld."""
        for _, data, _, payload in self.entries.values():
            entry = decode_entry(data)
            opened: Payload = open_payload(entry, payload)
            for (_, change, number), value in zip(entry.slots(), opened.values, strict=True):
                if not isinstance(value, Withheld):
                    yield change.object, number, value
