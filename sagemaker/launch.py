"""Paint many pictures on SageMaker: ``python sagemaker/launch.py --config fanout.yaml``."""

import sys
from pathlib import Path

# At the end of the path: this repository's folder sagemaker/ must not stand before the SDK.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from nst_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main(["sagemaker", *sys.argv[1:]]))
