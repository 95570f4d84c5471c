"""The program as it runs at a county: its command line, TLS, kill -9 at any moment, and what it leaves on the disk."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from app.errors import CountyRefusal, HudangError, TransportProblem
from app.models.tables import ENTRY
from app.sync.protocol import ChainHead, EnrolmentCode, Packet, Receipt
from app.sync.transport import County as Wire
from county import administration, demo
from county.__main__ import main
from tests.county.conftest import Site
from tests.county.laptop import Laptop, clock

KILLS = 50 if os.environ.get("HUDANG_FAULTS") == "release" else 4
QUICK = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2]))


class Office:
    """`hudang-county demo` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.told: dict[str, object] = {}

    def start(self) -> None:
        command = [sys.executable, "-m", "county", "demo", str(self.folder), "--port", "0"]
        self.process = subprocess.Popen(command, env=QUICK, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "https://" in line and "127.0.0.1" in line:
                break
        self.told = json.loads((self.folder / "demo.json").read_text(encoding="utf-8"))

    def code(self, key: str) -> EnrolmentCode:
        codes = self.told["codes"]
        assert isinstance(codes, dict)
        return EnrolmentCode.parse(codes[key])

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(how)
        code = self.process.wait(20)
        self.process.stdout.close()
        self.process = None
        return code


@pytest.fixture
def office(founded: tuple[Path, str], tmp_path: Path) -> Iterator[Office]:
    folder = tmp_path / "office"
    shutil.copytree(founded[0], folder)
    (folder / "demo.json").write_text(json.dumps({"password": founded[1]}), encoding="utf-8")
    one = Office(folder)
    one.start()
    yield one
    if one.process is not None:
        one.stop(signal.SIGKILL)


def wire(office: Office, laptop: Laptop, code: EnrolmentCode) -> Wire:
    base = str(office.told["address"])
    return Wire(base, code.pin, random=os.urandom, clock=clock, device=laptop.request.device, seed=laptop.seed)


def enrolled(office: Office) -> tuple[Laptop, EnrolmentCode]:
    code = office.code("grid")
    laptop = Laptop.make(code, code.host, bytes(16))
    staff = wire(office, laptop, code).look(code.secret).staff
    laptop = Laptop.make(code, code.host, staff)
    line = wire(office, laptop, code)
    line.enrol(laptop.request)
    line.close()
    return laptop, code


def test_only_the_pinned_certificate_is_the_county(office: Office) -> None:
    laptop, code = enrolled(office)
    line = wire(office, laptop, code)
    assert line.hello(0).oldest_protocol == 1
    line.close()
    other = wire(office, laptop, replace(code, pin=os.urandom(32)))
    with pytest.raises(TransportProblem, match="wrong-certificate"):
        other.hello(0)
    other.close()
    assert office.stop() == 0
    left = sorted(path.name for path in (office.folder / "county").iterdir())
    assert left == ["administrators", "attachments", "county.db", "county.pub"]


def test_the_command_line_is_served_while_the_server_runs(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = office.folder
    monkeypatch.setenv("HUDANG_COUNTY_DATA", str(folder / "county"))
    monkeypatch.setenv("HUDANG_COUNTY_KEYS", str(folder / "keys"))
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", str(office.told["password"]))
    monkeypatch.chdir(tmp_path)
    assert main(["areas"]) == 0
    assert "云台镇/上坝村/第一网格" in capsys.readouterr().out
    assert main(["staff", "黄试四", "--role", "VILLAGE", "--area", demo.VILLAGE]) == 0
    asked = ["enrol", "--staff", "黄试四", "--workplace", demo.VILLAGE, "--address", str(office.told["address"])]
    assert main([*asked, "--file", "code.txt"]) == 0
    code = EnrolmentCode.parse((tmp_path / "code.txt").read_text())
    laptop = Laptop.make(code, code.host, bytes(16))
    line = wire(office, laptop, code)
    assert line.look(code.secret).staff_name == "黄试四"
    line.close()
    assert main(["import", str(demo.REGISTER)]) == 0
    assert "不变 39 户" in capsys.readouterr().out
    assert main(["backup", "copy"]) == 1
    assert "正在运行" in capsys.readouterr().err
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", "不对")
    assert main(["area", "新镇", "--level", "TOWNSHIP"]) == 1
    assert "密码不对" in capsys.readouterr().err
    office.stop(signal.SIGKILL)
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", str(office.told["password"]))
    assert main(["area", "新镇", "--level", "TOWNSHIP"]) == 0


def test_killed_at_any_moment_of_an_upload_nothing_is_lost_or_doubled(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    laptop, code = enrolled(office)
    home = laptop.new_household({"villager_group": "一组"})
    receipts: dict[int, Receipt] = {}
    for round_ in range(KILLS):
        begin = len(laptop.log) - 1
        for n in range(40):
            laptop.edit(home, "address_detail", f"{round_}-{n} 号")
        packet, line = laptop.packet(begin), wire(office, laptop, code)

        def send(line: Wire = line, packet: Packet = packet, begin: int = begin) -> None:
            with suppress(HudangError):
                receipts[begin] = line.send(packet, 0)

        sending = threading.Thread(target=send)
        sending.start()
        if round_ % 2:
            sending.join()  # committed and answered: the answer is lost on the way
        else:
            sending.join(chance.random() * 0.15)
        office.stop(signal.SIGKILL)
        sending.join()
        line.close()
        office.start()
        line = wire(office, laptop, code)
        again = line.send(packet, 0)
        assert receipts.get(begin, again).runs == again.runs
        assert line.send(packet, 0).runs == again.runs
        head: ChainHead = line.chain(laptop.pen.chain.id)
        assert (head.next_seq, head.head) == (len(laptop.log), laptop.log[-1].id)
        line.close()
    office.stop()
    folder = office.folder
    county = administration.open_county(folder / "county", folder / "keys", clock, os.urandom)
    with county.log.reading() as tx:
        mine = select(ENTRY.c.data).where(ENTRY.c.chain == laptop.pen.chain.id).order_by(ENTRY.c.seq)
        assert list(tx.scalars(mine)) == [signed.data for signed in laptop.log]
    county.log.recover()
    county.close()
    monkeypatch.setenv("HUDANG_COUNTY_DATA", str(folder / "county"))
    monkeypatch.setenv("HUDANG_COUNTY_KEYS", str(folder / "keys"))
    assert main(["verify-log"]) == 0


def test_nothing_on_the_disk_can_be_read(site: Site, laptop: Laptop) -> None:
    marks = ("标记门牌九十九号", "韦测一", "990101")
    home = laptop.new_household({"villager_group": "一组", "address_detail": marks[0]})
    laptop.edit(home, "address_detail", marks[0] + "乙")
    laptop.send(0)
    looked = 0
    for path in site.folder.rglob("*"):
        if not path.is_file():
            continue
        looked += 1
        data = path.read_bytes()
        if path.name != "county.pub":
            assert [mark for mark in marks if mark.encode() in data] == [], path.name
        if path.suffix == ".db":
            plain = sqlite3.connect(path)
            with pytest.raises(sqlite3.DatabaseError):
                plain.execute("SELECT count(*) FROM sqlite_master").fetchone()
            plain.close()
        if path.parent.name == "keys" or path.name.endswith((".db", ".key")):
            assert path.stat().st_mode & 0o077 == 0, path.name
    assert looked > 6


def test_the_text_log_names_nobody(site: Site, laptop: Laptop, caplog: pytest.LogCaptureFixture) -> None:
    laptop.new_household({"villager_group": "标记组"})
    laptop.send(0)
    line = laptop.wire
    for target in ("/v1/chains/zz", "/v1/nothing", "/v1/hello?size=x"):
        with pytest.raises(CountyRefusal):
            line._ask(ChainHead, "GET", target)
    line.close()
    assert "标记" not in caplog.text


# --- the command line ---


@pytest.fixture
def asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The environment of the command line; the county closed."""
    site.county.close()
    monkeypatch.setenv("HUDANG_COUNTY_DATA", str(site.folder / "county"))
    monkeypatch.setenv("HUDANG_COUNTY_KEYS", str(site.folder / "keys"))
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", site.password)
    return site


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for name in ("init", "import", "enrol", "serve", "demo", "export-log", "verify-log", "schema", "pools", "backup"):
        assert name in shown
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0


def test_a_county_is_run_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUDANG_COUNTY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HUDANG_COUNTY_KEYS", str(tmp_path / "keys"))
    recovery = ["--recovery", str(tmp_path / "recovery.key")]
    who = ["--administrator", "罗管理"]
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", "luoguanli@2026")
    assert main(["init", "--demo", "--code", "990101", *recovery, *who]) == 1
    assert "人名" in capsys.readouterr().err
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", "松鼠 水井 走廊 红旗 诗人")
    assert main(["init", "--name", "某县", "--code", "990101", *recovery, *who]) == 1
    assert main(["init", "--demo", "--code", "110101", *recovery, *who]) == 1
    assert capsys.readouterr().err.count("99") == 4
    assert main(["init", "--demo", "--code", "990101", *recovery, *who]) == 0
    assert main(["init", "--demo", "--code", "990101", *recovery, *who]) == 1
    assert "没有动它" in capsys.readouterr().err
    assert main(["area", "云台镇", "--level", "TOWNSHIP"]) == 0
    assert main(["area", "云台镇", "--level", "TOWNSHIP"]) == 1
    assert main(["staff", "覃试二", "--role", "STATION", "--area", "云台镇"]) == 0
    assert main(["grant", "覃试二", "--role", "VILLAGE", "--area", "云台镇", "--until", "2030-06-30"]) == 0
    assert main(["grant", "覃试二", "--role", "SYSADMIN"]) == 0
    assert main(["grant", "覃试二", "--role", "SECURITY"]) == 1
    assert "三个人" in capsys.readouterr().err
    assert main(["end-grant", "覃试二", "--role", "SYSADMIN"]) == 0
    assert "1 项" in capsys.readouterr().out
    assert main(["end-grant", "罗管理"]) == 1
    words = tmp_path / "words.txt"
    words.write_text("金蟾办\n振兴办\n", encoding="utf-8")
    changed = ["--profile", "MLPS", "--length", "11", "--watermark", "no", "--refused-words", str(words)]
    assert main(["policy", *changed]) == 0
    assert main(["policy", "--idle-minutes", "99"]) == 1
    assert main(["policy", "--idle-minutes", "3"]) == 0
    capsys.readouterr()
    assert main(["policy"]) == 0
    told = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert (told["密码最少字数"], told["多少分钟不用就锁"], told["屏幕水印"]) == ("11", "3", "否")
    assert (told["密码里不许用的词"], told["密码多少天一换"]) == ("2", "90")
    assert main(["overstepped"]) == 0
    assert capsys.readouterr().out == ""
    corrections = tmp_path / "corrections.xlsx"
    assert main(["import", str(demo.REGISTER), "--corrections", str(corrections)]) == 0
    assert corrections.read_bytes().startswith(b"PK")
    assert main(["import", str(demo.REGISTER)]) == 0
    assert "不变 39 户" in capsys.readouterr().out
    assert main(["pools", "--workplace", "云台镇", "--count", "20"]) == 0
    code, picture = tmp_path / "code.txt", tmp_path / "code.png"
    asked = ["enrol", "--staff", "覃试二", "--workplace", "云台镇", "--file", str(code), "--qr", str(picture)]
    assert main(asked) == 0
    assert EnrolmentCode.parse(code.read_text()).host == "https://127.0.0.1:8443"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["export-log", str(tmp_path / "log")]) == 0
    assert main(["verify-log"]) == 0
    assert main(["backup", str(tmp_path / "copy")]) == 0
    assert main(["schema", str(tmp_path / "dictionary.md")]) == 0
    assert "监测对象类别" in (tmp_path / "dictionary.md").read_text(encoding="utf-8")


def test_what_cannot_be_done_is_said_in_a_sentence(asked: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, word in (
        (["enrol", "--staff", "无此人", "--workplace", "云台镇"], "没有这位工作人员"),
        (["enrol", "--staff", "韦测一", "--workplace", "无此地"], "没有这个区划"),
        (["import", str(asked.folder / "none.xlsx")], "找不到"),
        (["serve", "--plain", "--host", "0.0.0.0", "--port", "0"], "只准在本机"),  # noqa: S104 - refused
        (["pools", "--workplace", "云台镇", "--count", "9999999"], "张数"),
    ):
        assert main(arguments) == 1
        assert word in capsys.readouterr().err


def test_a_wrong_password_and_open_keys_are_refused(
    asked: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", "不是这个")
    assert main(["area", "新镇", "--level", "TOWNSHIP"]) == 1
    assert "密码不对" in capsys.readouterr().err
    (asked.folder / "keys" / "county.keys").chmod(0o644)
    assert main(["areas"]) == 1
    assert "600" in capsys.readouterr().err


def test_a_flipped_byte_in_the_database_is_never_silent(asked: Site) -> None:
    path = asked.folder / "county" / administration.DATABASE
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["backup", str(asked.folder / "copy")]) == 1
