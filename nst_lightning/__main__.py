"""``python -m nst_lightning``: the program."""

import sys

from nst_lightning.cli import main

if __name__ == "__main__":
    sys.argv[0] = "nst"  # what its help calls the program
    sys.exit(main())
