"""The search on this machine, by Optuna; stopped or killed, it goes on where it was."""

import json
from pathlib import Path
from typing import Any

from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.settings_check import importable
from nst_lightning.cloud.table import Row
from nst_lightning.cloud.tuning.report import write_report
from nst_lightning.cloud.tuning.search import plan_search
from nst_lightning.cloud.tuning.space import Tuning
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder, write_whole
from nst_lightning.run_folder import MEASURES

_STATES = {"COMPLETE": "Completed", "FAIL": "Failed"}


def search(launch: Launch, tuning: Tuning) -> int:
    """Try values until there are ``tuning.max_jobs`` trials; return 0 if one was completed.

    Args:
        launch: Its content and style are painted, with its configs and settings.
        tuning: What is searched.

    Raises:
        InputError: If something is wrong; then nothing was painted.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    folder, (_, planned) = check_folder(launch.folder), plan_search(launch, tuning)
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers = {"Random": optuna.samplers.RandomSampler, "Bayesian": optuna.samplers.TPESampler}
    study = optuna.create_study(
        study_name=launch.name,
        storage=JournalStorage(JournalFileBackend(str(folder / "study.journal"))),
        sampler=samplers[tuning.strategy](seed=tuning.seed),
        direction=tuning.goal,
        load_if_exists=True,
    )

    def objective(trial: Any) -> float:
        values = {
            key: trial.suggest_float(key, item.min, item.max, log=item.scale == "log")
            for key, item in tuning.ranges.items()
        }
        pictures = {"data.content": planned.painting.content, "data.style": planned.painting.style}
        settings = {**launch.settings, **values, **pictures}
        measures = paint(settings, launch.configs, folder / "runs" / f"{trial.number:03d}")
        if tuning.objective not in measures:
            raise InputError(f"tuning.objective: {tuning.objective} was not measured")
        return measures[tuning.objective]

    with importable(launch.job.code):
        while True:
            rows = [_row(trial, folder) for trial in study.trials]
            report = write_report(folder, launch.name, tuning, rows, "Optuna")
            ended = sum(row.state in _STATES.values() for row in rows)
            print(f"{ended} of {tuning.max_jobs} trials", flush=True)
            if ended >= tuning.max_jobs:
                break
            study.optimize(objective, n_trials=1, catch=(InputError, RuntimeError))
    print(f"report  {report}")
    return 0 if any(row.state == "Completed" for row in rows) else 1


def _row(trial: Any, folder: Path) -> Row:
    key, state = f"{trial.number:03d}", _STATES.get(trial.state.name, "Stopped")
    path = folder / "runs" / key / MEASURES
    measures = json.loads(path.read_bytes()) if state == "Completed" else {}
    return Row(key, state, job=key, metrics=trial.params | measures)


def paint(settings: dict[str, Any], configs: list[str], folder: Path) -> dict[str, float]:
    """Paint one picture in this process and measure it as a job does.

    Args:
        settings: Of the run, by dotted name.
        configs: Below them.
        folder: Of the run.
    """
    from nst_lightning.session import open_run

    settings |= {"trainer.default_root_dir": str(folder), "overwrite": True}
    session = open_run(dict(sorted(settings.items())), configs)
    session.run()
    if session.interrupted:
        raise KeyboardInterrupt
    measures = session.measures()
    write_whole(folder / MEASURES, json.dumps(measures, indent=1) + "\n")
    return measures
