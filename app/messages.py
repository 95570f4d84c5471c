"""One sentence for every error code: what is wrong, where, and what to do next.

`sentence(error)` is the only way from an error to words. Placeholders are the facts of the error.
"""

from __future__ import annotations

from app.errors import HudangError
from app.text import tr

SENTENCES: dict[str, str] = {
    # --- values and forms ---
    "bad-text": "“{field}”里有不能保存的字符，请重新输入。",
    # of a value (a form, a cell)
    "bad-code": "“{field}”不是程序认识的选项，请重新选。",
    "bad-date": "“{field}”不是日期，请写成 2026-11-21 的样子。",
    "bad-month": "“{field}”不是年月，请写成 2026-11 的样子。",
    "bad-number": "“{field}”不是数字，请重新输入。",
    "bad-yes-no": "“{field}”只能是“是”“否”或“未知”。",
    "no-such-date": "没有这一天，请核对年月日。",
    "number-out-of-range": "“{field}”超出了允许的范围（不能为负，也不能过大），请核对。",
    "text-too-long": "“{field}”有 {length} 个字，最多 {limit} 个，请缩短。",
    # of a person, a household
    "identity-15-digits": "这是 15 位的老身份证号，请换成 18 位。",
    "identity-length": "身份证号应是 18 位，现在是 {length} 位，请核对。",
    "identity-characters": "身份证号只能是数字，最后一位可以是 X，请核对。",
    "identity-none": "999999 开头表示没有身份证号，不能当号码用。请填真号，没有就留空。",
    "identity-fictitious": "99 开头的是演示用的假号码，只在演示县有效。请填真实号码。",
    "identity-region": "身份证号前两位不是省级代码，请核对。",
    "identity-date": "身份证号第 7 到 14 位不是真实的日期，请核对。",
    "identity-future": "身份证号里的出生日期还没有到，请核对。",
    "identity-check-digit": "身份证号校验位不对，有一位写错了。请对照证件核对。",
    "disability-length": "残疾人证号应是 20 位，换发的 22 位，现在是 {length} 位，请核对。",
    "disability-grade": "残疾人证号第 19 位应是 1 到 7 的类别，第 20 位应是 1 到 4 的等级，请核对。",
    "certificate-characters": "证件号码只能有数字、字母和括号，5 到 22 位，请核对。",
    "phone-form": "电话应是 11 位手机号，或带区号的座机号，请核对。",
    "phone-fictitious": "100 开头的是演示用的假电话，只在演示县有效。请填真实电话。",
    "account-form": "银行账号应是 8 到 32 位数字，请核对。",
    "birth-in-future": "出生日期还没有到，请核对。",
    "birth-against-number": "出生日期和身份证号第 7 到 14 位不一致，请对照证件核对。",
    "gender-against-number": "性别和身份证号第 17 位不一致（单数为男），请对照证件核对。",
    "relation-against-gender": "与户主关系和性别矛盾，请核对。",
    "health-contradiction": "健康状况填了“健康”，又填了别的，请核对。",
    "month-in-future": "这个月份还没有到，请核对。",
    "name-latin": "姓名里有数字或字母，请留意是否写错。",
    "name-short": "姓名只有一个字，请留意是否写全。",
    "name-private-character": "姓名里有自造字，别的电脑可能显示不出来。",
    "no-head": "这一户没有户主。请确定一位，关系填“户主”。",
    "several-heads": "这一户有 {count} 位户主。请只留一位，其余按与他的关系填。",
    "several-spouses": "这一户有 {count} 位配偶，请留意是否填错。",
    "spouse-gender": "配偶和户主性别相同，请留意是否填错。",
    "member-count": "填的人数和这一户的行数（{members} 人）不一致，这一格没有采用，请核对。",
    "not-offered": "“{field}”没有这一项，请从列表里选。",
    "bug": "程序出了意外，这一步没有做成。已保存的内容没有丢；请再试一次，还是这样就联系县里。",
    # --- files ---
    "file-missing": "找不到这个文件，可能已被移走或改名。请重新选择。",
    "file-unreadable": "这个文件读不出来，可能正被别的程序占用，或者盘已拔出。请处理后再试。",
    "not-a-file": "选中的不是普通文件（可能是文件夹、快捷方式或设备）。请选文件本身。",
    "not-a-photo": "这个文件不是照片。请选 JPG 或 PNG 照片。",
    "photo-heic": "这是 HEIC 照片，程序打不开。请把手机相机设成“兼容性最佳”后重拍，或另存为 JPG。",
    "photo-too-large": "照片有 {megapixels} 百万像素，超过 {limit} 百万。请缩小后再选。",
    "photo-file-too-large": "照片文件有 {megabytes} MB，超过 {limit} MB。请缩小后再选。",
    "photo-truncated": "照片文件不完整，可能没有拷完。请从手机或相机重新拷一份。",
    "photo-too-slow": "照片 {seconds} 秒还没有打开，已停止。请换一张，或另存为 JPG 再选。",
    "photo-unreadable": "照片打不开，文件可能已损坏。请换一张。",
    # --- workbooks ---
    "workbook-too-large": "文件超过 {limit} MB，没有打开。请按乡镇或村拆成几个文件。",
    "workbook-empty": "这个文件是空的（0 字节）。请重新导出或重新拷一份。",
    "workbook-password": "工作簿设了密码，读不了。请在 WPS 或 Excel 里先取消密码，再导入。",
    "workbook-is-xls": "这是老格式 .xls（改了后缀名也一样）。请用 WPS 或 Excel 打开，另存为 .xlsx。",
    "workbook-is-xlsb": "这是 .xlsb 二进制工作簿。请用 WPS 或 Excel 打开，另存为 .xlsx。",
    "workbook-is-ods": "这是 .ods 工作簿。请打开后另存为 .xlsx。",
    "workbook-is-html": "这其实是网页文件，不是工作簿。请用 WPS 或 Excel 打开，另存为 .xlsx。",
    "workbook-is-xml": "这其实是 XML 表格，不是 .xlsx。请用 WPS 或 Excel 打开，另存为 .xlsx。",
    "workbook-is-csv": "这其实是文本（CSV）文件，长号码容易丢位。请从原系统重新导出 .xlsx。",
    "workbook-is-pdf": "这其实是 PDF 文件，不是工作簿。请从原系统导出 .xlsx。",
    "workbook-is-other": "这个文件不是工作簿。请选 .xlsx 文件。",
    "workbook-1904": "这个工作簿用的是 1904 日期系统，日期会差四年。请在选项里取消后另存，再导入。",
    "workbook-bomb": (
        "这个文件解开后太大（超过 {limit} MB）或者内容不正常，为安全没有打开。请从原系统重新导出。"
    ),
    "workbook-damaged": (
        "读不出这个工作簿：文件损坏，或者内容大得不正常。请用 WPS 或 Excel 打开，另存为 .xlsx 再试。"
    ),
    "workbook-too-many-rows": "这张表超过 {limit} 行，没有导入。请按乡镇或村拆开。",
    "workbook-too-many-sheets": "工作表超过 {limit} 张，没有导入。请只留要导入的那张。",
    "workbook-too-wide": "这张表超过 {limit} 列，没有导入。请删掉右边无用的列和格子。",
    "register-no-known-column": (
        "前 30 行里没有认识的列名（如“户编号”“姓名”“证件号码”）。请核对是不是户信息表。"
    ),
    "register-columns-missing": "缺少必要的列：{columns}。请补上后再导入。",
    "register-column-twice": "“{column}”这一列出现了两次，不知道以哪列为准。请删掉一列。",
    "register-several-sheets": "有 {count} 张工作表都像户信息表。请每个文件只留一张。",
    "reading-cancelled": "已停止，什么也没有导入。",
    "column-unknown": "不认识这一列，没有读。",
    "column-not-used": "和“{other}”列是同一个意思，以那一列为准，这一列没有读。",
    "sheet-hidden": "隐藏的工作表“{sheet}”没有读。",
    "cell-missing": "这一格必须填，现在是空的。",
    "cell-error": "这一格是错误值，或者公式没有保存结果。请填成文字或数字。",
    "cell-duration": "这一格是钟点或时长，不能用。请重新填写。",
    "cells-differ": "同一户各行在这一列有 {count} 种填法，不知道以哪个为准，没有采用。请改成一致。",
    "not-text": "这一格应填文字，现在是“真/假”值。请重新填写。",
    "date-in-text": "这一格被表格软件改成了日期。请设为文本格式后重新填写。",
    "number-in-text": "这一格应填文字或号码，现在是带小数或负的数。请设为文本格式后重新填写。",
    "lost-digits": "号码按数字存放，后几位已经丢失，程序不会替您补。请设为文本格式后照证件重填。",
    "not-in-list": "不在可选范围内，请照选项填写：{labels}。",
    "not-yes-no": "只能填“是”或“否”，或者留空。",
    "not-a-number": "应是数字，请只写数字，不带文字和单位；没有就填 0 或留空。",
    "not-whole": "应是整数，请核对。",
    "too-many-decimals": "最多两位小数，程序不会四舍五入。请核对。",
    "not-a-date": "不是认得出的日期，请写成 2026-11-21 的样子。",
    "not-a-month": "不是认得出的年月，请写成 202611 的样子。",
    "person-without-key": "证件号码和人编号都是空的，至少填一个。",
    "household-two-places": "同一户的各行写在不同的地方，请改成一致，或者核对户编号。",
    "row-repeated": "和第 {other} 行完全一样，这一行没有重复导入。请删掉多余的一行。",
    "row-repeated-below": "第 {other} 行和这一行完全一样，只采用了这一行。",
    "number-twice": "第 {other} 行也是这个号码，内容却不同，不知道是谁的。请对照证件改正。",
    "number-twice-kept": "第 {other} 行也写了这个号码，但和那一行的内容矛盾，所以采用了这一行。请留意。",
    "width-normalised": "全角字符已改成半角，没有丢内容。",
    "form-normalised": "多余的空格等已去掉，没有丢内容。",
    "invisible-removed": "里面看不见的字符已去掉，没有丢内容。",
    "formula-like-text": "看起来像公式，已按普通文字保存，不会执行。",
    "typed-as-number": "号码按数字存放，位数看来齐全，已采用。请留意开头有没有丢掉 0。",
    "serial-date": "日期是按序号存放的，已换算。请核对年月日。",
    # --- codes and cards ---
    "card-damaged": "户码残缺，读不完整。请擦干净再扫，或输入码下面的户码号。",
    "card-newer": "这张户码比程序新（第 {version} 版）。请先更新程序。",
    "card-pool": "户码批次号不对，应是 4 位。请核对县里给的批次。",
    "card-typed-character": "户码号第 {place} 位不会出现在户码里，请对照卡片再看一遍。",
    "card-typed-length": "户码号应有 {needed} 位（连最后的校验位），现在是 {got} 位。请对照卡片补全。",
    "card-typed-check": "户码号有一位输错了（校验位对不上）。请对照卡片逐位核对。",
    "print-layout": "这份资料排不出版面（{template}）。内容没有丢，请把这一户的户编号告诉县里。",
    "print-queue": "打印队列没有收下这批纸（{queue}）。请检查打印机是否开着、连着，再重打这一批。",
    "print-queue-missing": "这台电脑没有打印服务。请改用“存为 PDF”，或换一台打印机。",
    "print-range": "页码范围 {first} 至 {last} 不对，这批共 {total} 份。请重新填写。",
    # --- vault ---
    "wrong-password": "密码不对。请看看大小写锁定和输入法，再输一次。",
    "password-empty": "密码不能为空，请输入密码。",
    "password-too-long": "密码太长，最多 {limit} 个字。",
    "password-unusable": "密码里有不能用的字符，请重新输入。",
    "name-unusable": "姓名是空的、太长（最多 {limit} 个字）或者有不能用的字符，请重新输入。",
    "no-slot": "这个工作处里没有这个人。请重新选人，或者请同事添加。",
    "slot-exists": "这个人已经在这个工作处里，不用再添加。",
    "not-a-vault": "这个文件夹里没有户档数据。请换一个工作处，或者重新登记本机。",
    "vault-exists": "这个文件夹里已经有东西，没有动它。请换一个空文件夹。",
    "vault-missing": "数据文件不见了。请不要新建，先找找是不是被移走或被杀毒软件隔离；找不到请联系县里。",
    "vault-damaged": "数据有损坏（坏页 {pages}）。密码没有错，文件没有动。请不要删除，马上联系县里。",
    "vault-foreign": "这里的数据文件不是这个工作处的，或者开头已损坏。文件没有动，请联系县里。",
    "vault-not-encrypted": "这里的数据文件没有加密，不是户档写的，没有打开。请联系县里。",
    "vault-newer": "这里的数据是新版程序写的。请先更新程序，再打开。",
    "vault-in-use": "户档已经在别处打开了。请先关掉另一个窗口，或者请另一位用户退出。",
    "vault-locked": "已经锁上了，请先解锁。",
    "vault-cipher-missing": "加密部件不合要求（{setting}），为保护数据没有打开。请重新安装程序。",
    "slot-parameters": "钥匙文件里的参数不正常，没有使用。请联系县里恢复。",
    "slots-altered": "钥匙文件被改动过，没有使用。请保留现场，马上联系县里。",
    "signing-key-dropped": "签名的钥匙已收起，请先解锁再保存。",
    "wrong-recovery-key": "这把恢复钥匙打不开这里的数据，请核对是不是本县的。",
    "not-enough-memory": "内存不够，解锁要用 {mebibytes} MB。请关掉几个程序再试。",
    "disk-full": "磁盘满了，这一次没有保存，以前保存的都在。请腾出一些空间再试。",
    "disk-error": "磁盘读写出错（代号 {number}），这一次没有保存。请检查磁盘，尽快上报并联系县里。",
    "folder-read-only": "这个文件夹不能写入。请检查权限，或者看看是不是只读盘、网盘或被杀毒软件拦住。",
    "interrupted": "已停止这次查找。",
    "attachment-too-large": "附件太大，最多 {limit} MB。",
    "attachment-missing": "这个附件的文件不在本机。请先上报，再从县里取回。",
    "attachment-damaged": "这个附件的文件有损坏，没有打开。请从县里重新取回。",
    # --- transport ---
    # --- county ---
    # --- chain ---
    "bad-signature": "签名不对：内容被改动过，或者不是本人签的。请保留现场，马上联系县里。",
    "bad-public-key": "这把公钥不合格，不能登记。请重新生成密钥。",
    "algorithm-unknown": "不认识的签名算法（编号 {algorithm}）。请先更新程序。",
    "inclusion-proof-wrong": (
        "县里的证明对不上：从第 {start} 条起的 {count} 条，不在总共 {size} 条的记录里。请马上联系县里。"
    ),
    "consistency-proof-wrong": (
        "县里的记录前后不一致（原有 {old} 条，现有 {new} 条），以前的可能被改动过。请马上联系县里。"
    ),
    "checkpoint-malformed": "县里的凭证格式不对。请稍后再试；还是不行，请联系县里。",
    "checkpoint-of-another-log": "收到的是别的县的凭证，没有采用。请检查登记时用的县服务器地址。",
    "checkpoint-unsigned": "县里的凭证没有本县的签名，没有采用。请马上联系县里。",
}


def sentence(error: HudangError) -> str:
    """The sentence for `error` in the language of the program; an unknown code names itself for the help desk."""
    wording = SENTENCES.get(error.code)
    if wording is None:
        return tr("出了没有预料到的问题（代号 {code}）。已录入的内容没有丢，请联系县里。", code=error.code)
    return tr(wording, **error.facts)
