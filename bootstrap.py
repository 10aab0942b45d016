"""Installs what the locks list, with their hashes, and nothing else: it resolves nothing.

    python3 bootstrap.py                         makes .venv from requirements.txt
    python bootstrap.py sync PYTHON -r LOCK      fills the environment of that Python (for tox)

It needs nothing but Python's own library and runs on any Python; one that is too old is told so.
pip, whichever comes with Python, installs one package, uv, whose version and hashes are in the
lock. uv then installs the lock as it stands. pip before 23.3 cannot do that: it looks for the
newest release of every package that another one wants with an extra (`coverage[toml]`).
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - it is here to tell those who have an older one
    sys.exit(
        "bootstrap: Python 3.10 or newer is needed, and {} is {}.{}: name another one, as in"
        " `make venv PYTHON=python3.11`".format(sys.executable, *sys.version_info)
    )

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parent
VENV = REPOSITORY / ".venv"
LOCK = REPOSITORY / "requirements.txt"
STAMP = "installed.json"
"""In .venv: what it was made of. It is written last, so an environment without it is half made."""

TIMEOUT = 1800
"""Seconds after which a command is given up; a slow line needs some minutes."""

FULL = 16 << 20
"""Bytes: a disk with less is full."""

SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""pip's settings, as `pip config list` names them, that say where packages come from, and what uv
calls each: who has configured a mirror has done so for pip."""

CAUSES = (
    (
        r"No space left on device|os error 28|Disk quota exceeded",
        "the disk is full: the environment and uv's cache (UV_CACHE_DIR) take 1 GB; make room, and"
        " run the same command again",
    ),
    (
        r"(?i)hash(es)? mismatch|do not match the hashes",
        "the index serves another file than the one that the lock lists; ask another index"
        " (UV_DEFAULT_INDEX), or `make lock`",
    ),
    (
        r"(?i)certificate|SSLError",
        "the index shows a certificate that is not trusted here: set SSL_CERT_FILE to a file with"
        " its issuer",
    ),
    (
        r"(?i)failed to build|no usable wheels",
        "not all of the lock can be had for Python {}.{} on this machine: name another one, as in"
        " `make venv PYTHON=python3.11`".format(*sys.version_info),
    ),
    (
        r"(?i)permission denied|os error 13",
        "a file here belongs to another user: remove .venv and .tox as that user, or as root",
    ),
    (
        r"(?i)name resolution|dns error|error sending request|connection|unreachable|timed out|"
        r"failed to fetch|no matching distribution|could not resolve",
        "the package index, or archive, does not answer: look at the network, at HTTPS_PROXY or"
        " at the mirror that is set (UV_DEFAULT_INDEX), and run the same command again; what was"
        " downloaded is kept",
    ),
)
"""Patterns in a failed command's output, and what each means for the one who reads it."""


class BootstrapError(Exception):
    """The environment cannot be made; the text says why, and what to do."""


