"""A model hub on the loopback: the parts of both hubs' HTTP interfaces that are used, and faults.

It announces files with sizes and hashes, serves them with byte ranges (Hugging Face's through a
redirect, as the real one does), counts requests, and can cut, stall, damage or refuse. It answers
the hubs' own packages too, and can list files in a form that only they understand.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0" * 20
FILES = {
    "config.yaml": b"model: Emotion2vec\n",
    "tokens.txt": "\u751f\u6c14/angry\n<unk>\n".encode(),
    "configuration.json": b"{}\n",
    "README.md": b"# A model\n",
    "model.pt": bytes(range(256)) * 4096,  # 1 MiB
    "example/test.wav": b"RIFF",
}


def refused() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@dataclass
class Faults:
    """What goes wrong, by file name.

    Attributes:
        announce_size: Announced instead of the true size.
        announce_sha256: Announced instead of the true hash; None announces none.
        bodies: Served instead of the true bytes, one per request, then the true ones.
        cut: The connection is closed after so many bytes of a body, one per request.
        stall: After so many bytes of a body the server waits for `HubServer.go_on`.
        status: Answers with this status instead of the file, or of the list (``""``).
        listing: Answered instead of the list.
        no_range: Byte ranges are ignored.
        new_listing: Files are listed in another form, which the hubs' own packages understand.
        content_type: Of a file's answer; none by default.
    """

    announce_size: dict[str, int] = field(default_factory=dict)
    announce_sha256: dict[str, str | None] = field(default_factory=dict)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    stall: dict[str, int] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    listing: bytes | None = None
    no_range: bool = False
    new_listing: bool = False
    content_type: dict[str, str] = field(default_factory=dict)


class HubServer:
    """Serves ``files`` as every repository's content, until its ``with`` block ends.

    Args:
        files: Name to bytes.
        silent: Connections are accepted, but nothing is ever answered.
    """

    def __init__(self, files: dict[str, bytes] | None = None, *, silent: bool = False) -> None:
        self.files = dict(FILES if files is None else files)
        self.faults = Faults()
        self.gets: list[tuple[str, str | None]] = []  # file name or "list", and its Range
        self.paths: list[str] = []
        self.agents: list[str] = []  # User-Agent with each path
        self.headers: list[str] = []  # every header of every request
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False  # joined at the end: nothing is left open
        self._thread = None if silent else threading.Thread(target=self._serve)

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.01)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def count(self, name: str) -> int:
        """How often a file was asked for."""
        return sum(asked == name for asked, _ in self.gets)

    def ranges(self, name: str) -> list[str | None]:
        """The Range header of each request for a file."""
        return [byte_range for asked, byte_range in self.gets if asked == name]

    def __enter__(self) -> HubServer:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.go_on.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def modelscope_listing(self) -> object:
        entries = [
            {"Path": name, "Type": "blob", "Size": self._size(name), "Sha256": self._sha256(name)}
            for name in self.files
        ]
        entries.append({"Path": "example", "Type": "tree", "Size": 0})
        return {"Code": 200, "Data": entries if self.faults.new_listing else {"Files": entries}}

    def huggingface_listing(self) -> object:
        if self.faults.new_listing:
            return {"id": "owner/name", "sha": COMMIT}
        siblings = []
        for name in self.files:
            entry: dict[str, object] = {"rfilename": name, "size": self._size(name)}
            if name == "model.pt":
                entry["lfs"] = {"sha256": self._sha256(name), "size": self._size(name)}
            siblings.append(entry)
        return {"id": "owner/name", "sha": COMMIT, "siblings": siblings}

    def huggingface_tree(self) -> object:
        return [
            {"type": "file", "path": name, "size": self._size(name), "oid": self.etag(name)}
            for name in self.files
        ]

    def etag(self, name: str) -> str:
        """What Hugging Face calls the hash of a file that is not large."""
        return hashlib.sha1(self.files[name]).hexdigest()

    def _size(self, name: str) -> int:
        return self.faults.announce_size.get(name, len(self.files[name]))

    def _sha256(self, name: str) -> str | None:
        true = hashlib.sha256(self.files[name]).hexdigest()
        return self.faults.announce_sha256.get(name, true)


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.close_connection = True
            with contextlib.suppress(ConnectionError):  # the client went away
                self._answer()

        def _answer(self) -> None:
            url = urlsplit(self.path)
            hub.paths.append(self.path)
            hub.agents.append(self.headers.get("User-Agent", ""))
            hub.headers.append(str(self.headers))
            if url.path.endswith("/repo/files"):
                self._list(hub.modelscope_listing())
            elif url.path.startswith("/api/models/") and "/tree/" in url.path:
                self._list(hub.huggingface_tree())
            elif url.path.startswith("/api/models/"):
                self._list(hub.huggingface_listing())
            elif url.path.endswith("/repo"):
                self._file(parse_qs(url.query)["FilePath"][0])
            elif "/resolve/" in url.path:
                self._send(302, b"", Location="/cdn/" + self._resolved())
            elif url.path.startswith("/cdn/"):
                self._file(unquote(url.path.removeprefix("/cdn/")))
            else:
                self._send(404, b"")

        def _resolved(self) -> str:
            """The name of the file after the revision, quoted."""
            return urlsplit(self.path).path.split("/resolve/")[1].split("/", 1)[1]

        def do_HEAD(self) -> None:
            """What Hugging Face tells its package of a file."""
            self.close_connection = True
            name = unquote(self._resolved())
            headers = {"ETag": f'"{hub.etag(name)}"', "X-Repo-Commit": COMMIT}
            self.send_response(200)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(hub.files[name])))
            self.end_headers()

        def _list(self, listing: object) -> None:
            hub.gets.append(("list", None))
            body = json.dumps(listing).encode() if hub.faults.listing is None else b""
            self._send(hub.faults.status.get("", 200), hub.faults.listing or body)

        def _file(self, name: str) -> None:
            byte_range = self.headers.get("Range")
            hub.gets.append((name, byte_range))
            bodies = hub.faults.bodies.get(name)
            body = bodies.pop(0) if bodies else hub.files[name]
            first = int((byte_range or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            if name in hub.faults.status:
                self._send(hub.faults.status[name], b"")
            elif not first or hub.faults.no_range:
                self._send(200, body, name)
            elif first >= len(body):
                self._send(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
            else:
                span = f"bytes {first}-{len(body) - 1}/{len(body)}"
                self._send(206, body[first:], name, **{"Content-Range": span})

        def _send(self, status: int, body: bytes, name: str = "", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            if name in hub.faults.content_type:
                self.send_header("Content-Type", hub.faults.content_type[name])
            for header, value in headers.items():
                self.send_header(header, value)
            self.end_headers()
            cuts = hub.faults.cut.get(name)
            if cuts:
                body = body[: cuts.pop(0)]
            pause = hub.faults.stall.get(name, len(body))
            self.wfile.write(body[:pause])
            if pause < len(body):
                hub.stalled.set()
                hub.go_on.wait()
                self.wfile.write(body[pause:])

    return Handler


def write_model(folder: Path, leave_out: str = "") -> Path:
    """A complete model, or one that lacks a file."""
    folder.mkdir(parents=True)
    for name in ("config.yaml", "tokens.txt", "model.pt"):
        if name != leave_out:
            (folder / name).write_bytes(FILES[name])
    return folder
