"""What the app answers: each method is what happens after something was done on the page."""

import html
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from PIL import Image

from nst_lightning.app.choices import (
    CONTROLS,
    FROM_PICTURE,
    Choices,
    as_size,
    from_picture,
    looks,
    of_look,
    spoken,
)
from nst_lightning.app.gallery import Gallery
from nst_lightning.app.jobs import Job, Jobs, State
from nst_lightning.data.encoding import quantise
from nst_lightning.data.images import load_image
from nst_lightning.data.metadata import read_settings
from nst_lightning.data.sources import SAMPLE_PREFIX
from nst_lightning.data.which_pictures import label_of
from nst_lightning.errors import InputError
from nst_lightning.progress import duration

_VIEW = 384
_PAUSE = 0.3
"""Seconds between two changes that a page is told of."""
_PATIENCE = 2.0
_FIRST = (30.0, 120.0)
"""Seconds that 512 px take on two cores, as README.md has it."""
_LARGE = 1000


def line(words: str, wrong: bool = False) -> str:
    """Return a line of the page, read out when it changes."""
    role = "alert" if wrong else "status"
    return f'<p class="line{" wrong" * wrong}" role="{role}">{html.escape(words)}</p>'


def download(file: Path | None) -> str:
    """Return the link that saves a picture as it is; nothing to see without one."""
    if file is None:
        return '<p class="no-file"></p>'
    address = html.escape(f"gradio_api/file={quote(str(file))}")
    words = "Download the PNG, with its settings"
    return f'<a class="keep" href="{address}" download>{words}</a>'


def sample_picture(name: str) -> Image.Image:
    """Return a sample, small."""
    return _small(f"{SAMPLE_PREFIX}{name}", "content")[0]


