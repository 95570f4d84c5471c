"""The only home of `requests`: one method for each call of the protocol, every failure told once.

Rules kept here:
- The county is known by the SHA-256 of its certificate, carried by the enrolment code, and by nothing else: no public
  authority, no name, no clock. Without a pin only plain HTTP to the own machine is spoken.
- No redirect is followed, no proxy or password of the environment is used, nothing is unpacked on the way.
- What does not answer in the protocol's content type is "not the county": a captive portal, a proxy's page, a router.
- A failure is a TransportProblem (wait, nothing is lost), the county's no is a CountyRefusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from app.errors import ChainBroken, TransportProblem
from app.ledger.act import Random
from app.sync.protocol import (
    CHUNK,
    CONTENT_TYPE,
    MAX_BODY,
    TIME_HEADER,
    ChainHead,
    CountyKey,
    Delivery,
    DeliveryRequest,
    EnrolRequest,
    Hello,
    Invitation,
    Packet,
    Receipt,
    Refusal,
    authorization,
)

CONNECT_S: Final = 10
READ_S: Final = 60
ANSWER_MS: Final = 10 * 60 * 1000  # a whole answer; an address that drips a byte a minute is no county
MAX_BLOB: Final = 33 * 1024 * 1024  # an attachment of 32 MiB, sealed
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
PIN_BYTES: Final = 32
LONGEST_WAIT_S: Final = 3600  # what a county may ask for

Clock = Callable[[], int]


class _Message(Protocol):
    """An answer of the protocol."""

    @classmethod
    def decode(cls, data: bytes) -> Any: ...


Message = TypeVar("Message", bound=_Message)


class _Pinned(HTTPAdapter):
    """Speaks TLS to the one certificate with this SHA-256. Its name and dates say nothing: laptops' clocks are wrong,
    and the fingerprint is stronger than both."""

    def __init__(self, pin: bytes) -> None:
        self._pin = pin
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, assert_fingerprint=self._pin.hex(), assert_hostname=False)


class County:
    """The county at `base` (scheme, host, port), as one device sees it.

    `pin`: SHA-256 of its certificate, 32 bytes, empty for plain HTTP on the own machine. `device` and `seed`: id and
    Ed25519 seed of this device; without them only what a stranger may ask. `clock`: UTC milliseconds. `patience_s`:
    seconds to wait for a connection, and for the next bytes.
    TransportProblem("address-unusable") for any other base.
    """

    def __init__(
        self,
        base: str,
        pin: bytes,
        *,
        random: Random,
        clock: Clock,
        device: bytes = b"",
        seed: bytes = b"",
        patience_s: tuple[float, float] = (CONNECT_S, READ_S),
    ) -> None:
        parts = urlsplit(base)
        plain = parts.scheme == "http" and parts.hostname in LOOPBACK and not pin
        pinned = parts.scheme == "https" and len(pin) == PIN_BYTES
        if not (plain or pinned) or parts.path.strip("/") or parts.query or parts.username is not None:
            raise TransportProblem("address-unusable")
        self.base = base.rstrip("/")
        self.clock = clock
        self._random = random
        self._patience = patience_s
        self._device = device
        self._seed = seed
        self._ahead_ms = 0  # of our clock, as the county told when ours was beyond its tolerance
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = False  # of the public authorities; the fingerprint is checked instead
        self._session.mount("https://", _Pinned(pin) if pinned else HTTPAdapter(max_retries=0))

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._session.close()

    # --- what a stranger may ask ---

    def county_key(self) -> CountyKey:
        """county.pub, not yet believed."""
        return self._ask(CountyKey, "GET", "/v1/county", signed=False)

    def look(self, secret: bytes) -> Invitation:
        """Whom an enrolment code is for. CountyRefusal for a code that is unknown, used or too old."""
        return self._ask(Invitation, "POST", "/v1/enrolments/look", secret, signed=False)

    def enrol(self, request: EnrolRequest) -> Invitation:
        """Use the code; the same request again gets the same answer. Signed: the device shows that it has the transport
        key that the request names."""
        return self._ask(Invitation, "POST", "/v1/enrolments", request.encode())

    # --- what a device asks ---

    def hello(self, size: int) -> Hello:
        """The county's clock and checkpoint, with the proof that its log grew from `size`."""
        return self._ask(Hello, "GET", f"/v1/hello?size={size}")

    def chain(self, chain: bytes) -> ChainHead:
        """How far the county holds a chain."""
        return self._ask(ChainHead, "GET", f"/v1/chains/{chain.hex()}")

    def send(self, packet: Packet, size: int) -> Receipt:
        """Hand over a packet; the receipt proves from the checkpoint of `size` on."""
        target = f"/v1/chains/{packet.chain.hex()}/entries?size={size}"
        return self._ask(Receipt, "POST", target, packet.encode())

    def delivery(self, request: DeliveryRequest) -> Delivery:
        """A page of what belongs to this vault."""
        return self._ask(Delivery, "POST", "/v1/delivery", request.encode())

    # --- attachments ---

    def blob_offset(self, key: bytes) -> tuple[int, bool]:
        """(bytes that are durable at the county, whether the whole is there) of the file with SHA-256 `key`."""
        with self._exchange("HEAD", _blob(key)) as answer:
            if answer.status_code == requests.codes.not_found:
                return 0, False
            if not answer.ok:
                self._refuse(answer)
            return _upload_state(answer)

    def put_blob(self, key: bytes, offset: int, chunk: bytes, *, last: bool) -> tuple[int, bool]:
        """Send one piece (at most 64 KiB) from `offset` on; the new (offset, complete). CountyRefusal("blob-offset")
        when the county has another offset, ("blob-digest") when the whole is not what its name says."""
        assert len(chunk) <= CHUNK
        headers = {
            "Upload-Offset": str(offset),
            "Upload-Complete": "?1" if last else "?0",
            "Content-Type": "application/partial-upload",
        }
        with self._exchange("PATCH", _blob(key), chunk, headers) as answer:
            if not answer.ok:
                self._refuse(answer)
            return _upload_state(answer)

    def blob(self, key: bytes) -> bytes:
        """The encrypted file with SHA-256 `key`; the caller compares. CountyRefusal when the county has none."""
        with self._exchange("GET", _blob(key)) as answer:
            if not answer.ok:
                self._refuse(answer)
            if answer.headers.get("Content-Type") not in (CONTENT_TYPE, "application/octet-stream"):
                raise TransportProblem("not-the-county")
            return self._read(answer, MAX_BLOB)

    # --- one exchange ---

    def _ask(
        self, message: type[Message], method: str, target: str, body: bytes = b"", *, signed: bool = True
    ) -> Message:
        with self._exchange(method, target, body, signed=signed) as answer:
            if not answer.ok:
                self._refuse(answer)
            _must_be_county(answer)
            data = self._read(answer, MAX_BODY)
        try:
            found: Message = message.decode(data)
        except (ChainBroken, ValueError, TypeError):
            raise TransportProblem("not-the-county") from None
        return found

    @contextmanager
    def _exchange(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> Iterator[requests.Response]:
        sent = {
            "Accept": CONTENT_TYPE,
            "Accept-Encoding": "identity",
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "hudang",
            **(headers or {}),
        }
        with _told():
            answer = self._send(method, target, body, sent, signed)
            told = answer.headers.get(TIME_HEADER, "")
            if signed and answer.status_code == requests.codes.unauthorized and told.isdecimal():
                answer.close()
                self._ahead_ms = int(told) - self.clock()
                answer = self._send(method, target, body, sent, signed)
            try:
                # Nothing of ours is packed on the way: what is may unpack to anything.
                if answer.is_redirect or "Content-Encoding" in answer.headers:
                    raise TransportProblem("not-the-county")
                yield answer
            finally:
                answer.close()

    def _send(self, method: str, target: str, body: bytes, headers: dict[str, str], signed: bool) -> requests.Response:
        if signed:
            now = self.clock() + self._ahead_ms
            headers["Authorization"] = authorization(
                self._device, self._seed, method, target, body, now, self._random(16)
            )
        return self._session.request(
            method,
            self.base + target,
            data=body or None,
            headers=headers,
            timeout=self._patience,
            allow_redirects=False,
            stream=True,
        )

    def _read(self, answer: requests.Response, limit: int) -> bytes:
        """The body; TransportProblem for one that is too long, too slow or cut off."""
        expected = answer.headers.get("Content-Length", "")
        until = self.clock() + ANSWER_MS
        body = bytearray()
        for piece in answer.iter_content(CHUNK):
            body += piece
            if len(body) > limit:
                raise TransportProblem("not-the-county")
            if self.clock() > until:
                raise TransportProblem("county-slow")
        if expected.isdecimal() and len(body) != int(expected):
            raise TransportProblem("connection-lost")
        return bytes(body)

    def _refuse(self, answer: requests.Response) -> None:
        """Raise what an answer that is no success means."""
        codes = requests.codes
        if answer.status_code in (codes.service_unavailable, codes.too_many_requests):
            raise TransportProblem("county-busy", seconds=_wait(answer))
        if answer.status_code == codes.insufficient_storage:
            raise TransportProblem("county-full")
        _must_be_county(answer)
        data = self._read(answer, MAX_BODY)
        try:
            refusal = Refusal.decode(data)
        except (ChainBroken, ValueError, TypeError):
            raise TransportProblem("not-the-county") from None
        raise refusal.error()


@contextmanager
def _told() -> Iterator[None]:
    """Turns what `requests` raises into one of our codes."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        wrong = "ingerprint" in str(error)
        raise TransportProblem("wrong-certificate" if wrong else "not-the-county") from None
    except requests.exceptions.ConnectTimeout:
        raise TransportProblem("county-unreachable") from None
    except requests.exceptions.Timeout:
        raise TransportProblem("county-slow") from None
    except requests.exceptions.ChunkedEncodingError:
        raise TransportProblem("connection-lost") from None
    except requests.exceptions.ConnectionError as error:
        text = str(error)
        if "Read timed out" in text:
            raise TransportProblem("county-slow") from None
        lost = any(word in text for word in ("aborted", "reset", "Remote end closed", "IncompleteRead"))
        raise TransportProblem("connection-lost" if lost else "county-unreachable") from None
    except requests.exceptions.RequestException:
        raise TransportProblem("not-the-county") from None


def _must_be_county(answer: requests.Response) -> None:
    if answer.headers.get("Content-Type") != CONTENT_TYPE:
        raise TransportProblem("not-the-county")


def _blob(key: bytes) -> str:
    return f"/v1/blobs/{key.hex()}"


def _upload_state(answer: requests.Response) -> tuple[int, bool]:
    offset = answer.headers.get("Upload-Offset", "")
    if not offset.isdecimal() or int(offset) > MAX_BLOB:
        raise TransportProblem("not-the-county")
    return int(offset), answer.headers.get("Upload-Complete") == "?1"


def _wait(answer: requests.Response) -> int:
    """Seconds of Retry-After, 0 where it is missing or a date: a date needs a right clock."""
    text = answer.headers.get("Retry-After", "")
    return min(int(text), LONGEST_WAIT_S) if text.isdecimal() else 0
