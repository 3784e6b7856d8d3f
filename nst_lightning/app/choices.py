"""What a person chooses in the app, as settings of a run, and back from a picture's settings."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nst_lightning.checks import choice, number
from nst_lightning.data.sides import check_size
from nst_lightning.errors import InputError
from nst_lightning.options import (
    CONFIG_FOLDERS,
    DEFAULTS,
    EXTRA_TERMS,
    flatten,
    lay_over,
    lookup,
    read_yaml,
)

DEFAULT_LOOK = "painted"
FROM_PICTURE = "as in the picture"
"""The look that is a dropped picture's own settings."""

CONTROLS = {
    "strength": "model.strength",
    "stroke_size": "data.style_scale",
    "strokes": "data.strokes",
    "colours": "data.colour",
    "size": "data.size",
}
"""What the app has a control for -> the setting that it is."""

COLOURS = {
    "The painting's": "palette",
    "The photograph's": "luminance",
    "The painting's, moved towards the photograph's": "covariance",
    "The photograph's, channel by channel": "histogram",
    "As the strokes bring them": "style",
}
"""What people read -> ``data.colour``."""

_KEPT = ("seed_everything", "model", "data")
# Of a picture's own pictures, and of the machine that painted it.
_LEFT_OUT = ("data.content", "data.style", "data.style_weights", "model.memory", "model.compile")
_PARTS = tuple(f"model.{part}" for part in ("content", "style", "tv", "encoder", "optimizer"))
# A picture may come from a stranger, and what is called by such a name is imported.
_CLASS = re.compile(
    r"(nst_lightning(\.(losses|optim|encoder))?|torch\.optim)(\.[a-z]\w*)?\.[A-Z]\w*"
)


@dataclass(frozen=True)
class Choices:
    """What one picture is to be painted with.

    Attributes:
        look: Name of a look, or `FROM_PICTURE`.
        strength: ``model.strength``.
        stroke_size: ``data.style_scale``.
        strokes: ``data.strokes``.
        colours: ``data.colour``.
        size: ``data.size``, the long side in pixels.
        base: Settings that lie below these in place of a look's; empty for a look.
    """

    look: str = DEFAULT_LOOK
    strength: float = 0.5
    stroke_size: float = 1.5
    strokes: str = "large"
    colours: str = "palette"
    size: int = 512
    base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def paints(self) -> bool:
        """Whether there is a style to paint with: else strength and strokes count for nothing."""
        if self.look == FROM_PICTURE:
            return lookup(self.base, "model.style") is not None
        return given_by(self.look).get("model.style", "") is not None

    @property
    def words(self) -> str:
        """What tells it from others, without its size: ``strong, strength 0.6, fine strokes``."""
        usual = of_look(DEFAULT_LOOK if self.look == FROM_PICTURE else self.look)
        words = [spoken(self.look)]
        if self.paints:
            words.append(f"strength {self.strength:g}")
            if self.stroke_size != usual.stroke_size:
                words.append(f"stroke size {self.stroke_size:g}")
            if self.strokes != usual.strokes:
                words.append(f"{self.strokes} strokes")
        if self.colours != usual.colours:
            words += [
                f"colours: {name.lower()}" for name, c in COLOURS.items() if c == self.colours
            ]
        return ", ".join(words)

    @property
    def config(self) -> list[str]:
        """Config files of the run."""
        return [] if self.look == FROM_PICTURE else [str(_folder() / f"{self.look}.yaml")]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the run, without its pictures."""
        own = {setting: getattr(self, name) for name, setting in CONTROLS.items()}
        return lay_over(self.base if self.look == FROM_PICTURE else {}, own)


def looks() -> dict[str, str]:
    """Return each look with its line of words, the default first."""
    found = {path.stem: _first_sentence(path) for path in sorted(_folder().glob("*.yaml"))}
    order = (DEFAULT_LOOK, "subtle", "strong")
    return {name: found[name] for name in dict.fromkeys([*order, *found]) if name in found}


def _folder() -> Path:
    return next(looks for folder in CONFIG_FOLDERS[1:] if (looks := folder / "looks").is_dir())


def _first_sentence(config: Path) -> str:
    lines = config.read_text(encoding="utf-8").splitlines()
    words = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    return words.partition(". ")[0].rstrip(".") + "."


def spoken(look: str) -> str:
    """Return a look's name as people read it."""
    return look.replace("_", " ")


@functools.cache
def given_by(look: str) -> Mapping[str, Any]:
    """Return the settings of a look, and the defaults below it, by their dotted names."""
    config = _folder() / f"{look}.yaml"
    return lay_over(flatten(read_yaml(DEFAULTS)), flatten(read_yaml(config)))


@functools.cache
def of_look(name: str) -> Choices:
    """Return where a look puts the controls; what it does not say is the default's."""
    given = given_by(name)
    own = {key: given[setting] for key, setting in CONTROLS.items() if setting in given}
    return Choices(look=name, **own)


def as_size(value: object) -> int:
    """Return a size that was chosen or typed.

    Raises:
        InputError: If it is no whole number of pixels from 16 to 16384.
    """
    text = str(value).strip().removesuffix("px").strip()
    return check_size(int(text) if text.isdecimal() else value, "size")


def from_picture(settings: Mapping[str, Any], name: str) -> Choices:
    """Return what the settings inside a picture choose.

    They may be a stranger's: only classes of this package, and torch's optimisers, are named in
    them, and no file.

    Args:
        settings: As `nst_lightning.data.metadata.read_settings` returns them.
        name: What messages call the picture.

    Raises:
        InputError: If they name anything else, or lack what the app has a control for.
    """
    kept = {key: settings[key] for key in _KEPT if key in settings}
    for key in ("max_epochs", "max_steps"):
        if key in settings:
            kept[f"trainer.{key}"] = settings[key]
    base = {key: value for key, value in flatten(kept).items() if key not in _LEFT_OUT}
    own = {control: lookup(settings, setting) for control, setting in CONTROLS.items()}
    if missing := [CONTROLS[control] for control, value in own.items() if value is None]:
        raise InputError(f"{name}: its settings lack {missing[0]}: another version made it")
    parts = {key: base.get(key) for key in _PARTS}
    terms = base.get(EXTRA_TERMS) or {}
    if isinstance(terms, Mapping):
        parts |= {f"{EXTRA_TERMS}.{term}": given for term, given in terms.items()}
    else:
        parts[EXTRA_TERMS] = terms
    for key, value in parts.items():
        if not (value is None or (isinstance(value, Mapping) and "class_path" in value)):
            raise InputError(f"{name}: its {key} is {value!r:.40}, which is no part of a run")
    for key, value in _strings(base):
        if key.endswith("class_path"):
            if not _CLASS.fullmatch(value):
                raise InputError(f"{name}: its {key} is {value}; the app takes our own alone")
        elif "/" in value or "\\" in value or "." in value:
            raise InputError(f"{name}: its {key} is the file {value}, which is not inside it")
    try:
        number("model.strength", own["strength"], least=0, most=1)
        number("data.style_scale", own["stroke_size"], above=0)
        choice("data.strokes", own["strokes"], ("large", "fine"))
        choice("data.colour", own["colours"], [*COLOURS.values()])
        as_size(own["size"])
    except InputError as error:
        raise InputError(f"{name}: its {error}") from error
    return Choices(look=FROM_PICTURE, base=base, **own)


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in settings with its dotted name."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _strings(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, str):
        yield key, value
