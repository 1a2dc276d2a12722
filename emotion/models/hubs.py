"""What a model hub offers over HTTP: a list of files, and each file, from any byte on.

The hubs' HTTP interfaces are used directly. The official packages ``modelscope`` and
``huggingface_hub`` notice an unreachable hub late (modelscope 1.40: 7 s for a refused connection,
60 s for a silent hub), read their settings once, at import, and offer no way to cancel a transfer.
They are the second choice (`emotion.models.hub_clients`), for a hub whose answers are not
understood here.

``MODELSCOPE_DOMAIN`` (or its newer name ``MODELSCOPE_ENDPOINT``) and ``HF_ENDPOINT`` are honoured
and read at each call; a bare ``host:port`` means https, except on the loopback.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from urllib3.exceptions import HTTPError

from emotion.core.config import Hub
from emotion.core.registry import KnownModel

logger = logging.getLogger(__name__)

TITLES: dict[Hub, str] = {"ms": "ModelScope", "hf": "Hugging Face"}

_CHUNK_BYTES = 64 * 1024  # a cut loses what a chunk has begun
_TRIES = 2  # how often a file is fetched before its damage is final
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416
_NO_SUCH_ADDRESS = (404, 405, 410)


@dataclass(frozen=True)
class Limits:
    """How patient a download is.

    Attributes:
        answer_s: From the request to the answer's headers, with name lookup, connection,
            encryption and redirects; for a list of files to its last byte.
        stall_s: Between two pieces of a file.
        resumes: How often a cut transfer of one file is taken up again; each must have brought
            something.
        client_stall_s: How long a hub's own client may run without writing anything to the disk.
            It covers the client's start, its retries, and its check of a finished file.
    """

    answer_s: float = 8.0
    stall_s: float = 8.0
    resumes: int = 100
    client_stall_s: float = 60.0


@dataclass(frozen=True)
class RemoteFile:
    """One file as the hub announces it.

    Attributes:
        name: Path inside the repository.
        size_bytes: Its size.
        sha256: Lower-case hex, or None when the hub announces none.
        url: Where it is downloaded from; may redirect.
    """

    name: str
    size_bytes: int
    sha256: str | None
    url: str


class HubFailedError(Exception):
    """This hub cannot deliver, but another may; the message says why. Never reaches a user."""


class NotUnderstoodError(HubFailedError):
    """The hub answered, but in a form that is not known here; its own client may understand it."""


def endpoint(hub: Hub) -> str:
    """The hub's address, with scheme and without a slash at the end."""
    if hub == "ms":
        env = os.environ.get("MODELSCOPE_DOMAIN") or os.environ.get("MODELSCOPE_ENDPOINT")
        text = (env or "").strip() or "https://www.modelscope.cn"
    else:
        text = os.environ.get("HF_ENDPOINT", "").strip() or "https://huggingface.co"
    if "://" not in text:
        local = text.startswith("[::1]") or text.split(":")[0] in LOOPBACK
        text = f"{'http' if local else 'https'}://{text}"
    return text.rstrip("/")


def list_files(hub: Hub, model: KnownModel, limits: Limits) -> list[RemoteFile]:
    """The model's files that the hub has, in the order of ``model.files``.

    Raises:
        HubFailedError: No answer, or a refusal.
        NotUnderstoodError: An answer that is not a list of files, or no such address.
    """
    read = _list_modelscope if hub == "ms" else _list_huggingface
    try:
        found = {file.name: file for file in read(endpoint(hub), model, limits)}
    except requests.JSONDecodeError as e:
        raise NotUnderstoodError("the answer is not a list of files") from e
    except requests.RequestException as e:
        raise _failure(e)(_why(e, limits.answer_s)) from e
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise NotUnderstoodError(f"the list of files is not understood ({e!r})") from e
    return [found[name] for name in model.files if name in found]


def download(file: RemoteFile, path: Path, limits: Limits, advance: Callable[[int], None]) -> None:
    """Downloads one file, or the rest of it, and checks its size and hash.

    Args:
        file: What to download.
        path: Where to; what is already there is taken as its beginning.
        limits: When to give up.
        advance: Called with the bytes of this file that are here; may raise to stop.

    Raises:
        HubFailedError: No answer, or damaged twice; a damaged file is deleted.
        NotUnderstoodError: A web page instead of the file, or no such address.
        OSError: The disk is full or the file cannot be written; what is there is kept.
    """
    damage: str | None = None
    for _ in range(_TRIES):
        _transfer(file, path, limits, advance)
        damage = _damage(file, path, advance)
        if damage is None:
            return
        path.unlink(missing_ok=True)
        logger.warning("%s is damaged: %s", file.name, damage)
    raise HubFailedError(f"{file.name} is damaged: {damage}")


def _transfer(file: RemoteFile, path: Path, limits: Limits, advance: Callable[[int], None]) -> None:
    # Ends with what the hub calls complete, resuming as long as each attempt brings something.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    for _ in range(limits.resumes + 1):
        have = path.stat().st_size
        advance(have)
        if have >= file.size_bytes:
            return
        try:
            _receive(file, path, have, limits, advance)
            return
        except requests.RequestException as e:
            why = _why(e, limits.answer_s)
            if path.stat().st_size <= have:
                raise _failure(e)(f"{file.name}: {why}") from e
            logger.info("%s was cut after %d bytes (%s)", file.name, path.stat().st_size, why)
    raise HubFailedError(f"{file.name} was cut {limits.resumes + 1} times")


