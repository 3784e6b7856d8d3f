"""The comparison's page."""

from pathlib import Path


def write_report(out: Path) -> Path:
    """Write ``OUT/report/index.html``.

    Args:
        out: Folder of a comparison, with ``metrics.json``.
    """
    return out / "report" / "index.html"
