"""A county in this process that keeps the contract of `app.sync.protocol`, over real HTTP, and can misbehave.

It is small and slow, holds everything in memory and trusts its own memory; the real county is in `county/`. `tricks`
is a queue: each request takes the next one. `Cutter` is a line before any county that breaks after some bytes.
"""

from __future__ import annotations

import hashlib
import http.server
import random as chance
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from app.errors import CountyRefusal, HudangError
from app.ledger import card as cards
from app.ledger import chain as chains
from app.ledger import checkpoint as checkpoints
from app.ledger.act import Circumstances, Said, start, write
from app.ledger.entry import Act, Payload, decode_entry, encode_payload, entry_id, open_payload
from app.ledger.signatures import public_key
from app.ledger.streams import advance, buckets, digest_of
from app.ledger.streams import start as stream_start
from app.ledger.tree import Tree
from app.models.records.registry import BY_NAME
from app.sync.protocol import (
    CONTENT_TYPE,
    ChainHead,
    Claim,
    CountyKey,
    Delivered,
    Delivery,
    DeliveryRequest,
    EnrolmentCode,
    EnrolRequest,
    Hello,
    Invitation,
    Packet,
    PoolFile,
    Receipt,
    Refusal,
    Sealed,
)
from app.vault.attachments import seal

ORIGIN = "county.test/hudang-990101"
NOTHING = encode_payload(Payload(bytes(32), ()))
NOW = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the line."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", CONTENT_TYPE),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trick:
    """One misbehaviour: `lose_request` before anything was done, `lose_answer` after it, an `answer` of its own, bytes
    `forged`, or only `cut` bytes of the body."""

    lose_request: bool = False
    lose_answer: bool = False
    answer: Answer | None = None
    forge: Callable[[bytes], bytes] | None = None
    cut: int | None = None
    pause_s: float = 0


HTML = Trick(answer=Answer(200, b"<html><body>Welcome to the hotel</body></html>", (("Content-Type", "text/html"),)))
ELSEWHERE = (("Location", "http://127.0.0.1:9/elsewhere"), ("Content-Type", CONTENT_TYPE))
REDIRECT = Trick(answer=Answer(302, b"", ELSEWHERE))
LOSE_REQUEST = Trick(lose_request=True)
LOSE_ANSWER = Trick(lose_answer=True)
BUSY = Trick(answer=Answer(503, b"", (("Retry-After", "17"),)))
FULL = Trick(answer=Answer(507, b""))
FINE = Trick()


