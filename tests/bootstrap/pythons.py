"""The Pythons of this machine, and what they would be like with another pip.

`python -m venv` installs the pip that Python, or the distribution, ships with. Which one that is
decides whether the bootstrap works, so a Python can be had here with any: a folder of links to a
real one, in which only `ensurepip` is another.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("3.10", "3.11", "3.12", "3.13", "3.14")
OLD_PIPS = {
    "22.0.2": "682eabc4716bfce606aca8dab488e9c7b58b0737e9001004eb858cdafcd8dbdd",  # Ubuntu 22.04
    "23.0.1": "236bcb61156d76c4b8a05821b988c7b8c35bf0da28a4b614e8d6ab5212c25c6f",  # Debian 12
    "24.0": "ba0d021a166865d2265246961bec0152ff124de910c5cc39f1156ce3fa7c69dc",  # Ubuntu 24.04
}
"""pip's releases that distributions ship, with the SHA-256 of their wheels."""

_ENSUREPIP = """\
import sysconfig
import zipfile

zipfile.ZipFile({wheel!r}).extractall(sysconfig.get_path("purelib"))
"""


@functools.cache
def installed() -> dict[str, str]:
    """Return where each Python of this machine is, by its version (`3.11`).

    The one that runs is among them. Others are looked for on PATH and where pyenv has them.
    """
    found = {}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser())
    for name in ("3.8", "3.9", *NAMES):
        paths = [shutil.which(f"python{name}") or ""]
        paths += [str(path) for path in pyenv.glob(f"versions/*/bin/python{name}")]
        paths += ["/usr/bin/python" + name, "/usr/local/bin/python" + name]
        for path in filter(os.path.exists, paths):
            if describe(path).get("version") == name:
                found[name] = path
                break
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return found | {here: getattr(sys, "_base_executable", sys.executable)}


def describe(python: str) -> dict[str, str]:
    """Return a Python's version, program and library; empty for what is none."""
    code = (
        "import json, os, sys, sysconfig;"
        "print(json.dumps({'version': '%d.%d' % sys.version_info[:2],"
        "'program': os.path.realpath(sys.executable),"
        "'library': sysconfig.get_path('stdlib')}))"
    )
    result = subprocess.run([python, "-c", code], capture_output=True, timeout=60, check=False)
    return dict(json.loads(result.stdout)) if result.returncode == 0 else {}


def goes_with(python: str, pip: str) -> bool:
    """Whether pip runs on Python: before 23.2 it needs what Python 3.12 no longer has."""
    return float(pip.rpartition(".")[0] if pip.count(".") > 1 else pip) >= 23.2 or python in (
        "3.10",
        "3.11",
    )


def make(folder: Path, python: str, pip: Path | None) -> Path:
    """Make a Python that ships another pip.

    Args:
        folder: where it goes.
        python: the Python that it is like.
        pip: the wheel of that pip; None for a Python without ensurepip, as Debian's.

    Returns:
        The Python.
    """
    real = describe(python)
    program = folder / "bin" / f"python{real['version']}"
    program.parent.mkdir(parents=True)
    shutil.copy(real["program"], program)
    library = folder / "lib" / f"python{real['version']}"
    library.mkdir(parents=True)
    for path in Path(real["library"]).iterdir():
        if path.name not in ("ensurepip", "site-packages"):
            (library / path.name).symlink_to(path)
    if pip is not None:
        (library / "ensurepip").mkdir()
        (library / "ensurepip" / "__init__.py").touch()
        (library / "ensurepip" / "__main__.py").write_text(_ENSUREPIP.format(wheel=str(pip)))
    return program
