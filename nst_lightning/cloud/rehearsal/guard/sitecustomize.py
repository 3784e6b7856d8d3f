"""Read by every Python process that has this folder on its path."""

import sys

from loopback_watch import watch

sys.addaudithook(watch)
