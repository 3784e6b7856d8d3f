"""The code of a job: whole, clean, and the same bytes every time."""

import importlib.metadata
import io
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from nst_lightning.cloud.staging import IN_THE_CONTAINER, pack, requirements, staged_files
from nst_lightning.errors import InputError


def test_torch_is_never_pinned_and_all_else_is() -> None:
    lines = [Requirement(line) for line in requirements()]
    assert all(str(line.specifier).startswith("==") for line in lines)
    names = {line.name for line in lines}
    assert not names & {*IN_THE_CONTAINER, "numpy"}
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {Requirement(line).name for line in project["dependencies"]}
    # What torch itself requires is the container's.
    brought = {"torch", "torchvision", "numpy", "fsspec", "filelock", "jinja2"}
    assert declared - brought <= names


def test_the_versions_of_a_job_are_those_that_the_tests_run_with() -> None:
    wanted = {one.name: one.specifier for one in map(Requirement, requirements(film=True))}
    here = {name: importlib.metadata.version(name) for name in wanted}
    assert {name: v for name, v in here.items() if v not in wanted[name]} == {}


def test_the_projects_environment_is_held_to_the_same_versions() -> None:
    uv = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    held = {str(Requirement(line)) for line in uv["constraint-dependencies"]}
    assert {line.replace("[signatures]", "") for line in requirements(film=True)} <= held


def test_what_reads_clips_goes_into_jobs_of_clips_alone(tmp_path: Path) -> None:
    of_clips = {Requirement(line).name for line in {*requirements(film=True)} - {*requirements()}}
    assert of_clips == {"av", "opencv-python-headless"}
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = project["optional-dependencies"]["video"]
    assert of_clips == {Requirement(line).name for line in extra}
    assert requirements(["av==17.0"], film=True)[-2:] == [
        "av==17.0",
        "opencv-python-headless==5.0.0.93",
    ]


def test_a_users_line_takes_the_place_of_ours() -> None:
    lines = requirements(["einops>=0.8", "Scikit_Image==0.25.2"])
    assert "einops>=0.8" in lines
    assert [line for line in lines if "mage==" in line.lower()] == ["Scikit_Image==0.25.2"]


@pytest.mark.parametrize("line", ["torch==2.8.0", "torchvision", "Torch >= 2"])
def test_a_users_requirement_may_not_bring_torch(line: str) -> None:
    with pytest.raises(InputError, match=r"job\.requirements: .*framework_version"):
        requirements([line])


@pytest.mark.parametrize("line", ["-r mine.txt", "./mine", "einops==", "two words", ""])
def test_a_line_that_pip_would_choke_on_in_a_paid_job(line: str) -> None:
    with pytest.raises(InputError, match=r"job\.requirements: .* is no package such as"):
        requirements([line])


@pytest.mark.parametrize("name", ["random.py", "torch/__init__.py", "numpy.py"])
def test_code_does_not_hide_what_is_installed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n")
    given = path if path.parent == tmp_path else path.parent
    with pytest.raises(InputError, match=r"job\.code: .* would hide the installed"):
        dict(staged_files([given]))


def test_the_package_the_entry_and_the_users_code_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "my_losses.py").write_text("x = 1\n")
    (tmp_path / "mine" / "__pycache__").mkdir(parents=True)
    (tmp_path / "mine" / "a.py").write_text("y = 1\n")
    (tmp_path / "mine" / "__pycache__" / "a.pyc").write_bytes(b"x")
    files = dict(staged_files([tmp_path / "my_losses.py", tmp_path / "mine"]))
    assert {"entry.py", "requirements.txt", "my_losses.py", "mine/a.py"} <= set(files)
    assert "nst_lightning/module.py" in files
    assert "nst_lightning/defaults.yaml" in files
    for name in files:
        assert not name.endswith((".pyc", ".png", ".ckpt"))
        assert "__pycache__" not in name
        assert not name.startswith(("tests/", "outputs/", "sagemaker/", ".git"))
    assert not any("rehearsal" in name for name in files)
    with pytest.raises(InputError, match=r"job\.code: there is no file or folder nowhere\.py"):
        dict(staged_files(["nowhere.py"]))


@pytest.mark.parametrize("kind", ["configs", "tests", "outputs", "a/configs/b"])
def test_every_folder_of_the_users_code_travels(tmp_path: Path, kind: str) -> None:
    (tmp_path / "mine" / kind).mkdir(parents=True)
    (tmp_path / "mine" / kind / "a.yaml").write_text("a: 1\n")
    assert f"mine/{kind}/a.yaml" in dict(staged_files([tmp_path / "mine"]))


@pytest.mark.parametrize(
    "names", [["entry.py"], ["setup.py"], ["nst_lightning/x.py"], ["a/mine.py", "b/mine.py"]]
)
def test_code_does_not_take_the_place_of_other_code(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    given = [tmp_path / name for name in names]
    given = [path.parent if path.parent.name == "nst_lightning" else path for path in given]
    with pytest.raises(InputError, match=r"job\.code: .*there is another .* rename it"):
        dict(staged_files(given))


def test_the_archive_depends_on_the_files_alone() -> None:
    files = [("a.py", b"1"), ("b/c.py", b"2")]
    assert pack(files) == pack(files)
    with tarfile.open(fileobj=io.BytesIO(pack(files))) as tar:
        assert [(m.name, m.mtime, m.uid) for m in tar.getmembers()] == [
            ("a.py", 0, 0),
            ("b/c.py", 0, 0),
        ]
