"""What a built wheel holds."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_configs_and_samples_are_in_the_wheel(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="needs setuptools, which builds the wheel")
    # A copy: setuptools leaves its build folders beside the sources.
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, clone)
    for name in ("nst_lightning", "configs"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import setuptools.build_meta as b; b.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", build], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (clone / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert {"nst_lightning/defaults.yaml", "nst_lightning/py.typed"} <= names
    cloud = {f"nst_lightning/cloud/{name}" for name in ("catalogue.yaml", "requirements.txt")}
    assert cloud <= names
    samples = ("klimt", "starry", "waves")
    assert {f"nst_lightning/data/samples/{name}.webp" for name in samples} <= names
    inside = {n.removeprefix("nst_lightning/") for n in names if "nst_lightning/configs/" in n}
    assert inside == {
        str(p.relative_to(ROOT)) for p in (ROOT / "configs").rglob("*") if p.is_file()
    }

    # As an installed package finds them: away from the clone, by bare name.
    find = "from nst_lightning.options import find_config; print(find_config('gatys'))"
    (tmp_path / "away").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", find],
        cwd=tmp_path / "away",
        env={"PYTHONPATH": str(tmp_path / "installed"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(
        tmp_path / "installed" / "nst_lightning" / "configs" / "recipes" / "gatys.yaml"
    ), done.stderr

    # What a job is given is the same as from a clone.
    staged = "from nst_lightning.cloud.staging import staged_files as s; print(sorted(dict(s())))"
    lists = [
        subprocess.run(
            [sys.executable, "-c", staged],
            cwd=tmp_path / "away",
            env={"PYTHONPATH": str(place), "PATH": ""},
            capture_output=True,
            text=True,
        ).stdout
        for place in (tmp_path / "installed", ROOT)
    ]
    assert "nst_lightning/cloud/job.py" in lists[0]
    assert lists[0] == lists[1]
