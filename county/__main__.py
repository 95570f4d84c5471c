"""`hudang-county`: the county's office at the command line. Exit codes: 0 done, 1 refused with a sentence, 2 not asked
properly.

Passwords are typed, or come in HUDANG_ADMIN_PASSWORD for machines; never on the command line, where others could see
them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import qrcode

from app.errors import HudangError, InputProblem, VaultProblem
from app.ledger.verify import Trusted, words
from app.messages import sentence
from app.models.codelists import codelist
from app.models.queries import places
from app.models.records.fieldwork import POOL
from app.models.records.oversight import POLICY
from app.models.records.registry import BY_NAME
from app.models.rules import passwords
from app.models.rules.policy import MLPS, Policy
from app.models.tables import TABLES
from app.text import tr
from app.workbooks.checking import reading_steps
from app.workbooks.corrections import write_corrections
from county import (
    administration,
    archive,
    cards,
    demo,
    dictionary,
    endings,
    enrolment,
    imports,
    office,
    oversights,
    policies,
    web,
)
from county.administration import Areas, County
from county.desk import PASSWORD, Opened, ask, moment, now_ms, sign_in, typed_password, watch
from county.keys import write_secret
from county.office import Done, Order

PORT = 8443
DATA = "HUDANG_COUNTY_DATA"
KEYS = "HUDANG_COUNTY_KEYS"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    typed = list(sys.argv[1:] if arguments is None else arguments)
    asked = _parsed(typed)
    code = _do(asked, typed)
    if code == 0 and asked.run is endings.recover and asked.words is None and sys.stdin.isatty():
        # It was shown who asks. A running server makes the answer, and has nobody to ask for the words.
        typed += ["--words", input(tr("请让对方念出申请上的四个词，照念的输入："))]
        code = _do(_parsed(typed), typed)
    return code


def _parsed(typed: Sequence[str]) -> argparse.Namespace:
    asked = _parser().parse_args(typed)
    if "keys" in asked and asked.keys is None:
        asked.keys = Path(os.environ.get(KEYS, f"{asked.data}-keys"))
    return asked


def _do(asked: argparse.Namespace, typed: list[str]) -> int:
    """One command, at the counter of a running server or here."""
    try:
        done = _at_the_counter(asked, typed)
    except HudangError as error:
        print(sentence(error), file=sys.stderr)
        return 1
    if done is None:
        return _run(asked)
    print(done.out, end="")
    print(done.err, end="", file=sys.stderr)
    return done.code


def _run(asked: argparse.Namespace) -> int:
    try:
        code: int = asked.run(asked) or 0
    except HudangError as error:
        print(sentence(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return code


def _at_the_counter(asked: argparse.Namespace, typed: list[str]) -> Done | None:
    """Let a running server do it; None when there is none, or the command does without the county."""
    if "data" not in asked or asked.run in (init, serve) or not asked.data.is_dir():
        return None
    if not (asked.data / office.SOCKET).exists():
        return None
    signs = "administrator" in asked and (asked.run is not pools or asked.count or asked.withdraw)
    signs = signs and (asked.run is not endings.recover or asked.words is not None)
    signs = signs and (asked.run is not policy or _said_of_policy(asked))
    password = typed_password() if signs else None
    return office.hand_over(asked.data, Order(arguments=typed, folder=str(Path.cwd()), password=password))


def _serve_counter(county: County, order: Order) -> int:
    """A command that was handed over, done in the open county."""
    asked = _parser().parse_args(order.arguments)
    for name, value in vars(asked).items():
        if isinstance(value, Path):
            setattr(asked, name, Path(order.folder) / value)
    if asked.run is backup:
        print(sentence(VaultProblem("county-running")), file=sys.stderr)
        return 1
    asked.county, asked.password = county, order.password
    return _run(asked)


# --- commands ---


def init(asked: argparse.Namespace) -> None:
    name = asked.name or (demo.NAME if asked.demo else "")
    county = administration.found(
        asked.data,
        asked.keys,
        asked.recovery or asked.keys.parent / "recovery.key",
        name=name,
        code=asked.code,
        demo=asked.demo,
        administrator=asked.administrator,
        password=_new_password(names=[asked.administrator], words=[name]),
        clock=now_ms,
        random=os.urandom,
    )
    county.close()
    print(tr("{name}已建立。恢复私钥请移到别处离线保管，并把钥匙文件夹放在另一块盘上。", name=name))


def add_area(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        administration.add_area(county, sign_in(county, asked), asked.parent, asked.level, asked.name)
    print(tr("已新增：{name}", name=asked.name))


def list_areas(asked: argparse.Namespace) -> None:
    with Opened(asked) as county, county.log.reading() as tx:
        areas = Areas(tx)
        for area in sorted(areas.by_id.values(), key=areas.path):
            print(f"{codelist('area_level').label_of(area.level)}\t{areas.path(area) or area.name}")


def add_staff(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        by = sign_in(county, asked)
        administration.add_staff(county, by, asked.name, asked.role, asked.area, unit=asked.unit, post=asked.post)
    print(tr("已新增：{name}", name=asked.name))


def add_administrator(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        by = sign_in(county, asked)
        if "county" in asked:
            raise VaultProblem("county-running")  # the new password is typed where nobody hands it on
        with county.log.reading() as tx:
            names = [asked.name, *(person.name for person in places.staff(tx).values())]
            words = [area.name for area in places.areas(tx).values()]
        password = _good(ask(tr("新管理员的密码：")), policies.in_force(county), names=names, words=words)
        administration.add_administrator(county, by, asked.name, password, role=asked.role)
    print(tr("已新增：{name}", name=asked.name))


def grant(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        by = sign_in(county, asked)
        with county.log.reading() as tx:
            staff = administration.staff_called(tx, asked.name)
        administration.add_grant(county, by, staff, asked.role, asked.area, until=asked.until)
    print(tr("已授权：{name}，{role}", name=asked.name, role=codelist("role").label_of(asked.role)))


def end_grant(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        by = sign_in(county, asked)
        with county.log.reading() as tx:
            staff = administration.staff_called(tx, asked.name)
        count = administration.end_grants(county, by, staff, role=asked.role, area=asked.area)
    print(tr("{name}的授权已终止 {count} 项。", name=asked.name, count=count))


def policy(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        if said := _said_of_policy(asked):
            policies.set_policy(county, sign_in(county, asked), said)
        found = policies.in_force(county)
    head, tail = found.identity_mask
    for label, value in (
        (tr("密码规定"), codelist("password_profile").label_of(found.password_profile)),
        (tr("密码最少字数"), found.password_length),
        (tr("密码多少天一换"), found.password_days if found.password_profile == MLPS else tr("不换")),
        (tr("多少分钟不用就锁"), found.idle_minutes),
        (tr("多少小时后重新解锁"), found.session_hours),
        (tr("多少天不上报就不能看"), found.lease_days),
        (tr("显示多少秒"), found.reveal_seconds),
        (tr("证件号码怎么遮"), codelist("identity_mask").label_of(f"HEAD{head}_TAIL{tail}")),
        (tr("屏幕水印"), tr("是") if found.watermark else tr("否")),
        (tr("密码里不许用的词"), len(found.refused_words)),
    ):
        print(f"{label}\t{value}")


def _said_of_policy(asked: argparse.Namespace) -> dict[str, Any]:
    """What the command says of the policy, by field names."""
    said: dict[str, Any] = {name: getattr(asked, name) for name in POLICY_OPTIONS.values() if getattr(asked, name)}
    if asked.watermark:
        said["watermark"] = 1 if asked.watermark == "yes" else 0
    if asked.refused_words is not None:
        try:
            said["refused_words"] = " ".join(asked.refused_words.read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError):
            raise InputProblem("file-unreadable") from None
    return said


def list_overstepped(asked: argparse.Namespace) -> None:
    with Opened(asked) as county, county.log.reading() as tx:
        names = places.staff(tx)
        for found in oversights.overstepped(tx):
            who = names[found.actor].name if found.actor in names else found.actor.hex()
            kind = BY_NAME[found.kind].label
            effect = "" if found.effect else tr("没有生效")
            print(f"{found.position}\t{moment(found.wall)}\t{who}\t{kind}\t{found.root.hex()}\t{effect}".rstrip())


def import_register(asked: argparse.Namespace) -> None:
    if asked.corrections is not None and asked.corrections.exists():
        raise InputProblem("file-exists")
    with Opened(asked) as county:
        by = sign_in(county, asked)
        today = cards.china_day(now_ms())
        register = watch(reading_steps(asked.file, county.demo, today), tr("正在读取"))
        outcome = watch(imports.import_register(county, by, register), tr("正在写入"))
    print(
        tr(
            "读到 {rows} 行：新增 {added} 户，更新 {changed} 户，不变 {same} 户；未导入 {held} 户，问题 {faults} 处。",
            rows=register.rows_read,
            added=outcome.added,
            changed=outcome.changed,
            same=outcome.same,
            held=register.households_held + len(outcome.faults),
            faults=len(register.faults) + len(outcome.faults),
        )
    )
    for fault in outcome.faults:
        print(tr("第 {row} 行：{reason}", row=fault.row, reason=fault.sentence()))
    if asked.corrections is not None:
        write_secret(asked.corrections, write_corrections(register))
        print(tr("更正表已写到 {path}", path=asked.corrections))


def enrol(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        with county.log.reading() as tx:
            staff = administration.staff_called(tx, asked.staff)
            workplace = Areas(tx).at(asked.workplace).id
        lifetime = asked.days * enrolment.DAY_MS
        plain = asked.address.startswith("http://")
        code = enrolment.invite(county, staff, workplace, asked.address, plain=plain, lifetime_ms=lifetime).text()
    print(code)
    if asked.file is not None:
        write_secret(asked.file, code.encode() + b"\n")
    if asked.qr is not None:
        if asked.qr.exists():
            raise InputProblem("file-exists")
        with asked.qr.open("xb") as file:
            qrcode.make(code.replace("-", ""), error_correction=qrcode.ERROR_CORRECT_M).save(file)


def serve(asked: argparse.Namespace) -> None:
    with Opened(asked) as county, office.counter(county.folder, partial(_serve_counter, county)):
        web.serve(county, asked.host, asked.port, plain=asked.plain, ready=_listening)


def run_demo(asked: argparse.Namespace) -> None:
    folder: Path = asked.folder
    card = folder / "demo.json"
    if (folder / "county" / administration.PUBLIC).exists():
        county = administration.open_county(folder / "county", folder / "keys", now_ms, os.urandom)
        password = json.loads(card.read_text(encoding="utf-8"))["password"]
    else:
        county, password = demo.build(folder, now_ms, os.urandom)

    def ready(address: str) -> None:
        codes = demo.invite_all(county, address, plain=asked.plain)
        told = {"address": address, "administrator": demo.ADMINISTRATOR, "password": password, "codes": codes}
        card.unlink(missing_ok=True)
        write_secret(card, json.dumps(told, ensure_ascii=False, indent=1).encode())
        print(tr("演示县：{name}（{code}），演示数据，人和事都是虚构的。", name=county.name, code=county.code))
        print(tr("管理员 {name}，一次性密码 {password}", name=demo.ADMINISTRATOR, password=password))
        for person in demo.STAFF:
            print(tr("登记码，{name}（{place}）：", name=person.name, place=person.place))
            print(codes[person.key])
        _listening(address)

    try:
        if asked.build_only:
            ready(asked.address)
        else:
            with office.counter(county.folder, partial(_serve_counter, county)):
                web.serve(county, asked.host, asked.port, plain=asked.plain, ready=ready)
    finally:
        county.close()


def export_log(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        count = watch(archive.export_log(county, asked.file), tr("正在导出"))
    print(tr("已导出 {count} 条记录。文件里有个人信息，没有加密，请妥善保管。", count=count))


def verify_log(asked: argparse.Namespace) -> int:
    began = time.perf_counter()
    with Opened(asked) as county:
        report = watch(archive.verify_log(county), tr("正在核对"))
        trusted = Trusted.read(county.key.encode())
    print(words(report, trusted, time.perf_counter() - began))
    return 0 if report.fault is None else 1


def schema(asked: argparse.Namespace) -> None:
    if asked.file is None:
        print(dictionary.markdown(), end="")
    else:
        asked.file.write_text(dictionary.markdown(), encoding="utf-8")


def pools(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        if asked.count:
            by = sign_in(county, asked)
            with county.log.reading() as tx:
                workplace = Areas(tx).at(asked.workplace).id
            print(tr("新池号：{number}", number=cards.issue_pool(county, by, workplace, asked.count)))
        if asked.withdraw:
            cards.withdraw_pool(county, sign_in(county, asked), asked.withdraw.upper())
            print(tr("户码池 {number} 已作废；各处上报一次后就都知道。", number=asked.withdraw.upper()))
        with county.log.reading() as tx:
            areas, table = Areas(tx), TABLES[POOL.number]
            for row in tx.execute(table.select().where(table.c.alive).order_by(table.c.pool_no)):
                place = areas.by_id.get(row.workplace)
                print(f"{row.pool_no}\t{row.count}\t{areas.path(place) or place.name if place else ''}")


def backup(asked: argparse.Namespace) -> None:
    with Opened(asked) as county:
        county.log.file.check()
    print(tr("已备份 {count} 个文件，逐个核对无误。", count=archive.back_up(county, asked.folder)))


# --- what commands share ---


def _new_password(*, names: Sequence[str], words: Sequence[str]) -> str:
    if password := os.environ.get(PASSWORD):
        return _good(password, Policy(), names=names, words=words)
    password = _good(ask(tr("给管理员设一个密码：")), Policy(), names=names, words=words)
    if ask(tr("再输一次：")) != password:
        raise InputProblem("passwords-differ")
    return password


def _good(password: str, rule: Policy, *, names: Sequence[str], words: Sequence[str]) -> str:
    problem = passwords.judge(password, rule, names=names, words=words)
    if problem is not None:
        raise problem
    return password


def _listening(address: str) -> None:
    print(tr("县服务器已启动：{address}", address=address), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hudang-county", description=tr("户档县级服务：建县、导入台账、登记手提电脑、收发、核对。")
    )
    commands = parser.add_subparsers(required=True, metavar=tr("命令"))
    place = argparse.ArgumentParser(add_help=False)
    data = Path(os.environ.get(DATA, "county-data"))
    place.add_argument("--data", type=Path, default=data, help=tr("数据文件夹（{name}）", name=DATA))
    place.add_argument("--keys", type=Path, default=None, help=tr("钥匙文件夹，请放在另一块盘上（{name}）", name=KEYS))
    signed = argparse.ArgumentParser(add_help=False, parents=[place])
    signed.add_argument("--administrator", default=None, help=tr("管理员姓名；只有一位时可省略"))

    def command(name: str, run: Any, words: str, parents: Sequence[argparse.ArgumentParser]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words, description=words, parents=list(parents))
        made.set_defaults(run=run)
        return made

    made = command("init", init, tr("建立一个新县：密钥、第一位管理员、日志"), [place])
    made.add_argument("--name", help=tr("县名"))
    made.add_argument("--code", required=True, help=tr("六位区划代码，演示县用 99 开头"))
    made.add_argument("--demo", action="store_true", help=tr("演示县：写进创世记录，以后不能改"))
    made.add_argument("--recovery", type=Path, help=tr("恢复私钥写到哪里，写好后请离线保管"))
    made.add_argument("--administrator", required=True, help=tr("第一位管理员的姓名"))

    command("areas", list_areas, tr("列出区划"), [place])
    made = command("area", add_area, tr("新增区划：乡镇、行政村、网格"), [signed])
    made.add_argument("name", help=tr("名称"))
    made.add_argument("--parent", default="", help=tr("上级的路径，如 云台镇/上坝村；省略为县"))
    made.add_argument("--level", required=True, choices=["TOWNSHIP", "VILLAGE", "GRID"], help=tr("级别"))

    made = command("staff", add_staff, tr("新增工作人员并授权"), [signed])
    made.add_argument("name", help=tr("姓名"))
    roles = [code.code for code in codelist("role").codes if code.code not in ("ADMIN", "SERVICE")]
    made.add_argument("--role", choices=roles, help=tr("角色；省略则只建人，由安全管理员另行授权"))
    made.add_argument("--area", default="", help=tr("授权区域的路径；空为全县"))
    made.add_argument("--unit", default="", help=tr("单位"))
    made.add_argument("--post", default="", help=tr("职务"))

    _right_options(command, signed, place)

    made = command("import", import_register, tr("导入台账；同一个文件再导一次不会改变什么"), [signed])
    made.add_argument("file", type=Path, help=tr("台账工作簿（.xlsx）"))
    made.add_argument("--corrections", type=Path, help=tr("更正表写到哪里（.xlsx）"))

    made = command("enrol", enrol, tr("发一个登记码，只能用一次"), [place])
    made.add_argument("--staff", required=True, help=tr("工作人员姓名"))
    made.add_argument("--workplace", required=True, help=tr("工作处的路径，如 云台镇/上坝村/第一网格"))
    made.add_argument("--address", default=f"https://127.0.0.1:{PORT}", help=tr("手提电脑用来找县服务器的地址"))
    made.add_argument("--days", type=int, default=14, help=tr("几天内有效"))
    made.add_argument("--file", type=Path, help=tr("登记码另写一份到这个文件"))
    made.add_argument("--qr", type=Path, help=tr("登记码的二维码图片（.png）"))

    made = command("serve", serve, tr("启动县服务器"), [place])
    _listen_options(made, PORT)

    made = command("demo", run_demo, tr("在一个文件夹里建演示县并启动；已有就接着用"), [])
    made.add_argument("folder", type=Path, help=tr("文件夹"))
    made.add_argument("--build-only", action="store_true", help=tr("只建立并发登记码，不启动"))
    made.add_argument("--address", default=f"https://127.0.0.1:{PORT}", help=tr("只建立时写进登记码的地址"))
    _listen_options(made, PORT)

    made = command("export-log", export_log, tr("把日志导出为任何人都能核对的一个文件"), [place])
    made.add_argument("file", type=Path, help=tr("写到哪里"))
    command("verify-log", verify_log, tr("核对数据库里的日志：编码、链、签名、承诺、树、凭证、折叠"), [place])
    made = command("schema", schema, tr("数据字典（Markdown）"), [])
    made.add_argument("file", type=Path, nargs="?", help=tr("写到哪里；省略则输出到屏幕"))
    made = command("pools", pools, tr("列出户码池；给出张数时先签发一池，也可作废一池"), [signed])
    made.add_argument("--workplace", default="", help=tr("领用处的路径"))
    made.add_argument("--count", type=int, default=0, help=tr("张数"))
    made.add_argument("--withdraw", default="", help=tr("作废一池：池号，户码的前四位"))

    endings.options(command, signed, place)
    made = command("backup", backup, tr("备份到一个新文件夹，不含钥匙"), [place])
    made.add_argument("folder", type=Path, help=tr("新文件夹"))
    return parser


POLICY_OPTIONS = {
    "--profile": "password_profile",
    "--length": "password_length",
    "--days": "password_days",
    "--idle-minutes": "idle_minutes",
    "--session-hours": "session_hours",
    "--lease-days": "lease_days",
    "--reveal-seconds": "reveal_seconds",
    "--identity-mask": "identity_mask",
}  # option -> field of the policy record


def _right_options(
    command: Callable[..., argparse.ArgumentParser], signed: argparse.ArgumentParser, place: argparse.ArgumentParser
) -> None:
    """The commands for who may do what, and for the county's rules."""
    made = command("administrator", add_administrator, tr("再增加一位管理员"), [signed])
    made.add_argument("name", help=tr("姓名"))
    three = administration.ADMINISTRATION
    made.add_argument("--role", default=three[0], choices=three, help=tr("全部，或三位管理员中的一位"))
    roles = [code.code for code in codelist("role").codes if code.code != "SERVICE"]
    made = command("grant", grant, tr("给工作人员再授一项职责"), [signed])
    made.add_argument("name", help=tr("姓名"))
    made.add_argument("--role", required=True, choices=roles, help=tr("角色"))
    made.add_argument("--area", default="", help=tr("授权区域的路径；空为全县"))
    made.add_argument("--until", help=tr("有效期至，如 2027-06-30；省略为一直有效"))
    made = command("end-grant", end_grant, tr("终止工作人员的授权，全部或其中一项"), [signed])
    made.add_argument("name", help=tr("姓名"))
    made.add_argument("--role", choices=roles, help=tr("只终止这个角色的"))
    made.add_argument("--area", help=tr("只终止这个区域的，写路径；空为全县"))
    made = command("policy", policy, tr("显示全县的安全规定；给出选项时先改"), [signed])
    for option, name in POLICY_OPTIONS.items():
        declared = POLICY.field(name)
        listed = None if declared.codes is None else [code.code for code in codelist(declared.codes).codes]
        kind = int if listed is None else str
        made.add_argument(option, dest=name, type=kind, choices=listed, help=tr(declared.label))
    made.add_argument("--watermark", choices=["yes", "no"], help=tr("屏幕水印"))
    made.add_argument("--refused-words", type=Path, help=tr("密码里不许用的词，一个文本文件"))
    command("overstepped", list_overstepped, tr("列出没有权限却已签名的操作，供人处理"), [place])


def _listen_options(made: argparse.ArgumentParser, port: int) -> None:
    made.add_argument("--host", default="127.0.0.1", help=tr("监听地址"))
    made.add_argument("--port", type=int, default=port, help=tr("端口，0 为任一空闲端口"))
    made.add_argument("--plain", action="store_true", help=tr("不加密，只准在本机"))


if __name__ == "__main__":
    sys.exit(main())
