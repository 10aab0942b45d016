"""Running Pacemaker's own tools, and reading what they print.

What a release that is not known prints or does is not guessed: nothing of it is read, and nothing
in its cluster is changed. `docs/releases.md` says what was seen of each.
"""

from __future__ import annotations

import datetime
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from masakari_fencing.commands import Runner

NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
"""Node names that may be put into a command line or an XPath."""

NO_SUCH = 105
"""Exit code of Pacemaker's tools for something that does not exist."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)? ?(Z|[+-]\d\d:?\d\d(?::\d\d)?)?")


SUPPORTED = ("2.1", "3.0")
"""Series of releases; Ubuntu 22.04 has 2.1.2, Ubuntu 24.04 2.1.6."""

FORMAT = "2"
"""Major number of the schema of the tools' XML (`api-version`): 2.9 in 2.1.0, 2.25 in 2.1.5."""

_VERSION = re.compile(r"(\d+\.\d+)\.\d+(?:[^\d.].*)?")


class PacemakerError(Exception):
    """The cluster did not answer, refused, or answered with something unreadable."""


class Unsupported(PacemakerError):  # noqa: N818 - says what is so
    """A release of Pacemaker that this project does not know; the text says which it knows."""


def check_name(node: str) -> None:
    """Refuse what cannot be a node's name.

    Raises:
        ValueError: it cannot.
    """
    if not NODE_NAME.fullmatch(node):
        raise ValueError(f"{node!r} cannot be the name of a node")


def run(runner: Runner, argv: Sequence[str], *, timeout: float, text: str | None = None) -> str:
    """Run one of Pacemaker's commands.

    Args:
        runner: runs it.
        argv: program and arguments.
        timeout: seconds it may take.
        text: for its standard input.

    Returns:
        what it printed.

    Raises:
        PacemakerError: it failed; the text is the last line of its own error.
    """
    return output(argv, runner.run(argv, input=text, timeout=timeout, check=False))


def output(argv: Sequence[str], result: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed.

    Raises:
        PacemakerError: it failed.
    """
    if result.returncode != 0:
        text = (result.stderr or result.stdout).strip()
        last = text.splitlines()[-1] if text else "no output"
        raise PacemakerError(f"{argv[0]} ended with {result.returncode}: {last}")
    return result.stdout


def parse(text: str) -> ET.Element:
    """Read XML.

    Raises:
        PacemakerError: it is not well-formed.
    """
    try:
        return ET.fromstring(text)  # noqa: S314 - the cluster's own tools on the same machine
    except ET.ParseError as error:
        raise PacemakerError(f"unreadable XML: {error}") from None


def parse_result(text: str) -> ET.Element:
    """Read what a tool prints with `--output-as=xml`.

    Raises:
        Unsupported: it is in a format that is not known.
        PacemakerError: it is something else, or not all of it.
    """
    root = parse(text)
    end = root.find("status")
    if root.tag != "pacemaker-result" or end is None or end.get("code") != "0":
        raise PacemakerError("one of the cluster's tools did not answer, or not to the end")
    check_format(root.get("api-version", ""))
    return root


def parse_time(text: str | None) -> float | None:
    """Read a time as Pacemaker prints it, such as `2026-11-21 01:45:14.123456Z`.

    Returns:
        seconds since the epoch, or None where there is no readable time. A time without a zone is
        in local time.
    """
    match = _TIME.fullmatch((text or "").strip())
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    moment = datetime.datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S")
    if zone:
        sign = -1 if zone.startswith("-") else 1
        digits = re.sub(r"\D", "", zone).ljust(4, "0")
        offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
        moment = moment.replace(tzinfo=datetime.timezone(sign * offset))
    return moment.timestamp() + float(fraction or 0)


def check_release(version: str) -> None:
    """Refuse the cluster of a release that is not known.

    Args:
        version: as the designated controller says it, such as `2.1.5-a3f44794f94`.

    Raises:
        Unsupported: it is none of `SUPPORTED`.
        PacemakerError: there is no word of it, as just after the controller was elected.
    """
    if not version:
        raise PacemakerError("the cluster's controller does not say yet which Pacemaker it is")
    match = _VERSION.fullmatch(version)
    if match is None or match[1] not in SUPPORTED:
        known = " and ".join(f"{series}.x" for series in SUPPORTED)
        said = version.partition("-")[0]
        raise Unsupported(
            f"Pacemaker {said} is not supported, only {known} are: nothing in its cluster is read"
            " or changed"
        )


def check_format(version: str) -> None:
    """Refuse an answer whose schema is not known; see `FORMAT`.

    Raises:
        Unsupported: it is not.
    """
    if not re.fullmatch(rf"{FORMAT}\.\d+", version):
        raise Unsupported(
            f"the cluster's tools answer in format {version or '(none)'}, and only {FORMAT}.x is"
            " known: nothing in the cluster is read or changed"
        )
