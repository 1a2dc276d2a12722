"""The command line, ``emotion`` or ``python -m emotion``."""

from emotion.cli.main import main

__all__ = ["main"]
