"""A fictional county to try everything with: 云岭县, where nobody lives. Staff, places and people are invented.

Its genesis says that it is a demo, so every screen and sheet says so too, and numbers with the prefix 99 are valid.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.progress import Progress
from app.text import RESOURCES
from app.vault import slots
from app.workbooks.checking import read_register
from county import administration, cards, enrolment, imports
from county.administration import Areas, Author, Clock, County
from county.keys import Random

NAME: Final = "云岭县"
CODE: Final = "990101"
ADMINISTRATOR: Final = "罗管理"
TOWNSHIP: Final = "云台镇"
VILLAGE: Final = "云台镇/上坝村"
GRIDS: Final = ("第一网格", "第二网格")
REGISTER: Final = RESOURCES / "samples" / "register-village.xlsx"
POOL_CARDS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of the demo's staff, and where they work."""

    key: str
    name: str
    role: str
    post: str
    place: str
    also: tuple[tuple[str, str], ...] = ()  # further roles and where


STAFF: Final = (
    Person(
        key="grid",
        name="韦测一",
        role="GRID",
        post="村信息员兼网格员",
        place=f"{VILLAGE}/{GRIDS[0]}",
        also=(("VILLAGE", VILLAGE),),
    ),
    Person(key="grid2", name="陆试三", role="GRID", post="网格员", place=f"{VILLAGE}/{GRIDS[1]}"),
    Person(key="station", name="覃试二", role="STATION", post="工作站站员", place=TOWNSHIP),
)


def build(
    folder: Path,
    clock: Clock,
    random: Random,
    *,
    tell: Callable[[Progress], None] = lambda _: None,
    kdf: slots.KdfParameters = slots.FLOOR,
) -> tuple[County, str]:
    """Make the demo county in `folder`; the open county and the administrator's throw-away password."""
    password = base64.b32encode(random(10)).decode().lower()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    county = administration.found(
        folder / "county",
        folder / "keys",
        folder / "recovery.key",
        name=NAME,
        code=CODE,
        demo=True,
        administrator=ADMINISTRATOR,
        password=password,
        clock=clock,
        random=random,
        kdf=kdf,
    )
    by = administration.sign_in(county, ADMINISTRATOR, password)
    _fill(county, by, tell)
    return county, password


def _fill(county: County, by: Author, tell: Callable[[Progress], None]) -> None:
    administration.add_area(county, by, "", "TOWNSHIP", TOWNSHIP)
    administration.add_area(county, by, TOWNSHIP, "VILLAGE", VILLAGE.rpartition("/")[2])
    for grid in GRIDS:
        administration.add_area(county, by, VILLAGE, "GRID", grid)
    for person in STAFF:
        staff = administration.add_staff(county, by, person.name, person.role, person.place, post=person.post)
        for role, place in person.also:
            administration.add_grant(county, by, staff, role, place)
    register = read_register(REGISTER, True, cards.china_day(county.clock()))
    for progress in imports.import_register(county, by, register):
        tell(progress)
    with county.log.reading() as tx:
        areas = Areas(tx)
    for person in STAFF:
        cards.issue_pool(county, by, areas.at(person.place).id, POOL_CARDS)


def invite_all(county: County, host: str, *, plain: bool) -> dict[str, str]:
    """A fresh enrolment code for everybody, by their key."""
    codes: dict[str, str] = {}
    for person in STAFF:
        with county.log.reading() as tx:
            staff, place = administration.staff_called(tx, person.name), Areas(tx).at(person.place).id
        codes[person.key] = enrolment.invite(county, staff, place, host, plain=plain).text()
    return codes
