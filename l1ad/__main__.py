"""Lets `python -m l1ad` do what `l1ad` does."""

from __future__ import annotations

import sys

from l1ad.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