def _receive(
    file: RemoteFile, path: Path, have: int, limits: Limits, advance: Callable[[int], None]
) -> None:
    headers = {"Accept-Encoding": "identity"}  # the file's own bytes, or sizes mean nothing
    if have:
        headers["Range"] = f"bytes={have}-"
    with _get(file.url, limits, stream=True, headers=headers) as response:
        if response.status_code == _RANGE_NOT_SATISFIABLE:
            path.unlink()  # shorter there than announced; found out by the check
            return
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):  # say, a sign-in page
            raise NotUnderstoodError(f"{file.name}: the answer is a web page, not the file")
        resumed = response.status_code == _PARTIAL_CONTENT
        have = have if resumed else 0
        with path.open("ab" if resumed else "wb") as out:
            for chunk in response.iter_content(_CHUNK_BYTES):
                out.write(chunk)
                have += len(chunk)
                advance(min(have, file.size_bytes))
                if have > file.size_bytes:
                    return
            out.flush()
            os.fsync(out.fileno())


def _damage(file: RemoteFile, path: Path, advance: Callable[[int], None]) -> str | None:
    size_bytes = path.stat().st_size if path.exists() else 0
    if size_bytes > file.size_bytes:
        return f"more than the {file.size_bytes} bytes that the hub announces"
    if size_bytes < file.size_bytes:
        return f"{size_bytes} bytes, but the hub announces {file.size_bytes}"
    if file.sha256 is None:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as data:
        while chunk := data.read(16 * _CHUNK_BYTES):
            digest.update(chunk)
            advance(size_bytes)
    if digest.hexdigest() != file.sha256:
        return f"SHA-256 {digest.hexdigest()}, but the hub announces {file.sha256}"
    return None


def _list_modelscope(address: str, model: KnownModel, limits: Limits) -> Iterator[RemoteFile]:
    base = f"{address}/api/v1/models/{model.modelscope_id}/repo"
    revision = model.modelscope_revision
    query = urlencode({"Revision": revision, "Recursive": "True"})
    for entry in _json(f"{base}/files?{query}", limits)["Data"]["Files"]:
        name = str(entry["Path"])
        if name in model.files:
            query = urlencode({"Revision": revision, "FilePath": name})
            sha256 = _sha256(entry.get("Sha256"))
            yield RemoteFile(name, int(entry["Size"]), sha256, f"{base}?{query}")


def _list_huggingface(address: str, model: KnownModel, limits: Limits) -> Iterator[RemoteFile]:
    repo, revision = model.huggingface_id, model.huggingface_revision
    listing = _json(f"{address}/api/models/{repo}/revision/{revision}?blobs=true", limits)
    for entry in listing["siblings"]:
        name = str(entry["rfilename"])
        if name in model.files:
            sha256 = _sha256((entry.get("lfs") or {}).get("sha256"))
            url = f"{address}/{repo}/resolve/{revision}/{quote(name)}"
            yield RemoteFile(name, int(entry["size"]), sha256, url)


def _sha256(value: object) -> str | None:
    return value.lower() if isinstance(value, str) and len(value) == 64 else None


def _json(url: str, limits: Limits) -> Any:
    with _get(url, limits, stream=False, headers={}) as response:
        response.raise_for_status()
        return response.json()


def _get(url: str, limits: Limits, *, stream: bool, headers: dict[str, str]) -> requests.Response:
    # In a thread, because no time-out covers the lookup of a name, or all the addresses behind it,
    # which are tried in turn. An answer that comes too late is closed by the thread itself.
    answer: Future[requests.Response] = Future()
    # The machine itself is never behind a proxy.
    proxies = {"http": "", "https": ""} if urlsplit(url).hostname in LOOPBACK else None
    timeout = (limits.answer_s, limits.stall_s if stream else limits.answer_s)

    def ask() -> None:
        try:
            response = requests.get(
                url, headers=headers, stream=stream, timeout=timeout, proxies=proxies
            )
        except requests.RequestException as e:
            _settle(answer, error=e)
        except (OSError, ValueError) as e:  # what requests does not wrap, such as a bad address
            _settle(answer, error=requests.ConnectionError(e))
        else:
            _settle(answer, response=response)

    threading.Thread(target=ask, name="hub-request", daemon=True).start()
    try:
        return answer.result(limits.answer_s)
    except NoAnswerError as e:
        if answer.cancel():
            raise requests.Timeout(f"{url}: no answer") from e
        return answer.result()


def _settle(
    answer: Future[requests.Response],
    *,
    response: requests.Response | None = None,
    error: requests.RequestException | None = None,
) -> None:
    try:
        if response is not None:
            answer.set_result(response)
        else:
            answer.set_exception(error)
    except InvalidStateError:  # nobody waits any more
        if response is not None:
            response.close()


def _failure(error: requests.RequestException) -> type[HubFailedError]:
    # A hub that answers but knows no such address may have changed its interface.
    moved = error.response is not None and error.response.status_code in _NO_SUCH_ADDRESS
    return NotUnderstoodError if moved else HubFailedError


def _why(error: requests.RequestException, answer_s: float) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {answer_s:g} s"
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    cause: BaseException = error
    inner: BaseException | None = error
    while isinstance(inner, (OSError, HTTPError)):  # requests', the system's, and urllib3's
        cause, inner = inner, inner.__cause__ or inner.__context__
    return getattr(cause, "strerror", None) or str(cause) or type(error).__name__
