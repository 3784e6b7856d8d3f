"""The page's figures: improvement in percent, both measures at once, losses."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nst_lightning.compare.keys import CONTENT, OPTIMISED
from nst_lightning.compare.page.drawing import NARROW, WIDE, Draw, new_figure
from nst_lightning.compare.page.words import TITLES, number, percent, short, tick
from nst_lightning.compare.results import DECISIVE
from nst_lightning.pages.palette import Palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, Sequence[tuple[int, float]]]
_IMPROVEMENTS = {name: f"{name}: {title}" for name, title in TITLES.items()}
_ACROSS, _UP = DECISIVE["style"], DECISIVE["content"]


def improvement_bars(pairs: Sequence[Mapping[str, Any]], baseline: str) -> Draw:
    """Return figure 12 of the report: improvement over the baseline in percent, a bar a style.

    Bars are means over the contents; with several contents each has a dot.
    """
    styles = {pair["style"]["name"]: pair["style"]["label"] for pair in pairs}
    several = len({pair["content"]["name"] for pair in pairs}) > 1

    def draw(colours: Palette, narrow: bool) -> "Figure":
        height = 0.34 * len(styles) + 0.9
        if narrow:
            figure, grid = new_figure(NARROW, 3 * height, rows=3)
        else:
            figure, grid = new_figure(WIDE, height + 0.2, columns=3, sharey=True)
        for axes, (key, title) in zip(grid.flat, _IMPROVEMENTS.items(), strict=True):
            by_style = [
                [p["improvement"][baseline][key] for p in pairs if p["style"]["name"] == style]
                for style in styles
            ]
            _bars(axes, by_style, several, colours)
            axes.set_title(title, fontsize=10)
            axes.set_yticks(range(len(styles)), [short(label) for label in styles.values()])
            axes.xaxis.set_major_formatter(lambda value, _: tick(value))
        return figure

    return draw


def _bars(
    axes: "Axes", by_style: Sequence[Sequence[float | None]], several: bool, colours: Palette
) -> None:
    widest = 0.0
    bars: list[tuple[int, float]] = []
    for place, found in enumerate(by_style):
        values = [value for value in found if value is not None and math.isfinite(value)]
        if not values:
            continue
        mean = sum(values) / len(values)
        bars.append((place, mean))
        widest = max(widest, *map(abs, values))
        colour = colours.ours if mean >= 0 else colours.fast
        axes.barh(place, mean, height=0.62, color=colour, alpha=0.9, zorder=2)
        if several:
            dots = axes.scatter(values, [place] * len(values), s=14, zorder=3)
            dots.set(facecolor=colours.surface, edgecolor=colours.ink, linewidth=0.8)
    low = min([0.0, *(value for _, value in bars)])
    high = max([0.0, *(value for _, value in bars)])
    span = max(high - low, widest, 1e-9)
    # The number stands on the far side of zero, where no bar or dot is.
    for place, mean in bars:
        _note(axes, percent(mean), (0, place), (-5 if mean >= 0 else 5, 0), va="center")
    axes.axvline(0, color=colours.soft, linewidth=0.8, zorder=1)
    axes.set_xlim(
        min(low, -0.34 * span) - (0.05 * span if low < 0 else 0),
        max(high, widest if high > 0 else 0, 0.34 * span if low < 0 else 0) + 0.05 * span,
    )
    axes.locator_params(axis="x", nbins=4)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _note(
    axes: "Axes", text: str, point: tuple[float, float], offset: tuple[int, int], **look: Any
) -> None:
    """Write beside a point, on the side that the offset in points says."""
    side = "left" if offset[0] > 0 else "right"
    look = {"textcoords": "offset points", "ha": side, "fontsize": 8.5, **look}
    axes.annotate(text, point, offset, **look)


def measure_plane(pairs: Sequence[Mapping[str, Any]], baseline: str) -> Draw:
    """Return the plane of style and content, an arrow a pair from the baseline to optimised.

    The untouched contents stand in it as crosses, with a content distance of 0; one that lies
    beyond the right edge is a mark on the edge. The third measure, colour, has no axis.
    """

    def draw(colours: Palette, narrow: bool) -> "Figure":
        figure, grid = new_figure(NARROW if narrow else 7.2, 4.2 if narrow else 5.2)
        axes = grid[0, 0]
        points = [
            [
                (pair["measures"][key][_ACROSS], pair["measures"][key][_UP])
                for key in (baseline, OPTIMISED, CONTENT)
            ]
            for pair in pairs
        ]
        # The controls may lie far to the right; the arrows are what is to be seen.
        edge = 1.15 * max(x for fast, ours, _ in points for x, _ in (fast, ours)) or 1.0
        for place, (pair, (fast, ours, control)) in enumerate(
            zip(pairs, points, strict=True), start=1
        ):
            colour = colours.ours if pair["wins"][baseline]["all"] else colours.fast
            arrow = {"arrowstyle": "-|>", "linewidth": 1.4, "mutation_scale": 11}
            arrow |= {"color": colour, "shrinkA": 4, "shrinkB": 4}
            axes.annotate("", ours, fast, arrowprops=arrow)
            axes.plot(*fast, "o", ms=6, mfc=colours.surface, mec=colours.fast, mew=1.4)
            axes.plot(*ours, "o", ms=6, color=colours.ours)
            at, mark = (control[0], "x") if control[0] <= edge else (edge, ">")
            axes.plot(at, control[1], mark, ms=6, color=colours.soft, clip_on=False)
            # At the fast end, away from the arrow: optimised pictures lie close together.
            offset = 8 if fast[0] >= ours[0] else -8, -4 if fast[1] > ours[1] else -9
            _note(axes, str(place), fast, offset)
        outside = [control[0] for _, _, control in points if control[0] > edge]
        if outside:
            low, high = number(min(outside), 2), number(max(outside), 2)
            places = low if low == high else f"{low} to {high}"
            _note(axes, f"control at {places}", (edge, 0.0), (-8, 8), color=colours.soft)
        for mark, fill, rim, label in (
            ("o", colours.ours, colours.ours, "optimised"),
            ("o", colours.surface, colours.fast, "fast"),
            ("x", colours.soft, colours.soft, "untouched content (control)"),
        ):
            axes.plot([], [], mark, mfc=fill, mec=rim, ls="", label=label)
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
            fontsize=8 if narrow else 9,
            handletextpad=0.1,
            columnspacing=1,
        )
        axes.set_xlabel(f"{TITLES['style']} (less is better)")
        axes.set_ylabel(f"{TITLES['content']} (less is better)")
        axes.set_xlim(0, edge)
        axes.set_ylim(0, 1.15 * max(y for fast, ours, _ in points for _, y in (fast, ours)) or 1.0)
        hint = axes.text(0.015, 0.02, "better: down and to the left", transform=axes.transAxes)
        hint.set(color=colours.soft, fontsize=8.5)
        return figure

    return draw


def loss_curves(runs: Sequence[tuple[str, Curves]]) -> Draw:
    """Return the losses over the steps, a small panel a pair, logarithmic; ``loss`` is the sum."""
    terms = list(dict.fromkeys(term for _, curves in runs for term in curves))

    def draw(colours: Palette, narrow: bool) -> "Figure":
        columns = min(len(runs), 2 if narrow else 3)
        rows = math.ceil(len(runs) / columns)
        size = (NARROW, 1.65 * rows + 0.5) if narrow else (WIDE, 2.2 * rows + 0.5)
        figure, grid = new_figure(*size, rows=rows, columns=columns, sharex=True, sharey=True)
        known = {"loss": colours.ink, "content": colours.ours}
        known |= {"style": colours.fast, "tv": colours.third}
        looks = {
            term: {"color": known.get(term, colours.soft), "ls": "-" if term in known else "--"}
            for term in terms
        }
        for axes in grid.flat[len(runs) :]:
            axes.set_axis_off()
        for axes, (label, curves) in zip(grid.flat, runs, strict=False):
            for term, points in curves.items():
                steps = [step for step, value in points if value > 0]
                values = [value for _, value in points if value > 0]
                axes.plot(steps, values, lw=1.7 if term == "loss" else 1.1, **looks[term])
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.minorticks_off()
            axes.set_title(short(label, 22 if narrow else 34), fontsize=8.5)
            axes.locator_params(axis="x", nbins=4)
        for term, look in looks.items():
            grid[0, 0].plot([], [], label="sum" if term == "loss" else term, **look)
        handles, _ = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles=handles, loc="outside upper left", ncols=len(terms))
        figure.supxlabel("step")
        return figure

    return draw


def plane_in_words(pairs: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """Return :func:`measure_plane` as text for those who do not see it."""
    parts = []
    for place, pair in enumerate(pairs, start=1):
        fast, ours = (pair["measures"][key] for key in (baseline, OPTIMISED))
        parts.append(
            f"{place}: {TITLES['style']} {number(fast[_ACROSS])} to {number(ours[_ACROSS])}, "
            f"{TITLES['content']} {number(fast[_UP])} to {number(ours[_UP])}"
        )
    return "Arrows from fast to optimised. " + "; ".join(parts) + "."
