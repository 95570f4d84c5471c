"""Where a vault may lie, by what the system says; and the ballast."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from app.errors import VaultProblem
from app.vault import ballast, places
from app.vault.places import Facts
from tests.sync.laptops import finished

MOUNTS = r"""
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /people rw,relatime shared:1 - ext4 /dev/vdb rw
41 40 0:41 / /people/li/公共 rw - nfs4 server:/export rw
42 40 0:42 / /people/li/U\040盘 rw - vfat /dev/sdb1 rw
43 27 0:43 / /mnt/共享 rw - cifs //server/share rw
44 43 0:44 / /mnt/共享 rw - tmpfs tmpfs rw
45 27 0:45 / /run/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "system"),
    [
        ("/srv/hudang", "ext4"),
        ("/people/li/hudang", "ext4"),
        ("/people/li/公共/hudang", "nfs4"),
        ("/people/li/公共的", "ext4"),
        ("/people/li/U 盘/hudang", "vfat"),
        ("/mnt/共享/x", "tmpfs"),
        ("/run/gvfs/smb-share", "fuse.gvfsd-fuse"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, system: str) -> None:
    assert places.mounted_system(PurePosixPath(path), MOUNTS) == system


def test_network_drives_are_refused() -> None:
    home = PurePosixPath("/people/li/hudang")
    for system in ("nfs", "nfs4", "cifs", "SMB3", "fuse.sshfs", "davfs"):
        problem = places.problem_of(Facts(path=home, system=system))
        assert problem is not None
        assert problem.code == "place-network"
    for system in ("ext4", "btrfs", "xfs", "vfat", "tmpfs", "9p", "fuse.ntfs-3g", "fuseblk", "overlay", ""):
        assert places.problem_of(Facts(path=home, system=system)) is None
    for facts in (
        Facts(path=PureWindowsPath("Z:/hudang"), remote=True),
        Facts(path=PureWindowsPath("//server/share/hudang")),
    ):
        problem = places.problem_of(facts)
        assert problem is not None
        assert problem.code == "place-network"


@pytest.mark.parametrize(
    ("path", "product"),
    [
        ("C:/Users/li/OneDrive - 云岭县/hudang", "OneDrive"),
        ("C:/Users/li/OneDrive/文档/hudang", "OneDrive"),
        ("D:/Nutstore Files/hudang", "坚果云"),
        ("D:/我的坚果云/户档", "坚果云"),
        ("D:/BaiduSyncdisk/户档", "百度网盘"),
        ("E:/BaiduNetdiskWorkspace/户档", "百度网盘"),
        ("C:/Users/li/Dropbox (Personal)/x", "Dropbox"),
        ("C:/Users/li/WPS云盘/x", "WPS 云盘"),
        ("C:/Users/li/Mega/x", "MEGA"),
    ],
)
def test_synchronised_folders_are_refused_by_their_names(path: str, product: str) -> None:
    problem = places.problem_of(Facts(path=PureWindowsPath(path)))
    assert problem is not None
    assert (problem.code, problem.facts["product"]) == ("place-cloud", product)


def test_ordinary_names_are_not_taken_for_synchronised_ones() -> None:
    for path in ("C:/Users/megan/AppData/Local/Hudang", "D:/megabytes/x", "C:/Users/weiyun/x", "D:/一网通办/x"):
        assert places.problem_of(Facts(path=PureWindowsPath(path))) is None


def test_marks_and_settings_of_synchronising_programs_are_believed(tmp_path: Path) -> None:
    assert places.problem_of(places.look(tmp_path / "vault", {})) is None
    folder = tmp_path / "工作" / "资料"
    folder.mkdir(parents=True)
    (tmp_path / "工作" / ".stfolder").mkdir()
    problem = places.problem_of(places.look(folder / "new" / "vault", {}))
    assert problem is not None
    assert problem.facts == {"product": "Syncthing"}
    other = tmp_path / "同步"
    other.mkdir()
    problem = places.problem_of(places.look(other / "vault", {"OneDriveCommercial": str(other)}))
    assert problem is not None
    assert problem.code == "place-cloud"
    assert places.problem_of(places.look(tmp_path / "vault", {"OneDriveCommercial": str(other)})) is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs to become somebody without rights")
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for above in tmp_path.parents[:2]:
        above.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(VaultProblem, match="folder-read-only"):
            places.refuse_bad(tmp_path / "vault")
    finally:
        os.seteuid(0)
    assert not (tmp_path / "vault").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_system_is_asked_in_earnest(tmp_path: Path) -> None:
    facts = places.look(tmp_path / "vault", {})
    assert facts.system
    assert facts.writable
    assert places.look(Path("/proc"), {}).system == "proc"


def test_the_ballast_is_made_where_there_is_plenty_and_given_up_once(tmp_path: Path) -> None:
    assert finished(ballast.keep(tmp_path, size=3_000_000))
    assert ballast.size_of(tmp_path) == 3_000_000
    assert (tmp_path / ballast.NAME).stat().st_blocks * 512 >= 3_000_000
    before = (tmp_path / ballast.NAME).stat().st_mtime_ns
    assert finished(ballast.keep(tmp_path, size=3_000_000))
    assert (tmp_path / ballast.NAME).stat().st_mtime_ns == before
    assert ballast.give_up(tmp_path) == 3_000_000
    assert ballast.give_up(tmp_path) == 0
    assert not finished(ballast.keep(tmp_path, size=ballast.free_room(tmp_path) // 2))
    assert list(tmp_path.iterdir()) == []