def in_words(seconds: float) -> str:
    """Return a time as one says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds" if seconds >= 1.5 else "a second"
    minutes = seconds / 60
    return f"{round(minutes)} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def _small(source: str, role: str) -> tuple[Image.Image, list[str]]:
    loaded = load_image(source, lambda width, height: min(_VIEW, max(width, height)), role=role)
    return Image.fromarray(quantise(loaded.pixels, loaded.alpha, 8)), loaded.notes


def _without_folder(error: InputError, file: str) -> str:
    """Return a line as it is where the file lies in the folder at hand."""
    return str(error).replace(str(Path(file).parent) + "/", "").replace(file, Path(file).name)


class Answers:
    """What happens on the page.

    Args:
        jobs: What is painted and what waits.
        gallery: What was painted.
    """

    def __init__(self, jobs: Jobs, gallery: Gallery) -> None:
        self._jobs, self._gallery, self._looks = jobs, gallery, looks()

    def drop_photograph(self, file: str) -> tuple[Any, ...]:
        """Take a photograph that was dropped, or say what is wrong with it."""
        return self._drop(file, "content")

    def drop_painting(self, file: str) -> tuple[Any, ...]:
        """Take a painting that was dropped, or say what is wrong with it."""
        return self._drop(file, "style")

    @staticmethod
    def _drop(file: str, role: str) -> tuple[Any, ...]:
        file = str(file)
        try:
            view, notes = _small(file, role)
        except InputError as error:
            return "", None, line(f"error: {_without_folder(error, file)}", wrong=True), None
        except MemoryError:
            words = f"error: {Path(file).name}: not enough memory for it"
            return "", None, line(words, wrong=True), None
        said = [Path(file).name, *(note.replace(file, Path(file).name) for note in notes)]
        return file, view, line("; ".join(said)), None

    @staticmethod
    def take_sample(source: str) -> tuple[Any, ...]:
        """Take a sample in place of a file."""
        return source, _small(source, "content")[0], line("")

    def choose_look(self, look: str) -> tuple[Any, ...]:
        """Put the controls where a look has them, in place of a picture; the size stays."""
        if look == FROM_PICTURE:
            return (gr.skip(),) * (len(CONTROLS) + 2)
        controls = _controls(of_look(look))[:-1]
        return gr.Radio(info=self._looks[look]), *controls, gr.skip(), line("")

    def read_settings(self, file: str, look: str = "") -> tuple[Any, ...]:
        """Take the settings out of a picture that was dropped, or is known to be of a look."""
        # Only now: it knows Lightning, which takes seconds to be imported.
        from nst_lightning.app.which_look import which_look

        name = Path(file).name
        try:
            chosen = from_picture(read_settings(file), name)
            look = which_look(chosen, look)
        except InputError as error:
            words = line(f"error: {_without_folder(error, str(file))}", wrong=True)
            return (*(gr.skip() for _ in range(len(CONTROLS) + 2)), words, None)
        is_ours = look != FROM_PICTURE
        names = [*self._looks, *([] if is_ours else [FROM_PICTURE])]
        info = self._looks[look] if is_ours else f"All settings of {name} but those below."
        return (
            gr.Radio([(spoken(each), each) for each in names], value=look, info=info),
            *_controls(chosen),
            {} if is_ours else chosen.base,
            line(f"Paint now uses the settings of {name}."),
            None,  # the box that it was dropped into takes another
        )

    def use_settings(self, thumbnail: str) -> tuple[Any, ...]:
        """Take the settings of a picture of the gallery."""
        entry = self._gallery.find(thumbnail)
        return self.read_settings(str(entry.file), entry.look)

    def expect(self, *given: Any) -> tuple[str, Any, str | None]:
        """Say how long a picture may take; show what matters for large ones alone, and the size."""
        try:
            choices = self._choices({}, given)
        except InputError as error:
            return line(f"error: {error}", wrong=True), gr.skip(), None
        seconds = self._gallery.expected(choices)
        if seconds is not None:
            words = f"About {in_words(seconds)}, as pictures in this look took here."
        else:
            least, most = (in_words(each * (choices.size / 512) ** 2) for each in _FIRST)
            span = least if least == most else f"{least} to {most}"
            words = f"About {span} on two cores; it is measured with the first picture."
        return line(words), gr.Radio(visible=choices.size > _LARGE), str(choices.size)

    def add(self, content: str, style: str, base: Any, added: int, *given: Any) -> tuple[Any, str]:
        """Let a picture wait for its turn."""
        if not content or not style:
            what = "photograph" if not content else "painting"
            words = f"error: there is no {what} yet: drop one, or take a sample"
            return gr.skip(), line(words, wrong=True)
        try:
            choices = self._choices(base, given)
        except InputError as error:
            return gr.skip(), line(f"error: {error}", wrong=True)
        label = f"{label_of(content)} \N{MULTIPLICATION SIGN} {label_of(style)}"
        self._jobs.add(Job(content, style, label, choices))
        return added + 1, line("")

    @staticmethod
    def _choices(base: Mapping[str, Any], given: tuple[Any, ...]) -> Choices:
        look, *values = given
        named = dict(zip(_ORDER, values, strict=True))
        return Choices(look=look, base=base, **named | {"size": as_size(named["size"])})

    def stop(self) -> Any:
        """Leave the picture as it is after the step in hand."""
        self._jobs.ask_to_stop()
        return gr.Button(interactive=False)

    def follow(self) -> Iterator[tuple[Any, ...]]:
        """Show what is painted, until nothing is."""
        before: State | None = None
        while True:
            state = self._jobs.after(-1 if before is None else before.version, _PATIENCE)
            yield self._changes(state, before)
            if not state.busy:
                return
            before = state
            time.sleep(_PAUSE)

    def _changes(self, state: State, before: State | None) -> tuple[Any, ...]:
        picture: Any = gr.skip()
        if state.file is not None and (before is None or before.file != state.file):
            picture = str(state.file)
        elif state.picture is not None and (before is None or before.picture is not state.picture):
            picture = state.picture
        elif before is not None and state.job != before.job:
            picture = None
        is_new = before is None or before.finished != state.finished
        return (
            _status(state),
            picture,
            download(state.file),
            gr.Button(interactive=state.phase == "painting"),
            gr.Button(visible=bool(state.waiting)),
            self._gallery.shown() if is_new else gr.skip(),
        )

    def choose(self, event: gr.SelectData) -> tuple[Any, ...]:
        """Show a picture of the gallery whole, with its settings."""
        name = str(event.value["image"]["path"])
        try:
            entry = self._gallery.find(name)
            settings, pixels = read_settings(entry.file), entry.pixels
        except InputError as error:
            gr.Warning(str(error))
            return (gr.skip(),) * 5
        words = [f"### {entry.label}", "", f"`{entry.file}`", ""]
        data, model = settings["data"], settings["model"]
        words += [f"- look: {spoken(entry.look)}"]
        if model["style"] is not None:  # else they count for nothing
            words += [f"- strength: {model['strength']}", f"- stroke size: {data['style_scale']}"]
        words += [
            f"- colours: {data['colour']}",
            f"- size: {pixels}",
            f"- steps: {entry.stopped or entry.record.get('steps', '')}",
            f"- time: {duration(entry.record.get('seconds') or 0)}",
        ]
        file = entry.file
        return gr.Column(visible=True), name, str(file), "\n".join(words), download(file)


_ORDER = ("strength", "stroke_size", "strokes", "colours", "size")
"""The controls after the look, as they are on the page."""


def _controls(chosen: Choices) -> list[Any]:
    """Return where the controls stand; those that count for nothing cannot be moved."""
    return [
        gr.Slider(value=chosen.strength, interactive=chosen.paints),
        gr.Slider(value=chosen.stroke_size, interactive=chosen.paints),
        *(getattr(chosen, name) for name in _ORDER[2:]),
    ]


def _status(state: State) -> str:
    """Return what is painted, how far it is, and what waits."""
    if state.job is None:
        return line("")
    words = {
        "painting": f"Painting {state.job.words}",
        "stopping": f"Stopping {state.job.label} after this step",
        "finished": f"{state.job.label} is finished",
        "stopped": f"{state.job.label} was stopped at step {state.step} of {state.steps} and kept",
        "failed": f"error: {state.line}",
    }
    parts = [line(words[state.phase], wrong=state.phase == "failed")]
    if state.phase in ("painting", "stopping"):
        share = f'max="{state.steps}" value="{state.step}"' if state.steps else ""
        parts.append(f'<progress aria-label="Steps painted" {share}></progress>')
        far = [f"step {state.step} of {state.steps}"] if state.steps else []
        far += [f"{duration(state.left)} left"] if state.left is not None else []
        parts.append(f"<p>{html.escape(', '.join(far) or state.details)}</p>")
    if state.waiting:
        busy = state.phase in ("painting", "stopping")
        jobs = "".join(
            f"<li>{html.escape(job.words)}: {place} before it</li>"
            for place, job in enumerate(state.waiting, busy)
        )
        parts.append(f"<p>Waiting for their turn:</p><ol>{jobs}</ol>")
    return "".join(parts)
