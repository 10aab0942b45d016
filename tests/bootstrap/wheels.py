"""Tiny packages, and an index on loopback that has newer releases than the lock."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def build(
    folder: Path, name: str, version: str, *, metadata: str = "", script: str | None = None
) -> Path:
    """Build a wheel with one module.

    Args:
        folder: where it goes.
        name: of the package, and of its module.
        version: as in the file's name.
        metadata: further lines of its METADATA.
        script: the text of a command of the package's name.

    Returns:
        The wheel.
    """
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script is not None:
        files[f"{name}-{version}.data/scripts/{name}"] = script
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16  # Commands are executable, as in uv's own wheel.
            archive.writestr(entry, text)
    return wheel


def another(wheel: Path) -> bytes:
    """Return a wheel like this one, with other code in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(content, "w") as new:
        for entry in old.infolist():
            code = b"# other\n" if entry.filename.endswith("__init__.py") else b""
            new.writestr(entry, old.read(entry) + code)
    return content.getvalue()


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lock(wheels: list[Path]) -> str:
    """Return a lock of these wheels, as `uv pip compile` writes one."""
    entries = []
    for wheel in sorted(wheels):
        name, version, *_ = wheel.name.split("-")
        entries.append(
            f"{name}=={version} \\\n    --hash=sha256:{digest(wheel)}\n    # via -r it\n"
        )
    return "".join(entries)


@dataclass
class Index:
    """A package index: PEP 503's pages, and files.

    Attributes:
        url: of its root.
        wheels: what it has.
        stuck: files that it never finishes to send, by the package's name.
        altered: files of which it sends something else, by the package's name.
        reached: is set when somebody waits for a stuck file.
    """

    url: str
    wheels: list[Path]
    stuck: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    reached: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return the content type and the content of a path; None where there is none."""
        kind, _, name = path.strip("/").partition("/")
        if kind == "simple":
            links = "".join(
                f'<a href="/files/{wheel.name}#sha256={digest(wheel)}">{wheel.name}</a>\n'
                for wheel in self.wheels
                if wheel.name.split("-")[0] == name
            )
            return ("text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        for wheel in self.wheels:
            if (kind, name) == ("files", wheel.name):
                return ("application/octet-stream", self._content(wheel))
        return None

    def _content(self, wheel: Path) -> bytes:
        package = wheel.name.split("-")[0]
        if package in self.stuck:
            self.reached.set()
            self.ended.wait(60)
        return another(wheel) if package in self.altered else wheel.read_bytes()


@contextlib.contextmanager
def serve(wheels: list[Path]) -> Iterator[Index]:
    """Serve wheels on loopback while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = index.answer(self.path)
            self.send_response(200 if found else 404)
            kind, content = found or ("text/plain", b"not here")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index = Index(f"http://127.0.0.1:{server.server_port}", list(wheels))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.ended.set()
        server.shutdown()
        server.server_close()
