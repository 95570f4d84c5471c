"""The child process in which pictures from outside are decoded, and the door to it.

Decoders are the part of any program that hostile files break first, so no picture from outside is decoded
in the process that holds the vault. The child gets bytes on its standard input and answers with a JSON line
and bytes. Rules: only JPEG and PNG are opened; the size is read from the header and limited before anything
is unpacked; the child has a time limit and, where the system can, a memory limit; it writes no file. A
frozen program calls itself with `CHILD_FLAG`: its start must hand over to `serve_if_child` before anything
else.
"""

from __future__ import annotations

import io
import json
import stat
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, UnidentifiedImageError

from app.errors import InputProblem

if sys.platform != "win32":
    import resource

    _NO_WINDOW = 0
else:
    _NO_WINDOW = subprocess.CREATE_NO_WINDOW

CHILD_FLAG = "--decode-picture"
MEGAPIXELS = 40
FILE_MEGABYTES = 60
SECONDS = 20.0
LONGEST_SIDE = 1600
JPEG_BYTES = 300_000

_ROOT = Path(__file__).resolve().parent.parent.parent
_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from app.casework import decoding; decoding.serve()"
_CARD_SIZES = (57, 61, 53, 65)
"""Modules of a side: payload alone, in a link, and their neighbours."""
_CELL = 8
_MEMORY = 1536 * 1024 * 1024
_FORMATS = ("JPEG", "PNG")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_SHANGHAI = timezone(timedelta(hours=8))
_ORIENTATION, _EXIF, _TAKEN, _OFFSET = 0x0112, 0x8769, 0x9003, 0x9011
_BROKEN = (OSError, EOFError, SyntaxError, ValueError, KeyError, TypeError, IndexError, struct.error)

Answer = tuple[dict[str, Any], bytes]


