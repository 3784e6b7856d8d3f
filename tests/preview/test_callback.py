"""A real run with a preview: what is told, and that wishes come true between two steps."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.painting import SignalAt, files, logged, paint, small_run
from lightning.pytorch import Callback
from PIL import Image

from nst_lightning.cli import main
from nst_lightning.errors import InputError
from nst_lightning.notebook import stylize
from nst_lightning.options import read_yaml, to_words
from nst_lightning.preview import PreviewAddress
from nst_lightning.preview import callback as callback_module
from nst_lightning.preview import server as server_module
from nst_lightning.preview.callback import LivePreview
from nst_lightning.preview.feed import Feed
from nst_lightning.preview.server import PreviewServer, server_at
from nst_lightning.run_cli import RunCLI
from nst_lightning.session import open_run

from .conftest import ask, picture

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("signals_given_back")]


@pytest.fixture(autouse=True)
def _servers_of_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    servers: dict[PreviewAddress, PreviewServer] = {}
    monkeypatch.setattr(server_module, "_servers", servers)
    monkeypatch.setattr("atexit.register", lambda *_: None)
    yield
    for server in servers.values():
        server.close()


def here() -> PreviewServer:
    return server_at(PreviewAddress())


class At(Callback):
    """Does something at the end of a step, before the preview's turn."""

    def __init__(self, **todo: Callable[[], Any]) -> None:
        self.todo = {int(step.removeprefix("step_")): do for step, do in todo.items()}

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if do := self.todo.get(trainer.global_step):
            do()


def test_a_run_is_shown(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_module, "_POINTS", 0.0)
    monkeypatch.setattr(callback_module, "WATCHED", 1.0)
    monkeypatch.setattr(callback_module, "UNWATCHED", 1.0)
    seen: list[Any] = []
    look = At(**{f"step_{n}": lambda: seen.append(ask(here(), "state").json) for n in (1, 4)})
    paint(tmp_path, pictures, "--preview", "true", callbacks=[look])
    first, later = seen
    assert first["title"] == "content \N{MULTIPLICATION SIGN} style"
    assert first["phase"] == later["phase"] == "painting"
    assert (later["steps"], later["largest"], later["scales"]) == (6, [32, 24], 1)
    assert later["step"] > first["step"]
    end = ask(here(), "state").json
    assert (end["phase"], end["step"]) == ("finished", 6)
    with Image.open(end["file"]) as result:
        wanted = np.asarray(result.convert("RGB"), dtype=float)
    assert np.abs(picture(here()) - wanted).mean() < 6  # JPEG of a picture this small
    rows = {int(row["step"]): row for row in logged(tmp_path)}
    assert end["losses"]
    for step, losses in end["losses"]:
        assert list(losses) == ["loss", "content", "style", "tv"]
        for name, value in losses.items():
            column = "loss" if name == "loss" else f"{name}_loss"
            assert value == pytest.approx(float(rows[step - 1][column]), rel=1e-5)


