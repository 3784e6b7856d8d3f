"""What a grid file means: axes, cells, and as few runs as give them all."""

from pathlib import Path

import pytest

from nst_lightning.errors import InputError
from nst_lightning.grids.spec import plan, read_grid
from nst_lightning.options import find_config

AXES = "axes: [{name: e, key: trainer.max_epochs, values: [1, 3]}]\n"


def grid(folder: Path, text: str):
    path = folder / "g.yaml"
    path.write_text(text)
    return read_grid(path)


def test_snapshots_of_one_run_serve_all_epochs_and_steps(tmp_path: Path) -> None:
    made = grid(
        tmp_path,
        "axes:\n- {key: data.steps_per_epoch, values: [10, 50]}\n"
        "- {name: epochs, key: trainer.max_epochs, values: [1, 5]}\n",
    )
    (run,) = plan(made, {})
    assert run.snapshots == [10, 50, 250]
    assert run.steps == 250
    assert {cell.labels: cell.step for cell in run.cells} == {
        **{("10", "1"): 10, ("10", "5"): 50},
        **{("50", "1"): 50, ("50", "5"): 250},
    }


def test_other_settings_are_other_runs(tmp_path: Path) -> None:
    made = grid(
        tmp_path,
        "configs: recipes/gatys.yaml\nsettings: {data.size: 64}\naxes:\n"
        "- {name: tv, key: model.tv.weight, values: [0, 1.5]}\n"
        "- {name: epochs, key: trainer.max_epochs, values: [1, 2, 3]}\n",
    )
    more = {"data.size": 32, "data.steps_per_epoch": 7}
    runs = plan(made, more)
    assert made.size == 6
    assert [run.snapshots for run in runs] == [[7, 14, 21]] * 2
    assert [run.settings for run in runs] == [
        {"data.size": 32, "model.tv.weight": 0},
        {"data.size": 32, "model.tv.weight": 1.5},
    ]
    assert runs[0].name != runs[1].name
    assert [run.name for run in plan(made, more)] == [r.name for r in runs]
    shown = plan(made, more | {"preview": True, "preview.host": "localhost"})
    assert [run.name for run in shown] == [r.name for r in runs]  # the same pictures
    assert shown[0].settings["preview"]


def test_labels_with_settings_and_configs(tmp_path: Path) -> None:
    made = grid(
        tmp_path,
        "axes:\n- name: optimiser\n  values:\n    theirs: {}\n"
        "    ours: {config: overlays/bounded_lbfgs.yaml, model.clamp: none}\n",
    )
    theirs, ours = plan(made, {})
    assert ours.configs == ["overlays/bounded_lbfgs.yaml"]
    assert ours.settings == {"model.clamp": "none"}
    assert (theirs.configs, theirs.settings) == ([], {})


def test_a_changed_config_is_another_run(tmp_path: Path) -> None:
    config = tmp_path / "base.yaml"
    config.write_text("data: {size: 64}\n")
    made = grid(tmp_path, f"configs: {config}\n{AXES}")
    (before,) = plan(made, {})
    name = before.name
    config.write_text("data: {size: 65}\n")
    (after,) = plan(made, {})
    assert after.name != name


@pytest.mark.parametrize("name", ["figure7", "figure9", "figure10", "figure11"])
def test_the_reports_grids(name: str) -> None:
    made = read_grid(Path(find_config(name)))
    runs = plan(made, {"data.size": 96})
    assert len(runs) == {"figure7": 1, "figure9": 6, "figure10": 2, "figure11": 2}[name]
    assert all(run.settings["data.size"] == 96 for run in runs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: x", "axes is missing"),
        ("axes: []", "axes is missing"),
        ("axis: []", "unknown key axis; did you mean axes?"),
        ("axes: [{name: a, key: data.size}]", "(a) has no values"),
        ("axes: [{name: a, values: [1, 2]}]", "a list of values needs a key"),
        ("axes: [{name: a, valeus: [1]}]", "unknown key valeus; did you mean values?"),
        ("axes: [3]", "must have name, key and values"),
        (AXES + "settings: [1]", "settings must be keys"),
        ("axes: [{name: e, key: trainer.max_epochs, values: [0]}]", "0 is not a whole number"),
        ("- 1", "write keys such as title:, configs:, settings: and axes:"),
    ],
)
def test_a_mistake_in_the_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(grid(tmp_path, text), {})
    assert words in str(caught.value)


def test_labels_are_told_apart(tmp_path: Path) -> None:
    made = grid(
        tmp_path,
        "axes:\n"
        "- {name: w, key: model.tv.weight, values: [1000001, 1000002, 0.5, 2]}\n"
        "- {name: style, key: data.style, values: [a/x.jpg, b/x.jpg, b/y.jpg, 'sample:cat', q.png,"
        " q.png]}\n",
    )
    weights, styles = ([value.label for value in axis.values] for axis in made.axes)
    assert weights == ["1000001", "1000002", "0.5", "2"]
    assert styles == ["a/x.jpg", "b/x.jpg", "y", "sample:cat", "q.png (1)", "q.png (2)"]


def test_a_config_among_the_values_brings_its_own_length(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text("data: {steps_per_epoch: 30}\ntrainer.max_epochs: 2\n")
    made = grid(
        tmp_path,
        "axes:\n- name: config\n  values:\n    plain: {trainer.max_epochs: 3}\n"
        f"    long: {{config: {tmp_path / 'long.yaml'}}}\n"
        f"    longer: {{config: {tmp_path / 'long.yaml'}, trainer: {{max_epochs: 4}}}}\n",
    )
    below = tmp_path / "below.yaml"
    below.write_text("data: {steps_per_epoch: 7}\n")
    plain, long = plan(made, {}, [str(below)])
    assert (plain.snapshots, long.snapshots) == ([21], [60, 120])
    assert [run.steps for run in plan(made, {}, [str(below)])] == [21, 120]
    assert [run.steps for run in plan(made, {"data": {"steps_per_epoch": 2}})] == [6, 8]


def test_runs_apart_by_length(tmp_path: Path) -> None:
    made = grid(
        tmp_path,
        "axes:\n- {name: s, key: data.steps_per_epoch, values: [10, 20]}\n"
        "- {name: e, key: trainer.max_epochs, values: [1, 2]}\n",
    )
    (run,) = plan(made, {})
    assert run.epochs == 1
    apart = run.apart()
    # 1 x 20 and 2 x 10 are as long as one another, and still two runs.
    assert [(each.epochs, each.steps) for each in apart] == [(1, 10), (2, 20), (1, 20), (2, 40)]
    assert len({each.name for each in (run, *apart)}) == 5