@dataclass(slots=True)
class Log:
    """All that a backup of the county would hold."""

    entries: list[Sealed] = field(default_factory=list)
    roots: list[tuple[bytes, ...]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    chains: dict[bytes, chains.Chain] = field(default_factory=dict)
    places: dict[tuple[bytes, int], int] = field(default_factory=dict)
    forked: set[bytes] = field(default_factory=set)

    def copy(self) -> Log:
        """What a backup made now holds."""
        return Log(
            list(self.entries),
            list(self.roots),
            list(self.leaves),
            dict(self.chains),
            dict(self.places),
            set(self.forked),
        )


class SimulatedCounty:
    """The county itself; `serving` puts it on a line."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = chance.Random(seed)
        self.lock = threading.RLock()
        self.tricks: deque[Trick] = deque()
        self.requests: list[str] = []
        self.page = 40
        self.backwards = False  # streams that enter come in the wrong order, but for what starts a chain
        self.outside: set[bytes] = set()  # roots that no laptop gets
        self.revoked: set[bytes] = set()
        self.held: dict[bytes, list[Sealed]] = {}  # of revoked chains, behind what the log has
        self.protocols = (1, 1)
        self.clock = NOW
        self.log = Log()
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.codes: dict[bytes, Invitation] = {}
        self.used: dict[bytes, EnrolRequest] = {}
        self.devices: dict[bytes, bytes] = {}
        self.log_seed, self.card_seed, self.root_seed = (self.draw(32) for _ in range(3))
        self.recovery = X25519PrivateKey.from_private_bytes(self.draw(32))
        self.founder, self.workplace = self.draw(16), self.draw(16)
        signed, self.pen = start(
            self.root_seed,
            self.draw(16),
            self.founder,
            Circumstances(wall=NOW),
            {
                chains.COUNTY_CODE: "990101",
                chains.COUNTY_NAME: "测试县",
                chains.DEMO: True,
                chains.LOG_KEY: public_key(self.log_seed),
                chains.CARD_KEY: public_key(self.card_seed),
                chains.RECOVERY_KEY: self.recovery.public_key().public_bytes_raw(),
                chains.ORIGIN: ORIGIN,
            },
        )
        self.key = CountyKey(entry=signed.data, signature=signed.signature)
        self.take((signed.data, signed.signature, signed.payload))

    def draw(self, count: int) -> bytes:
        """Chance that is the same each time."""
        return self.chance.randbytes(count)

    # --- the log ---

    def take(self, sealed: Sealed) -> int:
        """Append one entry; its position."""
        data, signature, payload = sealed
        entry, identity = decode_entry(data), entry_id(data)
        known = self.log.chains.get(entry.chain)
        state = (
            chains.begin(entry, identity, signature)
            if known is None
            else chains.extend(known, entry, identity, signature)
        )
        open_payload(entry, payload)
        position = len(self.log.entries)
        self.log.chains[entry.chain] = state
        self.log.places[entry.chain, entry.seq] = position
        self.log.entries.append(sealed)
        self.log.roots.append(entry.roots)
        self.log.leaves.append(identity)
        return position

    def act(self, act: Act, roots: Sequence[bytes], said: Sequence[Said]) -> None:
        """An act of the county's own root chain."""
        signed, self.pen = write(self.pen, act, roots, said, Circumstances(wall=self.clock), self.draw)
        self.take((signed.data, signed.signature, signed.payload))

    def chain_ids(self, chain: bytes) -> list[bytes]:
        """Ids of a chain's entries in the order in which they stand in the log."""
        pairs = zip(self.log.leaves, self.log.entries, strict=True)
        return [identity for identity, (data, _, _) in pairs if decode_entry(data).chain == chain]

    def tree(self) -> Tree:
        """The tree over the log as it is."""
        return Tree.of(self.log.leaves)

    def note(self) -> bytes:
        """The newest checkpoint."""
        tree = self.tree()
        return checkpoints.make(ORIGIN, tree.size, tree.root(), self.log_seed)

    def consistency(self, size: int) -> tuple[bytes, ...]:
        """Proof from `size`."""
        tree = self.tree()
        if size > tree.size:
            raise CountyRefusal("log-shorter", shown=size, held=tree.size)
        return tuple(tree.consistency_proof(size, tree.size)) if size else ()

    # --- people and cards ---

    def invite(self, base: str, pin: bytes = b"", staff: bytes | None = None) -> str:
        """The text of a new enrolment code."""
        secret = self.draw(14)
        self.codes[secret] = Invitation(
            staff=staff or self.draw(16),
            staff_name="吴秀英",
            workplace=self.workplace,
            workplace_name="第三网格",
            county_name="测试县",
        )
        return EnrolmentCode(county=entry_id(self.key.entry), host=base, pin=pin, secret=secret).text()

    def issue_pool(self, number: str, count: int, *, tamper: bool = False) -> None:
        """Sign a pool of cards for the workplace and log it."""
        signed = []
        for _ in range(count):
            card = cards.Card(county="990101", key=1, number=cards.draw_number(number, self.draw), day="2026-11-01")
            signed.append(cards.sign(card, self.draw(32) if tamper else self.card_seed))
        plain = PoolFile(pool_no=number, payloads=tuple(signed)).encode()
        key, sealed = seal(plain, random=self.draw)
        digest = hashlib.sha256(sealed).digest()
        self.blobs[digest.hex()] = sealed
        kind = BY_NAME["pool"]
        values: dict[int, Any] = {
            0: True,
            kind.field("pool_no").number: number,
            kind.field("count").number: count,
            kind.field("key_number").number: 1,
            kind.field("file").number: digest,
            kind.field("content_key").number: key,
            kind.field("digest").number: hashlib.sha256(plain).digest(),
            kind.field("workplace").number: self.workplace,
        }
        pool_id = self.draw(16)
        self.act(Act.ISSUE_POOL, [pool_id], [Said(kind=kind.number, object=pool_id, values=values)])

    # --- the calls ---

    def handle(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        """Answer one request as the contract says."""
        with self.lock:
            self.requests.append(f"{method} {target.partition('?')[0]}")
            try:
                if target not in ("/v1/county", "/v1/enrolments/look", "/v1/enrolments"):
                    claim = Claim.parse(headers.get("Authorization", ""))
                    if claim.device not in self.devices:
                        raise CountyRefusal("not-authorised")
                    claim.check(self.devices[claim.device], method, target, body)
                return self.route(method, target, headers, body)
            except HudangError as error:
                refusal = Refusal(code=error.code, facts=tuple(sorted(error.facts.items())))
                return Answer(409 if error.code in ("chain-forked", "blob-offset") else 422, refusal.encode())

    def route(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        """The method behind a target."""
        path, _, query = target.partition("?")
        size = int(query.removeprefix("size=") or 0)
        parts = path.split("/")[2:]
        match method, parts:
            case "GET", ["county"]:
                return Answer(200, self.key.encode())
            case "POST", ["enrolments", "look"]:
                return Answer(200, self.look(body).encode())
            case "POST", ["enrolments"]:
                return Answer(200, self.enrol(EnrolRequest.decode(body)).encode())
            case "GET", ["hello"]:
                consistency = self.consistency(size)
                oldest, newest = self.protocols
                hello = Hello(
                    time=self.clock,
                    oldest_protocol=oldest,
                    newest_protocol=newest,
                    note=self.note(),
                    consistency=consistency,
                )
                return Answer(200, hello.encode())
            case "GET", ["chains", chain]:
                return Answer(200, self.head(bytes.fromhex(chain)).encode())
            case "POST", ["chains", chain, "entries"]:
                packet = Packet.decode(body)
                assert packet.chain.hex() == chain
                return Answer(200, self.receive(packet, size).encode())
            case "POST", ["delivery"]:
                return Answer(200, self.deliver(DeliveryRequest.decode(body)).encode())
            case _, ["blobs", name]:
                return self.blob(method, name, headers, body)
        return Answer(404, Refusal(code="no-such-call").encode())

    def look(self, secret: bytes) -> Invitation:
        """Whom a code is for."""
        if secret not in self.codes:
            raise CountyRefusal("enrolment-unknown")
        if secret in self.used:
            raise CountyRefusal("enrolment-used")
        return self.codes[secret]

    def enrol(self, request: EnrolRequest) -> Invitation:
        """Take up a laptop; the same request again changes nothing."""
        before = self.used.get(request.secret)
        if before is not None and before.genesis == request.genesis:
            return self.codes[request.secret]
        invitation = self.look(request.secret)
        self.take((request.genesis, request.signature, NOTHING))
        self.used[request.secret] = request
        self.devices[request.device] = request.transport_key
        return invitation

    def head(self, chain: bytes) -> ChainHead:
        """How far a chain is held."""
        known = self.log.chains.get(chain)
        if known is None:
            raise CountyRefusal("chain-unknown")
        state = "forked" if chain in self.log.forked else "revoked" if chain in self.revoked else "ok"
        held = len(self.held.get(chain, ())) if state == "revoked" else 0
        return ChainHead(next_seq=known.next_seq, head=known.head, state=state, held=held)

    def receive(self, packet: Packet, size: int) -> Receipt:
        """Take what is new of a packet, all or nothing."""
        state = self.log.chains[packet.chain]
        if packet.start > state.next_seq + len(self.held.get(packet.chain, ())):
            raise CountyRefusal("chain-gap", next_seq=state.next_seq)
        consistency = self.consistency(size)  # refuses a size it never had before anything is kept
        if packet.chain in self.revoked and packet.start + len(packet.entries) > state.next_seq:
            self.held.setdefault(packet.chain, []).extend(packet.entries)
            raise CountyRefusal("chain-held", held=len(self.held[packet.chain]))
        for seq, (data, _, _) in enumerate(packet.entries, packet.start):
            place = self.log.places.get((packet.chain, seq))
            if place is not None and self.log.leaves[place] != entry_id(data):
                self.log.forked.add(packet.chain)
                raise CountyRefusal("chain-forked", seq=seq)
        before = self.log.copy()
        try:
            for sealed in packet.entries[max(state.next_seq - packet.start, 0) :]:
                self.take(sealed)
        except BaseException:
            self.log = before
            raise
        runs: list[tuple[int, int]] = []
        for seq in range(packet.start, packet.start + len(packet.entries)):
            place = self.log.places[packet.chain, seq]
            if runs and sum(runs[-1]) == place:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((place, 1))
        tree = self.tree()
        consistency = self.consistency(size)
        return Receipt(
            chain=packet.chain,
            start=packet.start,
            runs=tuple(runs),
            proofs=tuple(tuple(tree.range_proof(at, at + n, tree.size)) for at, n in runs),
            note=self.note(),
            consistency=consistency,
        )

    # --- delivery ---

    def streams(self, below: int) -> dict[bytes, list[int]]:
        """root -> positions of its entries below a position, of roots that laptops get."""
        found: dict[bytes, list[int]] = {}
        for position, roots in enumerate(self.log.roots[:below]):
            for root in roots:
                if root not in self.outside:
                    found.setdefault(root, []).append(position)
        return found

    def seq(self, position: int) -> int:
        """Which entry of its chain stands at a position."""
        return decode_entry(self.log.entries[position][0]).seq

    def head_of(self, root: bytes, positions: Sequence[int]) -> tuple[int, bytes]:
        """(n, H_n) of a stream."""
        head = stream_start(root)
        for position in positions:
            head = advance(head, self.log.leaves[position])
        return len(positions), head

    def digest(self, below: int) -> bytes:
        """What a laptop must hold."""
        return digest_of(buckets({root: self.head_of(root, at) for root, at in self.streams(below).items()}))

    def deliver(self, request: DeliveryRequest) -> Delivery:
        """A page: behind the cursor where the digests agree, else by heads."""
        size = len(self.log.entries)
        if request.heads is not None:
            return self.deliver_by_heads(request)
        if request.cursor > size or request.digest != self.digest(request.cursor):
            return self.answer([], request.cursor, request, wants_heads=True)
        end = min(request.cursor + self.page, size)
        streams = self.streams(end)
        wanted = [
            (position, tuple(root for root in self.log.roots[position] if root in streams))
            for position in range(request.cursor, end)
        ]
        return self.answer([(p, roots) for p, roots in wanted if roots], end, request, more=end < size)

    def deliver_by_heads(self, request: DeliveryRequest) -> Delivery:
        """Stream by stream what the laptop lacks."""
        size = len(self.log.entries)
        streams = self.streams(size)
        held = {root: (n, head) for root, n, head in request.heads or ()}
        wanted: list[tuple[int, tuple[bytes, ...]]] = []
        for root, positions in streams.items():
            n, head = held.get(root, (0, b""))
            have = n if n and self.head_of(root, positions[:n]) == (n, head) else 0
            wanted.extend((position, (root,)) for position in positions[have:])
        if self.backwards:
            wanted.reverse()
            wanted.sort(key=lambda each: self.seq(each[0]) != 0)
        left = tuple(sorted(held.keys() - streams.keys()))
        return self.answer(wanted[: self.page], size, request, more=len(wanted) > self.page, left=left)

    def answer(
        self,
        wanted: Sequence[tuple[int, tuple[bytes, ...]]],
        cursor: int,
        request: DeliveryRequest,
        *,
        more: bool = False,
        wants_heads: bool = False,
        left: tuple[bytes, ...] = (),
    ) -> Delivery:
        """The page itself."""
        entries = []
        for position, roots in wanted:
            data, signature, payload = self.log.entries[position]
            entries.append(Delivered(position=position, entry=data, signature=signature, payload=payload, roots=roots))
        return Delivery(
            entries=tuple(entries),
            cursor=cursor,
            more=more,
            wants_heads=wants_heads,
            left=left,
            digest=self.digest(cursor),
            note=self.note(),
            consistency=self.consistency(request.size),
        )

    # --- attachments ---

    def blob(self, method: str, name: str, headers: Any, body: bytes) -> Answer:
        """Resumable upload and download."""
        if method == "GET":
            if name not in self.blobs:
                raise CountyRefusal("blob-unknown")
            return Answer(200, self.blobs[name])
        if method == "PATCH" and name not in self.blobs:
            here = self.parts.get(name, b"")
            if int(headers["Upload-Offset"]) != len(here):
                raise CountyRefusal("blob-offset", offset=len(here))
            self.parts[name] = here + body
            if headers["Upload-Complete"] == "?1":
                whole = self.parts.pop(name)
                if hashlib.sha256(whole).hexdigest() != name:
                    raise CountyRefusal("blob-digest")
                self.blobs[name] = whole
        whole_, here = self.blobs.get(name), self.parts.get(name, b"")
        offset, complete = (len(whole_), "?1") if whole_ is not None else (len(here), "?0")
        state = (("Upload-Offset", str(offset)), ("Upload-Complete", complete))
        return Answer(200, b"", (*state, ("Content-Type", CONTENT_TYPE)))


# --- the line ---


@contextmanager
def serving(county: SimulatedCounty, certificate: Path | None = None) -> Iterator[str]:
    """The county on a free port; its base address. `certificate`: PEM with key, for TLS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with county.lock:
                trick = county.tricks.popleft() if county.tricks else FINE
            if trick.pause_s:
                threading.Event().wait(trick.pause_s)
            if trick.lose_request:
                self.close_connection = True
                return
            answer = trick.answer or county.handle(self.command, self.path, self.headers, body)
            if trick.lose_answer:
                self.close_connection = True
                return
            data = trick.forge(answer.body) if trick.forge else answer.body
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data if trick.cut is None else data[: trick.cut])
            if trick.cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_HEAD = do_PATCH = answer  # noqa: N815 - http.server calls them so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing is printed."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that breaks off is what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_certificate(path: Path) -> bytes:
    """Write a self-signed certificate with its key to `path`, long expired; its SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere.test")])
    then = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(then).not_valid_after(then + timedelta(days=1))
    made = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).digest()


class Cutter:
    """A line to `port` of this machine that breaks once `limit` bytes went one way (`up` to the county)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.limit: int | None = None
        self.up = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._open = True
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        """Take the line down."""
        self._open = False
        socket.create_connection(self._listener.getsockname()).close()  # wakes the accepting thread
        self._accepting.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if not self._open:
                near.close()
                return
            thread = threading.Thread(target=self._carry, args=(near,))
            self._threads.append(thread)
            thread.start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self.port)) as far:
            other = threading.Thread(target=self._pump, args=(far, near, not self.up))
            other.start()
            self._pump(near, far, self.up)
            other.join()

    def _pump(self, source: socket.socket, target: socket.socket, limited: bool) -> None:
        left = self.limit if limited else None
        with suppress(OSError):
            while data := source.recv(4096):
                if left is not None and len(data) >= left:
                    target.sendall(data[:left])
                    break
                target.sendall(data)
                left = None if left is None else left - len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
