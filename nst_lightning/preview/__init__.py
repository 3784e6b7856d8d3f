"""The picture in a browser while it is painted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PreviewAddress:
    """Where the preview is shown.

    Args:
        host: The name or number that it listens at: this machine alone, by default. 0.0.0.0 is
            every network that the machine is in.
        port: Of that host; 0 for a free one.
    """

    host: str = "127.0.0.1"
    port: int = 0