def read_file(source: Path | bytes) -> bytes:
    """The bytes of a picture file that a person chose. Follows no link, opens no device, reads at most 60 MB.

    Raises `InputProblem`: `"file-missing"`, `"not-a-file"`, `"photo-file-too-large"`, `"file-unreadable"`.
    """
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            found = source.lstat()
        except FileNotFoundError:
            raise InputProblem("file-missing") from None
        except (OSError, ValueError):
            raise InputProblem("file-unreadable") from None
        if not stat.S_ISREG(found.st_mode):
            raise InputProblem("not-a-file")
        size = found.st_size
    if size > FILE_MEGABYTES * 1_000_000:
        raise InputProblem("photo-file-too-large", megabytes=size // 1_000_000, limit=FILE_MEGABYTES)
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError:
        raise InputProblem("file-unreadable") from None


def in_child(task: str, data: bytes, seconds: float = SECONDS) -> Answer:
    """Let a child do `task` (`"photo"` or `"codes"`) with the bytes of one picture.

    Raises `InputProblem`: `"not-a-photo"`, `"photo-heic"`, `"photo-too-large"`, `"photo-truncated"`,
    `"photo-too-slow"`, `"photo-unreadable"` when the child died.
    """
    if getattr(sys, "frozen", False):
        command = [sys.executable, CHILD_FLAG, task]
    else:
        command = [sys.executable, "-I", "-c", _PROGRAM, str(_ROOT), task]
    try:
        done = subprocess.run(  # noqa: S603 - our own program with fixed words
            command,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            creationflags=_NO_WINDOW,
        )
    except subprocess.TimeoutExpired:
        raise InputProblem("photo-too-slow", seconds=int(seconds)) from None
    line, _, rest = done.stdout.partition(b"\n")
    if done.returncode != 0 or not line:
        raise InputProblem("photo-unreadable")
    said: dict[str, Any] = json.loads(line)
    if "code" in said:
        raise InputProblem(said.pop("code"), **said)
    return said, rest


def serve_if_child(arguments: list[str]) -> bool:
    """Do the child's work if `arguments` (`sys.argv`) ask for it; True when done and the process should
    end.
    """
    if arguments[1:2] != [CHILD_FLAG]:
        return False
    del arguments[1]
    serve()
    return True


def serve() -> None:
    """The child: the task in `sys.argv`, the picture on standard input, the answer on standard output."""
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    task = {"photo": shrink, "codes": find_codes}[sys.argv[1]]
    try:
        said, rest = task(sys.stdin.buffer.read())
    except InputProblem as problem:
        said, rest = {"code": problem.code, **problem.facts}, b""
    sys.stdout.buffer.write(json.dumps(said).encode("ascii") + b"\n" + rest)
    sys.stdout.buffer.flush()


def shrink(data: bytes) -> Answer:
    """A JPEG of at most 1600 px and 300 kB, upright, without metadata; when it was taken, if the camera
    said so.
    """
    picture = _opened(data)
    taken_at = _taken_at(picture)
    picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    upright = _upright(_loaded(picture))
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    flat = _flat(upright)
    while True:
        for quality in (84, 76, 68, 60, 50):
            out = io.BytesIO()
            flat.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= JPEG_BYTES:
                return {"width": flat.width, "height": flat.height, "taken_at": taken_at}, out.getvalue()
        flat = flat.resize((flat.width * 4 // 5, flat.height * 4 // 5), Image.Resampling.LANCZOS)


def find_codes(data: bytes) -> Answer:
    """Texts of the QR codes in a picture, in the order they were found, each once."""
    picture = _flat(_upright(_loaded(_opened(data)))).convert("L")
    for texts in map(_texts, _variants(picture)):
        if texts:
            return {"texts": texts}, b""
    return {"texts": []}, b""


def _variants(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture as it is, then without specks, turned, larger, sharper, at last redrawn: what a worn code needs."""
    yield picture
    picture.thumbnail((2400, 2400), Image.Resampling.LANCZOS)
    yield ImageOps.autocontrast(picture.filter(ImageFilter.MedianFilter(3)), cutoff=2)
    yield picture.rotate(-15, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    if picture.width < 1200:
        yield picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC)
    yield picture.filter(ImageFilter.UnsharpMask(radius=3, percent=200, threshold=0))
    picture.thumbnail((800, 800), Image.Resampling.LANCZOS)
    yield from _redrawn(picture)


def _redrawn(picture: Image.Image) -> Iterator[Image.Image]:
    """A picture of one code alone, cut out straight, with its three finder patterns drawn anew.

    A dark speck on a finder pattern hides the whole code from a reader while error correction would bear ten of
    them; what a finder pattern looks like is known (ISO/IEC 18004, 6.3.3). Tried for the sizes our cards have.
    """
    small = picture.resize((picture.width // 8 + 1, picture.height // 8 + 1), Image.Resampling.BOX)
    paper = small.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(4))
    dark = ImageChops.subtract(paper.resize(picture.size, Image.Resampling.BICUBIC), picture)
    dark = ImageOps.autocontrast(dark, cutoff=1)
    thumb = dark.resize((300, max(1, 300 * dark.height // dark.width)), Image.Resampling.BOX)
    turn = max(range(-20, 21), key=lambda half: _edges(thumb.rotate(half / 2, Image.Resampling.BILINEAR))) / 2
    dark = dark.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    (left, right), (top, bottom) = (_extent(profile) for profile in _profiles(dark))
    if right - left < 100 or bottom - top < 100:
        return
    for size in _CARD_SIZES:
        side = size * _CELL
        whole = (left, top, right, bottom)
        cut = dark.transform((side, side), Image.Transform.EXTENT, whole, Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(cut)
        for column, row in ((0, 0), (size - 7, 0), (0, size - 7)):
            around = (column - (column > 0), row - (row > 0))
            for (x, y), width, shade in (
                (around, 8, 0),
                ((column, row), 7, 255),
                ((column + 1, row + 1), 5, 0),
                ((column + 2, row + 2), 3, 255),
            ):
                end = ((x + width) * _CELL - 1, (y + width) * _CELL - 1)
                draw.rectangle(((x * _CELL, y * _CELL), end), fill=shade)
        yield ImageOps.invert(ImageOps.expand(cut, 4 * _CELL, 0))


def _profiles(dark: Image.Image) -> tuple[list[int], list[int]]:
    """Mean darkness of each column and of each row."""
    across = dark.resize((dark.width, 1), Image.Resampling.BOX)
    down = dark.resize((1, dark.height), Image.Resampling.BOX)
    return list(across.tobytes()), list(down.tobytes())


def _edges(dark: Image.Image) -> int:
    """How sharply the profiles change: greatest when rows and columns of modules lie straight."""
    return sum((one - next_) ** 2 for profile in _profiles(dark) for one, next_ in pairwise(profile))


def _extent(profile: list[int]) -> tuple[int, int]:
    """Where the code begins and ends in a profile."""
    inside = sorted(profile[len(profile) // 4 : len(profile) * 3 // 4])
    low, usual = sorted(profile)[len(profile) // 30], inside[len(inside) // 2]
    on = [place for place, value in enumerate(profile) if value > low + 0.4 * (usual - low)]
    return (on[0], on[-1] + 1) if on else (0, 0)


def _texts(picture: Image.Image) -> list[str]:
    found = zxingcpp.read_barcodes(
        picture,
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
        text_mode=zxingcpp.TextMode.Plain,
    )
    return list(dict.fromkeys(code.text for code in found))


def _opened(data: bytes) -> Image.Image:
    """The picture with only its header read; size checked."""
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputProblem("photo-too-large", megapixels=_declared(data), limit=MEGAPIXELS) from None
    except (UnidentifiedImageError, *_BROKEN):
        if data[4:8] == b"ftyp":
            raise InputProblem("photo-heic") from None
        raise InputProblem("photo-truncated" if data.startswith(_SIGNATURES) else "not-a-photo") from None
    if picture.width * picture.height > MEGAPIXELS * 1_000_000:
        megapixels = picture.width * picture.height // 1_000_000
        raise InputProblem("photo-too-large", megapixels=megapixels, limit=MEGAPIXELS)
    return picture


def _declared(data: bytes) -> int:
    """Megapixels of a picture that Pillow refuses to look at, by its PNG or JPEG header; at least 1."""
    if data.startswith(_SIGNATURES[1]):
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        return max(1, width * height // 1_000_000)
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[place + 5 : place + 7], "big")
            width = int.from_bytes(data[place + 7 : place + 9], "big")
            return max(1, width * height // 1_000_000)
        place += 2 + length
    return MEGAPIXELS + 1


def _loaded(picture: Image.Image) -> Image.Image:
    try:
        picture.load()
    except (*_BROKEN, MemoryError):
        raise InputProblem("photo-truncated") from None
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except _BROKEN:  # a photo with unreadable metadata is still a photo
        return picture


def _flat(picture: Image.Image) -> Image.Image:
    """RGB or greyscale, eight bits, on white."""
    if picture.mode in ("I", "I;16", "I;16B", "I;16L"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("RGBA", "LA", "PA", "P") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        white = Image.new("RGB", coloured.size, "white")
        white.paste(coloured, mask=coloured.getchannel("A"))
        return white
    return picture if picture.mode in ("RGB", "L") else picture.convert("RGB")


def _taken_at(picture: Image.Image) -> int | None:
    """UTC milliseconds of the camera's clock; without a time zone in the file it is taken for
    Asia/Shanghai.
    """
    try:
        exif = picture.getexif().get_ifd(_EXIF)
        written = str(exif[_TAKEN]).strip("\x00 ")
        offset = str(exif.get(_OFFSET, "")).strip("\x00 ").replace(":", "")
        if len(offset) == 5:
            taken = datetime.strptime(written + offset, "%Y:%m:%d %H:%M:%S%z")
        else:
            taken = datetime.strptime(written, "%Y:%m:%d %H:%M:%S").replace(tzinfo=_SHANGHAI)
        return int(taken.timestamp() * 1000)
    except (*_BROKEN, OverflowError):
        return None
