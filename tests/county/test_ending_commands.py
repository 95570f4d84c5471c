"""`hudang-county revoke`, `quarantine`, `admit`, `recover`: at the counter of a running server, and without one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from app.casework import scanning
from app.errors import CountyRefusal
from app.ledger import chain as chains
from app.ledger.entry import decode_entry
from app.vault import recovery, slots
from app.vault.recovery import Answer
from county import administration, demo
from county.__main__ import main
from tests.county.conftest import CHEAP
from tests.county.laptop import Laptop, clock
from tests.county.test_server import Office, office, wire  # noqa: F401 - fixture

NEW = "一句 新的 很长的话 another one"
Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Lost:
    """A laptop whose person forgot the password: enrolled, its vault's slots in a folder."""

    laptop: Laptop
    folder: Path
    staff: bytes

    @property
    def chain(self) -> bytes:
        return self.laptop.pen.chain.id


@pytest.fixture
def lost(office: Office, tmp_path: Path) -> Lost:  # noqa: F811
    """Enrolled with the running server."""
    code = office.code("grid")
    blank = Laptop.make(code, code.host, bytes(16))
    line = wire(office, blank, code)
    staff, facts = line.look(code.secret).staff, decode_entry(line.county_key().entry).body or {}
    folder = tmp_path / "vault"
    folder.mkdir()
    public = facts[chains.RECOVERY_KEY]
    made = slots.create(
        folder, staff=staff, label="韦测一", password="旧", recovery_public=public, random=os.urandom, kdf=CHEAP
    )
    laptop = Laptop.make(code, code.host, staff)
    laptop = replace(laptop, request=replace(laptop.request, vault=made.vault_id), seed=blank.seed)
    laptop.request = replace(laptop.request, transport_key=blank.request.transport_key)
    wire(office, laptop, code).enrol(laptop.request)
    return Lost(laptop, folder, staff)


@pytest.fixture
def say(
    office: Office,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Say:
    """Types a command; what it said, on whichever output."""
    monkeypatch.setenv("HUDANG_COUNTY_DATA", str(office.folder / "county"))
    monkeypatch.setenv("HUDANG_COUNTY_KEYS", str(office.folder / "keys"))
    monkeypatch.setenv("HUDANG_ADMIN_PASSWORD", str(office.told["password"]))
    monkeypatch.chdir(tmp_path)

    def typed(*words: object, code: int = 0) -> str:
        found = main([str(word) for word in words])
        told = capsys.readouterr()
        assert found == code, told.out + told.err
        return told.out + told.err

    return typed


def send(office: Office, lost: Lost, begin: int) -> None:  # noqa: F811
    line = wire(office, lost.laptop, office.code("grid"))
    try:
        line.send(lost.laptop.packet(begin), 0)
    finally:
        line.close()


def test_a_device_is_lost_and_its_work_decided_at_the_counter(office: Office, lost: Lost, say: Say) -> None:  # noqa: F811
    home = lost.laptop.new_household({"villager_group": "一组"})
    send(office, lost, 0)
    assert say("quarantine") == ""
    told = say("revoke", "--device", "测试机", "--reason", "丢了")
    for words in ("缘由：丢了", "韦测一", "测试机", "云台镇/上坝村/第一网格", "机上的户数", "作废户码池", "另发一池"):
        assert words in told
    assert home.hex() not in told
    assert "没有这台在用的设备" in say("revoke", "--device", "测试机", "--reason", "丢了", code=1)
    lost.laptop.edit(home, "villager_group", "二组")
    lost.laptop.edit(home, "villager_group", "三组")
    with pytest.raises(CountyRefusal, match="chain-held"):
        send(office, lost, 2)
    lines = say("quarantine").splitlines()
    first, second = (line.split("\t") for line in lines)
    assert first[1:5] == ["韦测一", "2", "修改 农户", home.hex()[:8]]
    assert "请先核定第 2 号" in say("admit", second[0], "--reason", "看过", code=1)
    assert "重述" in say("admit", first[0], "--reason", "看过")
    assert "不同意" in say("admit", second[0], "--refuse", "--reason", "没有去过")
    assert say("quarantine") == ""
    assert "日志属实" in say("verify-log")


def test_a_request_is_answered_at_the_counter(
    office: Office,  # noqa: F811
    lost: Lost,
    say: Say,
    tmp_path: Path,
) -> None:
    request = recovery.begin(lost.folder, lost.staff, NEW, random=os.urandom, kdf=CHEAP)
    (tmp_path / "request.bin").write_bytes(request.encode())
    key = office.folder / "recovery.key"
    asked = ["recover", "--request", "request.bin", "--recovery", key, "--answer", "answer.bin", "--qr", "answer.png"]
    told = say(*asked)
    assert "申请人：韦测一，测试机，云台镇/上坝村/第一网格" in told
    assert not any(word in told for word in recovery.words(request.encode())), "the person says the words, not we"
    assert not (tmp_path / "answer.bin").exists()
    assert "四个词和申请上的不一样" in say(*asked, "--words", "一 二 三 四", code=1)
    office.stop()  # the county may as well stand still, without any network
    words = "，".join(recovery.words(request.encode()))
    told = say(*asked, "--words", words)
    data = (tmp_path / "answer.bin").read_bytes()
    assert " ".join(recovery.words(data)) in told
    assert stat.S_IMODE((tmp_path / "answer.bin").stat().st_mode) == 0o600
    assert "已经存在" in say(*asked, "--words", words, code=1)
    with Image.open(tmp_path / "answer.png") as picture:
        assert picture.width > 100
    assert scanning.read_image(tmp_path / "answer.png")
    opened = recovery.finish(lost.folder, NEW, Answer.decode(data), random=os.urandom, kdf=CHEAP)
    assert opened.person.signing_public == request.signing_public
    assert "不是恢复私钥" in say(*asked[:3], "--recovery", "request.bin", "--answer", "b", "--words", words, code=1)
    assert "日志属实" in say("verify-log")


def test_keys_end_up_to_a_number_or_for_good(office: Office, lost: Lost, say: Say) -> None:  # noqa: F811
    assert "至少要给前 8 位" in say("revoke", "--chain", "12", "--reason", "x", code=1)
    told = say("revoke", "--chain", lost.chain.hex()[:8], "--good-until", "1", "--reason", "x")
    assert "有效到第 1 号" in told
    assert "没有在用的签名钥" in say("revoke", "--staff", "韦测一", "--reason", "x", code=1)
    lost.laptop.new_household({"villager_group": "一组"})
    send(office, lost, 0)
    lost.laptop.new_household({"villager_group": "二组"})
    with pytest.raises(CountyRefusal, match="chain-held"):
        send(office, lost, 1)
    office.stop()
    last = ["revoke", "--staff", demo.ADMINISTRATOR, "--compromised", "--reason", "x", "--administrator"]
    assert "没有人能发放签名钥" in say(*last, demo.ADMINISTRATOR, code=1)
    password = str(office.told["password"])
    county = administration.open_county(office.folder / "county", office.folder / "keys", clock, os.urandom)
    by = administration.sign_in(county, demo.ADMINISTRATOR, password)
    administration.add_administrator(county, by, "莫管理", password, kdf=CHEAP)
    county.close()
    assert "钥匙可能在别人手里：x" in say(*last, "莫管理")
    area = ["area", "新镇", "--level", "TOWNSHIP", "--administrator"]
    assert "没有这位管理员的签名链" in say(*area, demo.ADMINISTRATOR, code=1)
    assert "已新增" in say(*area, "莫管理")
