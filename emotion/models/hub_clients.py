"""Downloads a model with a hub's official client, where the hub's answers are not understood here.

`emotion.models.hubs` speaks the hubs' HTTP itself. When a hub changes that interface, its own
package may know the new one. The packages cannot be cancelled and read their settings at import,
so they run in a child process: it is killed with its process group on cancellation, on an error
and when it writes nothing for a while, and it ends by itself when this process dies.

The child gets the hub's address as `emotion.models.hubs.endpoint` reads it, no token (the models
are public), and a folder of its own for what the client would keep in the home folder.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from emotion.core.config import Hub
from emotion.core.registry import KnownModel
from emotion.models.hubs import LOOPBACK, HubFailedError, Limits, endpoint
from emotion.models.store import tree_size

PACKAGES: dict[Hub, str] = {"ms": "modelscope", "hf": "huggingface_hub"}

# The child finds the packages where this process does, however this process was started.
_START = 'import sys; sys.path[:] = sys.argv.pop(1).split("\\n"); '
_START += "from emotion.models.hub_clients import main; sys.exit(main(sys.argv[1:]))"
_POLL_S = 0.1
_DISK_FULL = 28  # the child's exit code
_REASON_CHARS = 300


def download(
    hub: Hub, model: KnownModel, folder: Path, limits: Limits, advance: Callable[[int], None]
) -> Path:
    """Downloads the model's files with the hub's client.

    Args:
        hub: Whose client.
        model: What to download; only ``model.files`` are.
        folder: Where the client works; what an earlier call left there is continued.
        limits: ``client_stall_s`` is used.
        advance: Called a few times a second with the bytes on the disk; may raise to stop.

    Returns:
        A folder with the files, and with what the client keeps beside them.

    Raises:
        HubFailedError: The client failed or made no progress; the message begins with a verb.
        OSError: The disk is full.
    """
    files, home = folder / "files", folder / "home"
    for path in (files, home):
        path.mkdir(parents=True, exist_ok=True)
    repo, revision = (
        (model.modelscope_id, model.modelscope_revision)
        if hub == "ms"
        else (model.huggingface_id, model.huggingface_revision)
    )
    start = [sys.executable, "-c", _START, "\n".join(sys.path)]
    command = [*start, hub, str(repo), revision, endpoint(hub), str(files), *model.files]
    log = folder / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command,
            env=_environment(hub, home),
            stdin=subprocess.PIPE,  # closed when this process dies
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            _watch(process, files, limits, advance)
        finally:
            _kill(process)
    if process.returncode == _DISK_FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    if process.returncode != 0:
        raise HubFailedError(f"failed ({_last_line(log)})")
    return files


def _watch(
    process: subprocess.Popen[bytes], files: Path, limits: Limits, advance: Callable[[int], None]
) -> None:
    size_bytes, changed_s = -1, time.monotonic()
    while process.poll() is None:
        now_bytes = tree_size(files)
        if now_bytes != size_bytes:
            size_bytes, changed_s = now_bytes, time.monotonic()
        advance(size_bytes)
        if time.monotonic() - changed_s > limits.client_stall_s:
            raise HubFailedError(f"made no progress for {limits.client_stall_s:g} s")
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _environment(hub: Hub, home: Path) -> dict[str, str]:
    address = endpoint(hub)
    # The machine itself is never behind a proxy.
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    direct = ",".join(filter(None, (given, *LOOPBACK)))
    own = {"no_proxy": direct, "NO_PROXY": direct, "PYTHONIOENCODING": "utf-8"}
    if hub == "ms":
        own |= {"MODELSCOPE_ENDPOINT": address, "MODELSCOPE_DOMAIN": ""}
        own |= {"MODELSCOPE_HOME": str(home), "MODELSCOPE_CACHE": str(home / "cache")}
    else:
        own |= {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub")}
        # Xet is another protocol, with servers of its own that mirrors lack.
        own |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        own |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    return {**os.environ, **own}


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:_REASON_CHARS] if said else "without a word"


def main(argv: list[str]) -> int:
    """The child: one download, then an exit code; the last line it writes is why it failed.

    Args:
        argv: Hub, repository, revision, address, folder, then the names of the files.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    hub, repo, revision, address, folder, *files = argv
    try:
        if hub == "ms":
            _by_modelscope(repo, revision, address, folder, files)
        else:
            _by_huggingface(repo, revision, address, folder, files)
    except Exception as e:  # whatever a client raises is a reason for the parent
        sys.stderr.write(f"\n{type(e).__name__}: {' '.join(str(e).split())}\n")
        return _DISK_FULL if _is_disk_full(e) else 1
    return 0


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the parent closes the pipe, or dies
    os._exit(1)


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def _by_modelscope(repo: str, revision: str, address: str, folder: str, files: list[str]) -> None:
    from modelscope.hub.snapshot_download import snapshot_download

    snapshot_download(
        repo,
        revision=revision,
        local_dir=folder,
        allow_patterns=files,
        endpoint=address,
        token="",
    )


def _by_huggingface(repo: str, revision: str, address: str, folder: str, files: list[str]) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(
        repo,
        revision=revision,
        local_dir=folder,
        allow_patterns=files,
        endpoint=address,
        token=False,
    )
