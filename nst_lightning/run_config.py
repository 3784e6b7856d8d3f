"""What a run writes of its settings: those chosen, all of them, and what it is made of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from nst_lightning.files import write_whole
from nst_lightning.options import EXTRA_TERMS, Settings, write_yaml
from nst_lightning.run_folder import CONFIG, FULL_CONFIG, MADE_OF

OF_ONE_START = ("config", "ckpt_path", "overwrite", "preview")
"""Settings of one start of a run; a file that repeats it has none of them."""

_HEAD = f"""\
# What was chosen for this run; {FULL_CONFIG} has the defaults of this version, too.
# As --config either of them repeats the run.
"""


class SaveRunConfig(SaveConfigCallback):
    """Writes the settings once the run really starts, so that a refused run leaves nothing.

    Args:
        named_folder: ``trainer.default_root_dir`` as it was given.
        made_of: What a later run sees by whether it is the same.
        **kwargs: As Lightning's.
    """

    def __init__(
        self, *args: Any, named_folder: str, made_of: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.named_folder, self.made_of = named_folder, made_of

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the configurations that repeat this run."""
        full, defaults = self._plain(self.config), self._plain(self.parser.get_defaults())
        full["trainer"]["default_root_dir"] = self.named_folder
        full["images"]["out"] = None  # of one start, too
        pictures = {key: full["data"][key] for key in ("content", "style")}
        files = {
            CONFIG: _HEAD + write_yaml(with_pictures(chosen(full, defaults), pictures)),
            FULL_CONFIG: write_yaml(full),
            MADE_OF: json.dumps(self.made_of, indent=1) + "\n",
        }
        for name, text in files.items():
            write_whole(Path(trainer.default_root_dir, name), text)

    def _plain(self, config: Any) -> dict[str, Any]:
        config = config.clone()
        for key in OF_ONE_START:
            config.pop(key, None)
        plain: dict[str, Any] = yaml.safe_load(self.parser.dump(config, skip_none=False))
        return plain


def with_pictures(settings: Settings, pictures: Settings) -> dict[str, Any]:
    """Return settings that name the pictures first."""
    data = {**pictures, **{k: v for k, v in settings.get("data", {}).items() if k not in pictures}}
    return {"data": data, **{key: value for key, value in settings.items() if key != "data"}}


def chosen(full: Settings, defaults: Settings, prefix: str = "") -> dict[str, Any]:
    """Return what of a whole configuration is not as the defaults have it, nested.

    Another class is stated with all its arguments: it would get those that the default class has
    too.

    Args:
        full: Nested, as ``config-full.yaml``.
        defaults: The same of a run for which nothing was chosen.
        prefix: Name of what both are part of.
    """
    found: dict[str, Any] = {}
    for key, value in full.items():
        before, name = defaults.get(key), f"{prefix}{key}"
        if key in defaults and value == before:
            continue
        both = {type(value), type(before)} == {dict} and name != EXTRA_TERMS
        if both and value.get("class_path") == dict(before or {}).get("class_path"):
            value = chosen(value, dict(before or {}), f"{name}.")
        found[key] = value
    return found