def attempt(argv: list[str], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command to its end; return its exit status and its output."""
    result = subprocess.run(
        argv, env=env, text=True, errors="replace", timeout=TIMEOUT, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return result.returncode, result.stdout


def run(argv: list[str], env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return its output; where it fails, show how that ended.

    Raises:
        BootstrapError: it failed; the text has the cause where it is a known one.
    """
    status, output = attempt(argv, env)
    if status:
        fail(argv, output)
    return output


def fail(argv: list[str], output: str) -> NoReturn:
    """Show the end of a failed command's output, and raise what it means."""
    for line in output.strip().splitlines()[-5:]:
        print(f"  {line}", file=sys.stderr)
    raise BootstrapError(cause(output) or f"this failed: {shlex.join(argv)}")


def cause(output: str) -> str | None:
    """Return the cure for what a command's output tells of, where it is a known thing."""
    # Python's venv keeps to itself why pip could not be installed.
    full = "No space left on device" if shutil.disk_usage(REPOSITORY).free < FULL else ""
    found = (cure for pattern, cure in CAUSES if re.search(pattern, full + output))
    return next(found, None)


def pinned(lock: str, package: str) -> str:
    """Return a lock's entries of one package: there are several where markers tell them apart.

    Raises:
        BootstrapError: it has none.
    """
    entries = re.findall(rf"(?ms)^{re.escape(package)}==.*?[^\\]$", lock)
    if not entries:
        raise BootstrapError(f"{LOCK.name} lists no {package}: run `git checkout {LOCK.name}`")
    return "\n".join(entries) + "\n"


def missing_packages(*, compiler: bool) -> list[str]:
    """Return the packages of Debian or Ubuntu with what this Python and this project lack.

    Args:
        compiler: whether something has to be compiled.
    """
    python = "python{}.{}".format(*sys.version_info)
    missing = [] if importlib.util.find_spec("ensurepip") else [f"{python}-venv"]
    missing += [] if shutil.which("git") else ["git"]
    if compiler and not shutil.which("cc"):
        missing += ["gcc", "libc6-dev"]
    if compiler and not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append(f"{python}-dev")
    return missing


def install_packages(*, compiler: bool = False) -> None:
    """Install with apt-get what is missing.

    Raises:
        BootstrapError: that is left to the user, who is not root, or it failed.
    """
    missing = missing_packages(compiler=compiler)
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid():
        raise BootstrapError(
            f"{' and '.join(missing)} missing, and only root can install packages, of Debian or"
            f" Ubuntu: run `sudo apt-get install {' '.join(missing)}`"
        )
    say(f"installing {' '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
    run(["apt-get", "update", "-q"], environment)
    run(["apt-get", "install", *options, *missing], environment)
    importlib.invalidate_caches()
    if left := missing_packages(compiler=compiler):
        raise BootstrapError(
            f"{sys.executable} does not see {' '.join(left)}, as it is not Debian's Python: name"
            " another one, as in `make venv PYTHON=/usr/bin/python3`"
        )


def contents() -> dict[str, str]:
    """Return what an environment that is made now is made of."""
    code = LOCK.read_bytes() + Path(__file__).read_bytes()
    return {
        "digest": hashlib.sha256(code).hexdigest(),
        "python": f"{sys.base_prefix} {sys.version}",
        "path": str(VENV),
    }


def made() -> dict[str, str]:
    """Return what the environment was made of; empty for one that is not finished."""
    try:
        found = json.loads((VENV / STAMP).read_text(encoding="utf-8"))
        subprocess.run([VENV / "bin" / "python", "-c", ""], check=True, timeout=60)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return dict(found)


def make() -> None:
    """Make the environment, unless it is there already.

    One that was finished is brought up to date; what an interrupted run has left is removed.

    Raises:
        BootstrapError: it cannot be made.
    """
    wanted, found = contents(), made()
    if found == wanted:
        return
    install_packages()
    if found:
        (VENV / STAMP).unlink()
    if {**found, "digest": ""} != {**wanted, "digest": ""}:
        say(f"{VENV.name}: Python {sys.version.split()[0]}")
        if VENV.is_symlink() or VENV.is_file():
            VENV.unlink()
        elif VENV.exists():
            shutil.rmtree(VENV)
        run([getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(VENV)])
        install_uv()
    sync(VENV / "bin" / "python", LOCK)
    (VENV / STAMP).write_text(json.dumps(wanted), encoding="utf-8")


def install_uv() -> None:
    """Have the environment's pip install uv, and it alone.

    Raises:
        BootstrapError: pip failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch) / "uv.txt"
        requirements.write_text(pinned(LOCK.read_text(encoding="utf-8"), "uv"), encoding="utf-8")
        run(
            [str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-input",
             "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
             "--require-hashes", "-r", str(requirements)]
        )  # fmt: skip


def sync(python: Path, lock: Path) -> None:
    """Make an environment hold what a lock lists for its Python, and nothing else.

    Nothing is resolved. What has no wheel for this Python is built, with what the lock lists.

    Args:
        python: the environment's Python.
        lock: the compiled requirements, with hashes.

    Raises:
        BootstrapError: uv failed, or packages in the lock contradict each other.
    """
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        raise BootstrapError(f"{VENV} has no uv: run `make venv`")
    say(f"installing {lock.name} into {os.path.relpath(python.parents[1])}")
    environment = {**os.environ, **mirror(), "UV_PYTHON_DOWNLOADS": "never"}
    common = ["--quiet", "--python", str(python)]
    command = [str(uv), "pip", "sync", *common, "--require-hashes", str(lock)]
    status, output = attempt([*command, "--no-build"], environment)
    if status and "no usable wheels" in output:
        install_packages(compiler=True)
        run([*command, "--build-constraints", str(LOCK), "--require-build-hashes"], environment)
    elif status:
        fail(command, output)
    run([str(uv), "pip", "check", *common], environment)


def mirror() -> dict[str, str]:
    """Return, as uv's variables, where pip is configured to get packages from."""
    listed = run([str(VENV / "bin" / "python"), "-m", "pip", "config", "list"])
    # Like `global.index-url='https://...'`; pip's own variables are `:env:.index-url`.
    found = re.findall(r"(?m)^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed)
    values = {name: value.replace("\\n", " ").strip() for name, value in found}
    named = {theirs: values[ours] for ours, theirs in SETTINGS.items() if ours in values}
    return {name: value for name, value in named.items() if name not in os.environ}


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for another run in this repository to end."""
    folder = os.open(REPOSITORY, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another run here to end")
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(folder)


def say(text: str) -> None:
    """Show what is going on."""
    print(f"bootstrap: {text}", flush=True)


def main(argv: list[str]) -> int:
    """Do it; what stops it is said in one line, with the cure."""
    try:
        if not argv:
            with one_at_a_time():
                make()
        elif len(argv) == 4 and (argv[0], argv[2]) == ("sync", "-r"):
            sync(Path(argv[1]).absolute(), Path(argv[3]))
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (OSError, BootstrapError, subprocess.TimeoutExpired) as error:
        known = error if isinstance(error, BootstrapError) else cause(str(error)) or error
        print(f"bootstrap: {known}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bootstrap: interrupted; the same command begins anew", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
