"""Speech emotion recognition with Emotion2Vec+: a Python package, a CLI and a web page.

>>> from emotion import Recognizer  # doctest: +SKIP
>>> recognition = Recognizer.load("auto").recognize("clip.wav")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotion.recognition.recognizer import Recognizer

__version__ = "0.1.0"
__all__ = ["Recognizer", "__version__"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import emotion` must not import torch.
    if name == "Recognizer":
        from emotion.recognition.recognizer import Recognizer

        return Recognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
