"""The county over HTTP: the calls of `app.sync.protocol`, raw bytes in, raw bytes out.

A request is read whole and bounded before anything is done with it; who asks is proved by the device's signature, and
a nonce is taken once. Work runs in the thread pool: signatures side by side, the database in turn. What goes wrong
becomes a `Refusal` with a status; what is a bug becomes `county-failed` and one line in the text log with the name of
the error, never its words, because words can hold a person's values.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from socket import create_server
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import delete, insert, select

from app.errors import ChainBroken, CountyRefusal, HudangError, InputProblem, VaultProblem
from app.sync.protocol import (
    CLOCK_TOLERANCE_MS,
    CONTENT_TYPE,
    MAX_BODY,
    PROTOCOL,
    TIME_HEADER,
    Claim,
    DeliveryRequest,
    EnrolRequest,
    Hello,
    Packet,
    Refusal,
)
from county import delivery, enrolment, quarantine
from county.administration import ATTACHMENTS, County
from county.blobs import Blobs, Extent
from county.cards import china_day
from county.delivery import Deliveries, Device
from county.enrolment import SECRET_BYTES
from county.keys import CERTIFICATE, TLS_KEY
from county.sequencer import Sender
from county.tables import NONCE

RETRY_S: Final = 30
KEEP_ALIVE_S: Final = 30
CONNECTIONS: Final = 500  # at once; who comes later is told to wait
GRACE_S: Final = 10
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
FLUSH: Final = 256  # nonces that wait for the next transaction before they get one of their own

STATUS: Final = {
    "not-authorised": 401,
    "clock-off": 401,
    "enrolment-unknown": 401,
    "enrolment-expired": 410,
    "enrolment-used": 409,
    "enrolment-person": 409,
    "device-known": 409,
    "chain-known": 409,
    "chain-gap": 409,
    "chain-forked": 409,
    "chain-unknown": 409,
    "log-shorter": 409,
    "chain-held": 423,
    "device-revoked": 423,
    "device-full": 413,
    "packet-too-large": 413,
    "body-too-large": 413,
    "blob-too-large": 413,
    "blob-offset": 409,
    "blob-digest": 422,
    "blob-name": 422,
    "blob-unknown": 404,
    "no-such-page": 404,
    "county-failed": 503,
    "disk-full": 507,
}

log = logging.getLogger("county")


class Who(Enum):
    """Who may make a call."""

    ANYBODY = "anybody"  # the call itself says who: nobody in particular, or whoever has a code's secret and device
    KNOWN = "known"  # a device of this county, even an ended one: it hands in what it still has and gets nothing
    IN_FORCE = "in force"  # a device that was not ended: it gets what its vault may hold (`county.delivery`)


# Every call has its row, and no call is answered without one. What persons may do lies in what they sign, not here.
CALLERS: Final[Mapping[tuple[str, str], Who]] = {
    ("GET", "/v1/county"): Who.ANYBODY,
    ("POST", "/v1/enrolments/look"): Who.ANYBODY,
    ("POST", "/v1/enrolments"): Who.ANYBODY,
    ("GET", "/v1/hello"): Who.KNOWN,
    ("GET", "/v1/chains/{chain}"): Who.KNOWN,
    ("POST", "/v1/chains/{chain}/entries"): Who.KNOWN,
    ("POST", "/v1/delivery"): Who.IN_FORCE,
    ("HEAD", "/v1/blobs/{digest}"): Who.KNOWN,
    ("PATCH", "/v1/blobs/{digest}"): Who.KNOWN,
    ("GET", "/v1/blobs/{digest}"): Who.IN_FORCE,
}


class Nonces:
    """Nonces that were used. They wait in memory for the next transaction: after a power cut the last few could be used
    again, and would get the same answers again, for every call is idempotent."""

    def __init__(self, county: County) -> None:
        self._county = county
        self._fresh: dict[bytes, int] = {}

    def take(self, claim: Claim) -> None:
        """CountyRefusal("not-authorised") for a nonce that was used, "clock-off" for a time beyond all tolerance."""
        now = self._county.clock()
        if abs(claim.time_ms - now) > CLOCK_TOLERANCE_MS:
            raise CountyRefusal("clock-off", time=now)
        if claim.nonce in self._fresh:
            raise CountyRefusal("not-authorised")
        with self._county.log.reading() as tx:
            if tx.scalar(select(NONCE.c.nonce).where(NONCE.c.nonce == claim.nonce)) is not None:
                raise CountyRefusal("not-authorised")
            if self._fresh.setdefault(claim.nonce, claim.time_ms) != claim.time_ms:
                raise CountyRefusal("not-authorised")
        if len(self._fresh) >= FLUSH:
            self.flush()

    def flush(self) -> None:
        """Write what waits; forget what no clock could send any more."""
        with self._county.log.writing() as tx:
            waiting = dict(self._fresh)
            if waiting:
                tx.execute(insert(NONCE), [{"nonce": nonce, "time": time} for nonce, time in waiting.items()])
            tx.execute(delete(NONCE).where(NONCE.c.time < self._county.clock() - CLOCK_TOLERANCE_MS))
        for nonce in waiting:
            self._fresh.pop(nonce, None)


class Calls:
    """What each call does, in the thread pool, once its body is here."""

    def __init__(self, county: County) -> None:
        self.county = county
        self.blobs = Blobs(county.folder / ATTACHMENTS)
        self.deliveries = Deliveries(county.log, county.root)
        self.nonces = Nonces(county)

    def caller(self, request: Request, body: bytes, who: Who) -> Device | None:
        """Who asks, proved; None for anybody. CountyRefusal("not-authorised" | "device-revoked")."""
        if who is Who.ANYBODY:
            return None
        claim = Claim.parse(request.headers.get("authorization", ""))
        with self.county.log.reading() as tx:
            known = delivery.device(tx, claim.device)
        self._prove(request, body, claim, known.transport_key)
        if who is Who.IN_FORCE and not known.alive:
            raise CountyRefusal("device-revoked")
        return known

    def _prove(self, request: Request, body: bytes, claim: Claim, key: bytes) -> None:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        claim.check(key, request.method, target, body)
        self.nonces.take(claim)

    def _room(self, device: Device | None, body: bytes) -> None:
        if not _known(device).alive:
            quarantine.take_room(self.county, _known(device).id, len(body))

    def county_key(self, _request: Request, _body: bytes, _device: Device | None) -> Response:
        return _answer(self.county.key.encode())

    def look(self, _request: Request, body: bytes, _device: Device | None) -> Response:
        if len(body) != SECRET_BYTES:
            raise CountyRefusal("enrolment-unknown")
        return _answer(enrolment.look(self.county, body).encode())

    def enrol(self, request: Request, body: bytes, _device: Device | None) -> Response:
        asked = EnrolRequest.decode(body)
        claim = Claim.parse(request.headers.get("authorization", ""))
        if claim.device != asked.device:
            raise CountyRefusal("not-authorised")
        self._prove(request, body, claim, asked.transport_key)  # a code lets nobody onto somebody else's device
        return _answer(enrolment.enrol(self.county, asked).encode())

    def hello(self, request: Request, _body: bytes, _device: Device | None) -> Response:
        size = _size(request)
        with self.county.log.reading():
            hello = Hello(
                time=self.county.clock(),
                oldest_protocol=PROTOCOL,
                newest_protocol=PROTOCOL,
                note=self.county.log.note(),
                consistency=self.county.log.consistency(size),
            )
        return _answer(hello.encode())

    def chain(self, request: Request, _body: bytes, device: Device | None) -> Response:
        return _answer(self.county.log.chain_head(_id(request, "chain"), _sender(_known(device))).encode())

    def entries(self, request: Request, body: bytes, device: Device | None) -> Response:
        packet = Packet.decode(body)
        if packet.chain != _id(request, "chain"):
            raise ChainBroken("packet-form")
        self._room(device, body)
        return _answer(self.county.log.submit(packet, _size(request), _sender(_known(device))).encode())

    def delivery(self, _request: Request, body: bytes, device: Device | None) -> Response:
        asked = DeliveryRequest.decode(body)
        with self.county.log.reading() as tx:
            page = self.deliveries.page(tx, _known(device), asked, china_day(self.county.clock()))
        return _answer(page.encode())

    def blob_head(self, request: Request, _body: bytes, _device: Device | None) -> Response:
        return _extent(self.blobs.extent(request.path_params["digest"]))

    def blob_patch(self, request: Request, body: bytes, device: Device | None) -> Response:
        offset = request.headers.get("upload-offset", "")
        if not (offset.isascii() and offset.isdecimal() and len(offset) < 12):
            raise ChainBroken("answer-form")
        self._room(device, body)
        last = request.headers.get("upload-complete") == "?1"
        return _extent(self.blobs.append(request.path_params["digest"], int(offset), body, last=last))

    def blob_get(self, request: Request, _body: bytes, device: Device | None) -> Response:
        name = request.path_params["digest"]
        self.blobs.extent(name)  # its form
        with self.county.log.reading() as tx:
            here, today = _known(device), china_day(self.county.clock())
            allowed = delivery.may_read(tx, self.county.log, self.county.root, here, bytes.fromhex(name), today)
        if not allowed:
            raise CountyRefusal("blob-unknown")
        return Response(self.blobs.read(name), media_type="application/octet-stream")


Call = Callable[[Request, bytes, Device | None], Response]


def application(county: County) -> FastAPI:
    """The county's calls as an application for a server; `county` stays the caller's to close."""
    calls = Calls(county)
    app = FastAPI(title="hudang-county", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.calls = calls
    routes: tuple[tuple[str, str, Call], ...] = (
        ("GET", "/v1/county", calls.county_key),
        ("POST", "/v1/enrolments/look", calls.look),
        ("POST", "/v1/enrolments", calls.enrol),
        ("GET", "/v1/hello", calls.hello),
        ("GET", "/v1/chains/{chain}", calls.chain),
        ("POST", "/v1/chains/{chain}/entries", calls.entries),
        ("POST", "/v1/delivery", calls.delivery),
        ("HEAD", "/v1/blobs/{digest}", calls.blob_head),
        ("PATCH", "/v1/blobs/{digest}", calls.blob_patch),
        ("GET", "/v1/blobs/{digest}", calls.blob_get),
    )
    for method, path, call in routes:
        app.router.add_route(path, _endpoint(calls, call, CALLERS[method, path]), methods=[method])
    for status in (404, 405):
        app.add_exception_handler(status, _no_page)
    return app


def serve(county: County, host: str, port: int, *, plain: bool, ready: Callable[[str], None]) -> None:
    """Answer at `host`:`port` (0: a free one) until the process is told to stop, then SystemExit(0). `ready` gets the
    base address once connections are taken. `plain` for HTTP, which only the own machine may speak.
    InputProblem("serve-plain" | "serve-address")."""
    if plain and host not in LOOPBACK:
        raise InputProblem("serve-plain")
    try:
        socket = create_server((host, port))
    except OSError:
        raise InputProblem("serve-address") from None
    app = application(county)
    folder = county.keys_folder
    tls = {} if plain else {"ssl_certfile": folder / CERTIFICATE, "ssl_keyfile": folder / TLS_KEY}
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE_S,
        **tls,  # type: ignore[arg-type]
    )
    # uvicorn finishes what it answers and then raises the signal again: to us, so that everything is closed in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    ready(f"{'http' if plain else 'https'}://{host}:{socket.getsockname()[1]}")
    try:
        uvicorn.Server(config).run(sockets=[socket])
    finally:
        socket.close()
        app.state.calls.nonces.flush()


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _endpoint(calls: Calls, call: Call, who: Who) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            body = await _body(request)
            return await run_in_threadpool(_answered, calls, call, who, request, body)
        except HudangError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - the boundary of the program: nobody above could say it better
            log.error("%s failed: %s", call.__name__, type(error).__name__)
            return _refusal(CountyRefusal("county-failed"))

    return answer


def _answered(calls: Calls, call: Call, who: Who, request: Request, body: bytes) -> Response:
    return call(request, body, calls.caller(request, body, who))


def _known(device: Device | None) -> Device:
    """The device of a call that is not for anybody."""
    if device is None:
        raise CountyRefusal("not-authorised")
    return device


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise CountyRefusal("body-too-large", limit=MAX_BODY // (1024 * 1024))
    return bytes(body)


def _answer(data: bytes) -> Response:
    return Response(data, media_type=CONTENT_TYPE)


def _refusal(error: HudangError) -> Response:
    """What a laptop is told. Trouble inside the county is nobody's business: its code stays in the text log."""
    code, facts = error.code, error.facts
    if isinstance(error, ChainBroken) and code.startswith("log-"):
        log.critical("the log does not hold: %s", code)
        code, facts = "county-failed", {}
    elif isinstance(error, VaultProblem) and code not in STATUS:
        log.error("storage: %s", code)
        code, facts = "county-failed", {}
    status = STATUS.get(code, 422 if isinstance(error, ChainBroken | InputProblem) else 409)
    headers = {"Retry-After": str(RETRY_S)} if status == 503 else {}
    if code == "clock-off":
        headers[TIME_HEADER] = str(facts["time"])
    body = Refusal(code=code, facts=tuple(sorted(facts.items()))).encode()
    return Response(body, status_code=status, headers=headers, media_type=CONTENT_TYPE)


async def _no_page(_request: Request, _error: Exception) -> Response:
    body = Refusal(code="no-such-page").encode()
    return Response(body, status_code=404, media_type=CONTENT_TYPE)


def _sender(device: Device) -> Sender:
    return Sender(id=device.id, ended=not device.alive)


def _extent(extent: Extent) -> Response:
    headers = {"Upload-Offset": str(extent.offset), "Upload-Complete": "?1" if extent.complete else "?0"}
    return Response(status_code=200, headers=headers, media_type=CONTENT_TYPE)


def _size(request: Request) -> int:
    text = request.query_params.get("size", "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ChainBroken("answer-form")
    return int(text)


def _id(request: Request, name: str) -> bytes:
    try:
        found = bytes.fromhex(request.path_params[name])
    except ValueError:
        found = b""
    if len(found) != 16:
        raise CountyRefusal("chain-unknown")
    return found
