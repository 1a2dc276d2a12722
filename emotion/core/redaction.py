"""Takes the server's folders out of what visitors read."""

from __future__ import annotations

import re
from pathlib import PurePath

# An absolute path inside a sentence; an address (https://…) is none.
_ABSOLUTE_PATH = re.compile(
    r"""(?<![\w/.<])(?:/|[A-Za-z]:\\)[^\s/'"`(),;:<>]+[/\\][^\s'"`(),;:<>]*"""
)
_QUOTED_PATH = re.compile(r"""['"]((?:/|[A-Za-z]:\\)[^'"\n]+)['"]""")  # may hold spaces
_PATH_PARAMS = frozenset({"file", "folder", "path"})


def hide_paths(name: str, value: object) -> object:
    """A value of an error without folders: each path is cut to its last component.

    Args:
        name: The value's name; ``file``, ``folder`` and ``path`` are paths as a whole.
        value: Texts, paths and exceptions are changed; anything else stays as it is.
    """
    if isinstance(value, PurePath) or (isinstance(value, str) and name in _PATH_PARAMS):
        return PurePath(value).name
    if isinstance(value, (str, Exception)):
        text = _QUOTED_PATH.sub(lambda found: f"'{PurePath(found[1]).name}'", str(value))
        return _ABSOLUTE_PATH.sub(lambda found: PurePath(found[0]).name, text)
    return value
