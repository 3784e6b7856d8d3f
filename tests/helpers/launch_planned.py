"""The launcher with pictures that nobody looks at, so that it starts without torch.

Run by test_many_jobs.py as a process of its own, to be killed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from nst_lightning.cloud import commands
from nst_lightning.cloud.aws import Aws
from nst_lightning.cloud.config import Launch
from nst_lightning.cloud.plan import Painting, Plan, PlannedJob
from nst_lightning.cloud.uploads import Upload
from nst_lightning.options import digest


def plan(launch: Launch, aws: Aws | None = None) -> Plan:
    """Plan every pair of names, as the launcher would plan pairs of pictures."""
    if aws is not None:
        aws.check()
    made = Plan(PlannedJob(dict(launch.settings), {}, "", "", ["loss", "step", "steps", "picture"]))
    contents, styles = (list(map(str, names)) for names in (launch.contents, launch.styles))
    places = {name: made.add(Upload(((name, name.encode()),))) for name in (*contents, *styles)}
    for content in contents:
        for style in styles:
            channels = {"content": places[content], "style": places[style]}
            key = f"{content}--{style}"
            decides = digest([key, launch.settings])[:10]
            made.paintings[key] = Painting(key, content, style, {}, channels, decides)
    return made


def main() -> int:
    """Run the launcher."""
    commands.make_plan = plan
    commands.make_page = lambda fleet: None
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
