"""The command line of ``video``."""

import glob
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_lightning.command_options import (
    add_configs,
    add_film,
    add_overwrite,
    add_preview,
    add_styles,
    shown_in_a_browser,
)
from nst_lightning.data.which_pictures import find_sources
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder
from nst_lightning.options import find_configs, refuse_reserved, take_settings
from nst_lightning.parser import OneLineParser
from nst_lightning.say import say, say_loading
from nst_lightning.short_names import as_typed
from nst_lightning.video.clip import seconds
from nst_lightning.video.words import SHORT, spell_out

DESCRIPTION = (
    "Paint a clip so that it does not flicker: a video file with its sound, an animation, or a "
    "folder of frames. Stopped or killed, the same command goes on with the first frame that is "
    f"missing. Of a run's options it has {', '.join(f'--{name}' for name in SHORT)}, and any "
    "setting as --settings.KEY VALUE."
)

SIDE = 384
"""Long side of a film in pixels, where none is named."""

RESERVED = {
    "data.content": "the clip",
    "data.style": "--styles",
    "data.size": "--size",
    "data.init": "nothing: a frame begins with the painting before it",
    "trainer.default_root_dir": "--folder",
    "ckpt_path": "nothing: an unfinished film goes on by itself",
}
"""Settings that are the film's own -> what to use instead."""


class FilmParser(OneLineParser):
    """The parser of ``video``; ``short`` are names spelled out before it."""

    short = tuple(f"--{name}" for name in SHORT)


def make_parser() -> FilmParser:
    """Return the parser of ``video``."""
    program = f"{Path(sys.argv[0]).name} video"
    usage = f"{program} CLIP PAINTING [-o FILM] [options]"
    parser = FilmParser(prog=program, usage=usage, description=DESCRIPTION)
    parser.add_argument(
        "clip",
        type=str,
        help="A video file, a GIF, WebP or APNG animation, a folder of frames, or a glob.",
    )
    add_styles(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=str | None,
        default=None,
        help="The painted clip: .mp4, .mov, .mkv, .webm, .gif, .webp, .png (animated), or a "
        "folder. FOLDER/painted.mp4 if null.",
    )
    parser.add_argument(
        "--folder",
        type=str | None,
        default=None,
        help="Where frames, measures and page are; outputs/CLIP--PAINTING if null, numbered where "
        "another film is in it.",
    )
    add_film(parser)
    parser.add_argument("--size", type=int, default=SIDE, help="Long side of the film in pixels.")
    add_configs(parser, "such as looks/strong.yaml.")
    add_preview(parser)
    add_overwrite(parser, "is there.")
    return parser


def main(words: Sequence[str]) -> int:
    """Paint a clip.

    Args:
        words: Options of ``video``.

    Returns:
        The exit code: 0.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If it was stopped; the frames that are finished are kept.
    """
    spelled, short = spell_out(words)
    try:
        _paint(spelled)
    except InputError as error:
        raise InputError(as_typed(str(error), short)) from error
    return 0


def _paint(words: Sequence[str]) -> None:
    parser = make_parser()
    settings, rest = take_settings(shown_in_a_browser(find_configs(words), parser))
    given = parser.parse_args(rest)
    refuse_reserved(settings, RESERVED)
    for name in ("from", "to"):
        if given[name] is not None:
            seconds(given[name], f"--{name}")
    styles = [s.source for s in find_sources(given.styles, "styles", settings.get("data.artworks"))]
    if len(styles) > 1:
        say(f"note: blended into one style: {', '.join(styles)}", error=True)
    say_loading()
    from nst_lightning.data.sides import check_size
    from nst_lightning.run_place import name_of
    from nst_lightning.video.production import Production

    Production(
        clip=given.clip,
        styles=styles,
        out=given.out,
        folder=check_folder(given.folder or Path("outputs", name_of(_called(given.clip), styles))),
        start=given["from"],
        end=given.to,
        every=given.every,
        passes=given.passes,
        steadiness=given.steadiness,
        alone=given.alone,
        settings={**settings, "data.size": check_size(given.size, "--size")},
        configs=given.configs,
        overwrite=given.overwrite,
        numbered=given.folder is None,
    ).run()


def _called(clip: str) -> str:
    """Return what a clip's folder is named after: of a glob, the folder of its pictures."""
    path = Path(clip)
    return path.absolute().parent.name if glob.has_magic(path.name) else clip
