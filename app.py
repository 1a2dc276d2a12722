"""Starts the web page: the same as ``python -m emotion serve``."""

import sys

from emotion.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
