"""Where packages come from: the values of `openstack-origin`."""

from __future__ import annotations

import dataclasses
import logging
import re

from instance_ha_common.host import Host

logger = logging.getLogger(__name__)

_RELEASE = re.compile(r"[a-z]{3,20}")
_PPA = re.compile(r"ppa:[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_CLOUD = re.compile(
    r"cloud:(?P<series>[a-z]+)"
    r"(?:-(?:updates/)?|-(?P<proposed_first>proposed)/)"
    r"(?P<release>[a-z]+)(?P<proposed>/proposed)?"
)
_LINE = re.compile(r"deb(?: \[[^\]\n|]*\])?(?: [^\s|]+){2,}")

_RECORD = "/var/lib/masakari-charm/origin"
"""The repository that the charm added to the machine's sources last."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """A source of packages.

    Attributes:
        repository: what `add-apt-repository` calls it; empty for the distribution's own archive.
        series: Ubuntu series that it is for; empty if any.
    """

    repository: str = ""
    series: str = ""


def parse(text: str) -> Origin:
    """Read a value of `openstack-origin`.

    Raises:
        ValueError: it is none of the known forms.
    """
    text = text.strip()
    if text in ("", "distro"):
        return Origin()
    if _LINE.fullmatch(text) or _PPA.fullmatch(text):
        return Origin(text)
    cloud = _CLOUD.fullmatch(text)
    if cloud:
        proposed = cloud["proposed"] or cloud["proposed_first"]
        return Origin(_cloud_archive(cloud["release"], bool(proposed)), cloud["series"])
    release, _, pocket = text.partition("/")
    if _RELEASE.fullmatch(release) and pocket in ("", "proposed"):
        return Origin(_cloud_archive(release, bool(pocket)))
    raise ValueError(
        f"openstack-origin: {text!r} is none of distro, a release such as caracal,"
        " cloud:jammy-caracal, ppa:OWNER/NAME or a line 'deb ...'"
    )


def _cloud_archive(release: str, proposed: bool) -> str:
    return f"cloud-archive:{release}{'-proposed' if proposed else ''}"


class Sources:
    """The machine's package sources, as far as the charm has added to them."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def current(self) -> str:
        """Repository that the charm added; empty if none."""
        return (self._host.read(_RECORD) or "").strip()

    def differ_from(self, wanted: Origin) -> bool:
        """Whether another origin is in use than `wanted`."""
        return self.current != self._usable(wanted).repository

    def check(self, wanted: Origin) -> None:
        """Refuse an origin that is not for this machine.

        Raises:
            ValueError: `wanted` is for another series than the machine's.
        """
        series = self._os_release("VERSION_CODENAME")
        needed = self._usable(wanted).series
        if needed and needed != series:
            raise ValueError(f"openstack-origin: is for {needed}, but this machine runs {series}")

    def apply(self, wanted: Origin) -> bool:
        """Make `wanted` the origin of packages; refresh the package lists if that is a change.

        Returns:
            Whether it was one.

        Raises:
            ValueError: `wanted` is for another series than the machine's.
            CommandError: apt failed.
        """
        if self._usable(wanted) != wanted:
            logger.warning("%s is for Ubuntu only: not used", wanted.repository)
        wanted = self._usable(wanted)
        self.check(wanted)
        if not self.differ_from(wanted):
            return False
        if self.current:
            self._add_apt_repository("--remove", self.current)
        if wanted.repository:
            self._add_apt_repository(wanted.repository)
        self._host.apt.update()
        self._host.write(_RECORD, f"{wanted.repository}\n")
        return True

    def _usable(self, wanted: Origin) -> Origin:
        """`wanted` as far as this machine can have it: Ubuntu's archives are for Ubuntu."""
        ubuntus = wanted.repository.startswith(("cloud-archive:", "ppa:"))
        if ubuntus and self._os_release("ID") != "ubuntu":
            return Origin()
        return wanted

    def _add_apt_repository(self, *arguments: str) -> None:
        self._host.apt.install(["software-properties-common"])
        self._host.runner.run(
            ["add-apt-repository", "--yes", "--no-update", *arguments], timeout=300
        )

    def _os_release(self, key: str) -> str:
        text = self._host.read("/etc/os-release") or ""
        match = re.search(rf'^{key}="?([a-z]+)', text, re.MULTILINE)
        return match[1] if match else ""
