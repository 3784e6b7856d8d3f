"""The program inside a SageMaker job: hyper-parameters and channels become a run of train.py."""

import sys

from nst_lightning.cloud.job import main

if __name__ == "__main__":
    sys.exit(main())
