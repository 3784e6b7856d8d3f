"""Short names of the settings used most: the same for ``fit`` and in notebooks."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from nst_lightning.errors import InputError

SHORT_NAMES = {
    "content": "data.content",
    "style": "data.style",
    "strength": "model.strength",
    "steps": "data.steps_per_epoch",
    "size": "data.size",
    "style_scale": "data.style_scale",
    "init": "data.init",
    "content_weight": "model.content.weight",
    "style_weight": "model.style.weight",
    "tv_weight": "model.tv.weight",
    "weights": "model.encoder.weights",
    "seed": "seed_everything",
}
"""Short name -> the setting that it stands for; ``steps`` ends the run after one epoch of so many,
whatever a config says of epochs."""

LOOK, OUT = "look", "out"
"""Short names that stand for no setting of their own: a config of looks/; a folder or a file."""

ELSEWHERE = {
    **dict.fromkeys(("iterations", "iters", "num_iterations", "num_iters", "niter", "n"), "steps"),
    **dict.fromkeys(("iter", "num_steps", "n_steps", "epochs", "max_iter", "steps"), "steps"),
    **dict.fromkeys(("width", "height", "image_size", "img_size", "imsize", "max_size"), "size"),
    **dict.fromkeys(("resolution", "dim", "side", "content_size"), "size"),
    **dict.fromkeys(("content_image", "photo", "input", "content_img"), "content"),
    **dict.fromkeys(("style_image", "painting", "styles", "style_img", "style_images"), "style"),
    **dict.fromkeys(("output", "output_image", "save", "result", "o"), "out"),
    **dict.fromkeys(("force", "yes", "y", "f", "clobber"), "overwrite"),
    **dict.fromkeys(("weight", "beta", "style_strength"), "style_weight"),
    **dict.fromkeys(("alpha", "intensity", "amount"), "strength"),
    **dict.fromkeys(("lr", "learning_rate", "optim", "optimiser"), "model.optimizer"),
    **dict.fromkeys(("device", "gpu", "gpus", "cpu", "cuda", "mps"), "trainer.accelerator"),
    **dict.fromkeys(("preserve_color", "preserve_colors", "original_colors"), "data.colour"),
    **dict.fromkeys(("preserve_colour", "preserve_colours", "original_colours"), "data.colour"),
    **dict.fromkeys(("color", "colours", "colors"), "data.colour"),
    **dict.fromkeys(("resume", "checkpoint_path"), "ckpt_path"),
    **dict.fromkeys(("start", "begin", "start_time", "ss"), "from"),
    **dict.fromkeys(("end", "stop", "end_time", "until"), "to"),
    **dict.fromkeys(("skip", "stride", "frame_skip"), "every"),
    "share": "host",
    "look": "configs",
}
"""What other programs call a setting -> what it is called here, for hints alone."""

_LENGTH = {"trainer.max_epochs": 1, "trainer.max_steps": -1}


def spelled_out(
    short: Mapping[str, Any], given: Collection[str] = (), dashes: str = ""
) -> dict[str, Any]:
    """Return the settings that short names stand for.

    Args:
        short: Short name -> value.
        given: Settings that are given by their own names besides.
        dashes: What messages write before a name.

    Raises:
        InputError: If the same is given twice.
    """
    settings: dict[str, Any] = {}
    for name, value in short.items():
        own = {SHORT_NAMES[name]: value} | (_LENGTH if name == "steps" else {})
        for setting in own:
            if setting in given and setting == SHORT_NAMES[name]:
                both = f"{dashes}{name} and {dashes}{setting}"
                raise InputError(f"{both} are the same setting; give one of the two")
            if setting in given:
                instead = f"with {dashes}{setting} use {dashes}{SHORT_NAMES[name]}"
                raise InputError(f"{dashes}{name} is the length of the whole run; {instead}")
        settings |= own
    return settings


def as_typed(message: str, short: Collection[str]) -> str:
    """Return a message on a setting with the short name by which it was given, as ``--steps``."""
    for name in short:
        setting = SHORT_NAMES.get(name)
        if setting and re.match(rf"{re.escape(setting)}\b(?!\.)", message):
            return f"--{name}{message.removeprefix(setting)}"
    return message
