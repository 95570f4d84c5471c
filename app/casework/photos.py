"""Photos as they enter a file: small, upright, without what the camera wrote into them.

Position and device data in a photo are whereabouts of a person and are dropped (GB/T 45574-2025); only the
time it was taken is kept, as a fact beside it. All decoding happens in a child process, see `decoding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.casework import decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A prepared photo: JPEG of at most 1600 px and 300 kB; `taken_at` in UTC milliseconds if the camera
    said it.
    """

    jpeg: bytes
    width: int
    height: int
    taken_at: int | None


def prepare(source: Path | bytes) -> Photo:
    """The photo in a file (or its bytes), made fit for a file of a household.

    Raises `InputProblem`: `"file-missing"`, `"not-a-file"`, `"file-unreadable"`, `"photo-file-too-large"`,
    `"not-a-photo"`, `"photo-heic"`, `"photo-too-large"` (over 40 megapixels, told before decoding),
    `"photo-truncated"`, `"photo-too-slow"`, `"photo-unreadable"`.
    """
    said, jpeg = decoding.in_child("photo", decoding.read_file(source))
    return Photo(jpeg=jpeg, width=said["width"], height=said["height"], taken_at=said["taken_at"])
