"""Paint a picture: ``python train.py fit --config configs/klimt.yaml``."""

import sys

try:
    from nst_lightning.cli import main
except KeyboardInterrupt:  # the imports take seconds
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
