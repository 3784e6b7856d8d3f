import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.disks import small_disk

from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write, check_folder, remove_parts, write_error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_whole_and_makes_the_folder(tmp_path):
    target = tmp_path / "new" / "folder" / "a.png"
    with atomic_write(target) as temporary:
        # In one folder, or it cannot be renamed; of one suffix, by which writers choose a format.
        assert temporary.parent == target.parent
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["a.png"]


def test_replaces(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_write(str(target)) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), InputError("no")])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(error)) as caught, atomic_write(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert caught.value is error
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_unreadable_source_is_not_blamed_on_the_target(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_bytes(missing.read_bytes())
    assert names(tmp_path) == []


def test_a_killed_process_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    program = (
        "import os, signal, sys\n"
        "from nst_lightning.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == -9
    assert target.read_text() == "old"


def test_the_data_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(number):
        order.append("fsync")
        real_fsync(number)

    def replace(self, target):
        order.append("name")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert order == ["fsync", "name"]


def test_full_disk(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        target = disk / "a.bin"
        target.write_bytes(b"old")
        with pytest.raises(InputError) as caught, atomic_write(target) as temporary:
            temporary.write_bytes(bytes(200_000))
        assert "disk is full" in str(caught.value)
        assert str(target) in str(caught.value)
        assert target.read_bytes() == b"old"
        assert names(disk) == ["a.bin"]


def test_full_device_without_any_rights(tmp_path):
    """The same on /dev/full, which needs no mount."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    with pytest.raises(InputError, match="disk is full"), atomic_write(tmp_path / "a"):
        full.write_bytes(b"x")
    assert names(tmp_path) == []


def test_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(InputError, match="choose another folder"),
        atomic_write(tmp_path / "file" / "a.txt") as temporary,
    ):
        temporary.write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(InputError, match="choose another folder"):
            check_folder(folder)


def test_folder_without_rights(tmp_path):
    tmp_path.chmod(0o555)
    if os.geteuid() == 0:
        try:
            os.seteuid(65534)
        except OSError as error:
            pytest.skip(f"cannot stop being root here: {error}")
    try:
        with (
            pytest.raises(InputError, match="permission denied"),
            atomic_write(tmp_path / "a.txt") as temporary,
        ):
            temporary.write_text("x")
        for folder in (tmp_path, tmp_path / "new" / "folder"):
            with pytest.raises(InputError, match="permission denied"):
                check_folder(folder)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        tmp_path.chmod(0o755)
    assert names(tmp_path) == []


def test_check_folder_makes_nothing(tmp_path, monkeypatch):
    assert check_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert check_folder(str(tmp_path)) == tmp_path
    assert names(tmp_path) == []
    monkeypatch.chdir(tmp_path)
    assert str(check_folder("a/b")) == "a/b"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_reasons(code, words):
    error = write_error("x/y.png", OSError(code, os.strerror(code)))
    assert isinstance(error, InputError)
    assert str(error).startswith("cannot write x/y.png: ")
    assert words in str(error)


def test_error_without_a_number():
    assert "encoder error" in str(write_error("a.png", OSError("encoder error")))


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path):
    with atomic_write(tmp_path / "last.ckpt") as part:
        part.write_bytes(b"half")
        left = part.with_name(part.name.replace(part.name.split(".")[-3], "0123456789ab"))
        left.write_bytes(b"half")
    kept = [".hidden.part.png", "a.0123456789ab.part.png", ".last.ckpt"]
    for name in kept:
        (tmp_path / name).write_bytes(b"mine")
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "last.ckpt"}
    remove_parts(tmp_path / "nowhere")