def test_what_is_painted_and_kept_is_the_same(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    look = At(**{f"step_{n}": lambda: ask(here(), "state") for n in range(1, 7)})
    paint(tmp_path / "a", pictures)
    paint(tmp_path / "b", pictures, "--preview.host", "127.0.0.1", callbacks=[look])
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for name in files(tmp_path / "a"):
        if not name.endswith((".ckpt", ".yaml")):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "preview" not in read_yaml(tmp_path / "b" / "config.yaml")


@pytest.mark.parametrize("colour", ["style", "palette", "luminance"])
@pytest.mark.parametrize("transparent", [False, True])
def test_a_large_picture_is_shown_small_and_as_people_see_it(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    colour: str,
    transparent: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callback_module, "SIDE", 24)
    content = pictures[0]
    if transparent:
        content = tmp_path / "transparent.png"
        with Image.open(pictures[0]) as photo:
            alpha = Image.linear_gradient("L").resize(photo.size)
            photo.putalpha(alpha)
            photo.save(content)
    look = At(**{f"step_{n}": lambda: ask(here(), "state") for n in (1, 2)})
    paint(
        tmp_path, (content, pictures[1]), "--preview", f"--data.colour={colour}", callbacks=[look]
    )
    with Image.open(tmp_path / "stylized.png") as result:
        white = Image.new("RGBA", result.size, "white")
        white.alpha_composite(result.convert("RGBA"))
    wanted = np.asarray(white.convert("RGB").resize((24, 18), Image.Resampling.BICUBIC))
    assert picture(here()).shape == (18, 24, 3)
    assert np.abs(picture(here()) - wanted.astype(float)).mean() < 10


def test_finish_writes_picture_and_checkpoint_and_ends_with_0(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping = At(step_3=lambda: ask(here(), "finish", "POST"))
    first = RunCLI.instantiate_trainer

    def with_a_watcher(self: RunCLI, **kwargs: Any) -> Any:
        trainer = first(self, **kwargs)
        trainer.callbacks.insert(0, stopping)
        return trainer

    monkeypatch.setattr(RunCLI, "instantiate_trainer", with_a_watcher)
    words = ["fit", *to_words(small_run(tmp_path, pictures, 50)), "--preview"]
    assert main(words) == 0
    assert (tmp_path / "stylized.png").is_file()
    assert len(logged(tmp_path)) == 3
    end = ask(here(), "state").json
    assert (end["phase"], end["step"], end["steps"]) == ("finished", 3, 50)
    assert "--ckpt_path last" in capsys.readouterr().err
    # It goes on from there, to the picture of a run that was never ended.
    assert main([*words, "--ckpt_path", "last", "--data.steps_per_epoch", "6"]) == 0
    assert len(logged(tmp_path)) == 6
    monkeypatch.setattr(RunCLI, "instantiate_trainer", first)
    paint(tmp_path / "whole", pictures)
    whole = (tmp_path / "whole" / "metrics.csv").read_text()
    assert (tmp_path / "metrics.csv").read_text() == whole


def later(do: Callable[[], Any]) -> None:
    """Do something as soon as the run waits."""

    def wait() -> None:
        until = time.monotonic() + 30
        while ask(here(), "state").json["phase"] != "paused" and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
        do()

    threading.Thread(target=wait, daemon=True).start()


def pausing(then: Callable[[], Any]) -> At:
    def pause() -> None:
        ask(here(), "pause", "POST")
        later(then)

    return At(step_2=pause)


@pytest.mark.parametrize("wish", ["resume", "finish"])
def test_a_paused_run_waits_and_goes_on(
    tmp_path: Path, pictures: tuple[Path, Path], wish: str
) -> None:
    seen: list[Any] = []

    def end() -> None:
        seen.append(ask(here(), "state").json)
        ask(here(), wish, "POST")

    paint(tmp_path, pictures, "--preview=true", callbacks=[pausing(end)])
    assert (seen[0]["phase"], seen[0]["step"]) == ("paused", 2)
    assert seen[0]["shots"]["picture"] >= 1  # what it is paused at is shown
    assert len(logged(tmp_path)) == (6 if wish == "resume" else 2)
    assert (tmp_path / "stylized.png").is_file()


def test_ctrl_c_ends_a_paused_run(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    interrupt = SignalAt(1)
    trainer = type("Trainer", (), {"global_step": 0})()
    session = paint(
        tmp_path,
        pictures,
        "--preview=true",
        callbacks=[pausing(lambda: interrupt.on_train_batch_start(trainer))],
    )
    assert session.stopped
    assert len(logged(tmp_path)) == 2
    assert (tmp_path / "stylized.png").is_file()
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert ask(here(), "state").json["phase"] == "stopped"


def test_a_paused_run_ends_when_its_time_is_up(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    limit = "--trainer.max_time=00:00:00:04"
    paint(
        tmp_path, pictures, "--preview=true", limit, steps=10_000, callbacks=[pausing(lambda: None)]
    )
    assert len(logged(tmp_path)) == 2
    assert (tmp_path / "stylized.png").is_file()


def test_a_run_that_fails_says_why(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    def fail() -> None:
        raise InputError("the disk is full; free some space")

    with pytest.raises(InputError):
        paint(tmp_path, pictures, "--preview=true", callbacks=[At(step_2=fail)])
    end = ask(here(), "state").json
    assert (end["phase"], end["why"]) == ("failed", "the disk is full; free some space")


def test_stylize_shows_one_picture_after_another(pictures: tuple[Path, Path]) -> None:
    seen: list[Any] = []
    look = At(step_2=lambda: seen.append(ask(here(), "state").json))
    options: dict[str, Any] = {"size": 32, "steps": 3, "progress": False, "callbacks": [look]}
    with Image.open(pictures[0]) as photo:
        stylize(photo, pictures[1], settings={"preview": True, "data.scales": None}, **options)
    options["callbacks"] = [look, LivePreview()]
    stylize(pictures[0], pictures[1], settings={"data.scales": None}, **options)
    assert [state["title"].split()[0] for state in seen] == ["a", "content"]
    assert seen[0]["run"] != seen[1]["run"]
    assert ask(here(), "state").json["phase"] == "finished"


def test_a_film_is_shown_frame_by_frame_and_ended_from_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    tell = Feed.tell

    def told(self: Feed, phase: Any = None, **facts: Any) -> None:
        tell(self, phase, **facts)
        seen.append(json.loads(self.state(0, 0)))
        if seen[-1]["title"].startswith("frame 2") and facts.get("step") == 1:
            ask(here(), "finish", "POST")

    monkeypatch.setattr(Feed, "tell", told)
    for number in range(3):
        frame = Image.new("RGB", (64, 48), (40 * number, 90, 120))
        frame.save(tmp_path / f"{number}.png")
    out = tmp_path / "painted.gif"
    words = ["video", str(tmp_path / "*.png"), "--styles=sample:waves", f"--out={out}"]
    words += [f"--folder={tmp_path / 'film'}", "--preview=true", "--size=64"]
    assert main([*words, "--settings.data.steps_per_epoch=3"]) == 130
    titles = {state["title"] for state in seen}
    assert {f"frame {n} of 3 \N{MULTIPLICATION SIGN} waves" for n in (1, 2)} <= titles
    assert not [title for title in titles if title.startswith("frame 3")]
    assert "failed" not in {state["phase"] for state in seen}
    counted = {(state["title"][:7], state["series"]["done"]) for state in seen}
    assert {("frame 1", 0), ("frame 2", 1)} <= counted
    assert {(state["series"]["total"], state["series"]["unit"]) for state in seen} == {
        (3, "frames")
    }
    assert [path.name for path in (tmp_path / "film/frames").iterdir()] == ["000001.png"]
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "host", "port"),
    [
        (["--preview"], "127.0.0.1", 0),
        (["--preview", "true"], "127.0.0.1", 0),
        (["--preview.host", "0.0.0.0"], "0.0.0.0", 0),
        (["--preview=true", "--preview.host=0.0.0.0", "--preview.port=8123"], "0.0.0.0", 8123),
        (["--preview.host=0.0.0.0", "--preview=true"], "0.0.0.0", 0),
        (["--config", "preview: true"], "127.0.0.1", 0),
        (["--config", "preview: {host: 0.0.0.0}"], "0.0.0.0", 0),
        (["--config", "preview: {host: 0.0.0.0}", "--preview.port", "8123"], "0.0.0.0", 8123),
        (["--config", "preview: {host: 0.0.0.0}", "--preview", "false"], None, 0),
        (["--preview", "false"], None, 0),
        ([], None, 0),
    ],
)
def test_how_it_is_asked_for(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    words: list[str],
    host: str | None,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if words[:1] == ["--config"]:
        (tmp_path / "with.yaml").write_text(words[1], encoding="utf-8")
        words = ["--config", str(tmp_path / "with.yaml"), *words[2:]]
    asked: list[Any] = []

    def note(at: PreviewAddress) -> Any:
        asked.append(at)
        raise InputError("no server")

    monkeypatch.setattr(callback_module, "server_at", note)
    with pytest.raises(InputError) if host else pytest.MonkeyPatch.context():
        paint(tmp_path, pictures, *words, steps=1)
    assert asked == ([PreviewAddress(host, port)] if host else [])


def test_settings_of_a_mapping(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    for given in ({"preview": True}, {"preview": {"port": 0}}, {"preview.host": "localhost"}):
        session = open_run({**small_run(tmp_path, pictures), **given})
        callbacks: Any = session.trainer
        assert any(isinstance(c, LivePreview) for c in callbacks.callbacks)
        assert not {"preview"} & set(session.model.settings)
        assert not {"preview"} & set(session.model.public_settings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preview", "maybe"], "preview: expected true or false, or keys of its own"),
        (["--preview", "null"], "preview: expected true or false, or keys of its own"),
        (["--preview.port", "70000"], "preview.port must be a whole number from 0 to 65535"),
        (["--preview.port", "x"], "preview.port: expected an int"),
        (["--preview.hots", "x"], "unknown key preview.hots; did you mean host?"),
        (["--preview.host", ""], "preview.host: it is empty"),
        (["--preview.host", "192.0.2.1"], "preview.host, preview.port: cannot listen at 192.0.2.1"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    assert main(["fit", *to_words(small_run(folder, pictures)), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not folder.exists()
