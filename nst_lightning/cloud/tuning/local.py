"""The search on this machine, by Optuna; stopped or killed, it goes on where it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.tuning.report import Trial, write_report
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.run_folder import RunFolder

MEASURES = "metrics.json"


def search(launch: Launch, tuning: Tuning) -> list[Trial]:
    """Try values until there are ``tuning.max_jobs`` trials.

    Args:
        launch: Its first content and style are painted, with its configs and settings.
        tuning: What is searched.

    Returns:
        All trials, those of earlier calls too.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = launch.folder
    folder.mkdir(parents=True, exist_ok=True)
    sampler: Any = (
        optuna.samplers.RandomSampler(seed=tuning.seed)
        if tuning.strategy == "Random"
        else optuna.samplers.TPESampler(seed=tuning.seed)
    )
    study = optuna.create_study(
        study_name=launch.name,
        storage=JournalStorage(JournalFileBackend(str(folder / "study.journal"))),
        sampler=sampler,
        direction="minimize" if tuning.goal == "minimize" else "maximize",
        load_if_exists=True,
    )

    def objective(trial: Any) -> float:
        values = {
            key: trial.suggest_float(key, item.min, item.max, log=item.scale == "log")
            for key, item in tuning.ranges.items()
        }
        measures = paint(launch, values, folder / "trials" / f"{trial.number:03d}")
        value = measures.get(tuning.objective)
        if value is None:
            raise InputError(f"tuning.objective: {tuning.objective} was not measured")
        return value

    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)

    def report(*_: Any) -> None:
        write_report(folder, launch.name, tuning, _trials(study, tuning, folder), "Optuna")

    def count() -> int:
        return sum(trial.state in ended for trial in study.trials)

    while count() < tuning.max_jobs:
        study.optimize(objective, n_trials=1, callbacks=[report], catch=(InputError, RuntimeError))
        print(f"trial {count()} of {tuning.max_jobs}", flush=True)
    return _trials(study, tuning, folder)


def _trials(study: Any, tuning: Tuning, folder: Path) -> list[Trial]:
    states = {"COMPLETE": "Completed", "FAIL": "Failed"}
    trials = []
    for trial in study.trials:
        state = states.get(trial.state.name, "Stopped")
        place = folder / "trials" / f"{trial.number:03d}"
        measures = json.loads((place / MEASURES).read_text()) if state == "Completed" else {}
        shown = str(place.relative_to(folder)) if RunFolder(place).picture else ""
        trials.append(Trial(trial.number, state, dict(trial.params), measures, shown))
    return trials


def paint(launch: Launch, values: Mapping[str, float], folder: Path) -> dict[str, float]:
    """Paint one picture in this process and measure it as a job does.

    Args:
        launch: What is painted.
        values: Settings of the trial.
        folder: Of the run.
    """
    from nst_lightning.session import open_run

    settings = {
        **launch.settings,
        **values,
        "data.content": launch.contents[0],
        "data.style": launch.styles[0],
        "trainer.default_root_dir": str(folder),
    }
    session = open_run(dict(sorted(settings.items())), launch.configs)
    session.run()
    if session.interrupted:
        raise KeyboardInterrupt
    measures = session.measures()
    write_whole(folder / MEASURES, json.dumps(measures, indent=1) + "\n")
    return measures
