"""Paint a picture: ``python train.py fit --config configs/klimt.yaml``."""

import sys

from nst_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main())
