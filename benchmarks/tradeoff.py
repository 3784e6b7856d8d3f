"""SSIM against style distance over several style weights, beside the fast style transfer's point.

For each pair the style weight is varied and everything else left as ``configs/compare.yaml`` (or
another config of ``compare``) has it; each weight is one comparison in ``OUT/weight-W``, so that
what is finished is not painted again. Writes ``tradeoff.csv`` and ``tradeoff.svg``.

    python benchmarks/tradeoff.py --contents a.jpg --styles b.jpg --weights 1e3 1e4 1e5 --out DIR
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from nst_lightning.cli import main as nst
from nst_lightning.files import atomic_write, write_csv

SHARED = Path(__file__).parents[2] / "shared" / "images"
Row = dict[str, Any]


def default_pictures() -> tuple[list[str], list[str]]:
    """Real photographs and paintings if they are beside the repository, else samples."""
    names = ("tubingen.jpg", "golden_gate.jpg"), ("starry_night.jpg", "the_scream.jpg")
    contents, styles = ([SHARED / name for name in group] for group in names)
    if all(path.is_file() for path in (*contents, *styles)):
        return [*map(str, contents)], [*map(str, styles)]
    return ["sample:cat", "sample:coffee"], ["sample:klimt", "sample:starry"]


def measure(out: Path, weights: list[str], options: list[str]) -> list[Row]:
    """Compare once a weight; return the untouched content, fast and every weight of each pair."""
    rows: list[Row] = []
    for weight in weights:
        folder = out / f"weight-{weight}"
        setting = f"--settings.model.style.weight={weight}"
        code = nst(["compare", *options, f"--out={folder}", setting])
        if code not in (0, 1):
            sys.exit(code)
        document = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        for pair in document["pairs"]:
            for key, measures in pair["measures"].items():
                if key != "optimised" and weight != weights[0]:
                    continue  # they do not depend on the weight
                rows.append(
                    {
                        "content": pair["content"]["label"],
                        "style": pair["style"]["label"],
                        "picture": key,
                        "weight": float(weight) if key == "optimised" else "",
                        "ssim": measures["ssim/content"],
                        "style_distance": measures["style_distance"],
                        "mse": measures["mse/content"],
                    }
                )
        write_csv(out / "tradeoff.csv", rows)
    return rows


def plot(out: Path, rows: list[Row]) -> None:
    from matplotlib.figure import Figure

    pairs = list(dict.fromkeys((row["content"], row["style"]) for row in rows))
    columns = min(3, len(pairs))
    height = -(-len(pairs) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.6 * height), layout="constrained")
    grid = figure.subplots(height, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(pairs) :]:
        axes.set_axis_off()
    for axes, pair in zip(grid.flat, pairs, strict=False):
        own = [row for row in rows if (row["content"], row["style"]) == pair]
        curve = sorted((r for r in own if r["picture"] == "optimised"), key=lambda r: r["weight"])
        x, y = ([row[key] for row in curve] for key in ("style_distance", "ssim"))
        axes.plot(x, y, "o-", color="#14627a", label="optimised, by style weight")
        for row in curve:
            point = (row["style_distance"], row["ssim"])
            text = f"{row['weight']:g}"
            axes.annotate(text, point, xytext=(5, 3), textcoords="offset points", fontsize=8)
        for row in own:
            if row["picture"] not in ("optimised", "content"):
                point = (row["style_distance"], row["ssim"])
                axes.plot(*point, "D", color="#b0501c", label=row["picture"])
                # Better in both: the corner above and to the left.
                axes.axhline(row["ssim"], color="#b0501c", lw=0.6, ls=":")
                axes.axvline(row["style_distance"], color="#b0501c", lw=0.6, ls=":")
            elif row["picture"] == "content":
                axes.plot(row["style_distance"], row["ssim"], "x", color="#655d4e", label="control")
        axes.set_title(" / ".join(pair), parse_math=False, fontsize=10)
        axes.grid(alpha=0.3)
    grid[0, 0].legend(fontsize=8)
    figure.supxlabel("style distance (less is better)")
    figure.supylabel("SSIM to the content (more is better)")
    with atomic_write(out / "tradeoff.svg") as part:
        figure.savefig(part, format="svg")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    contents, styles = default_pictures()
    parser.add_argument("--contents", nargs="+", default=contents)
    parser.add_argument("--styles", nargs="+", default=styles)
    parser.add_argument("--weights", nargs="+", default=["3e2", "1e3", "3e3", "1e4", "3e4", "1e5"])
    parser.add_argument("--out", type=Path, default=Path("outputs/tradeoff"))
    parser.add_argument("--size", type=int)
    given, more = parser.parse_known_args()  # --config and --settings.KEY VALUE go on to compare
    options = ["--contents", *given.contents, "--styles", *given.styles, *more]
    if given.size:
        options += ["--size", str(given.size)]
    rows = measure(given.out, given.weights, options)
    plot(given.out, rows)
    print(given.out / "tradeoff.csv")
    print(given.out / "tradeoff.svg")


if __name__ == "__main__":
    main()
