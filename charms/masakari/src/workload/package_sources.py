"""Where packages come from: the values of `openstack-origin`."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import re
import urllib.parse

from instance_ha_common.machine.host import Host

logger = logging.getLogger(__name__)

_RELEASE = re.compile(r"[a-z]{3,20}")
_PPA = re.compile(r"ppa:[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_CLOUD = re.compile(
    r"cloud:(?P<series>[a-z]+)"
    r"(?:-(?:updates/)?|-(?P<proposed_first>proposed)/)"
    r"(?P<release>[a-z]+)(?P<proposed>/proposed)?"
)
_LINE = re.compile(r"deb(?: \[[^\]\n|]*\])?(?: [^\s|]+){2,}")

_ACCOUNT = re.compile(r"//[^/@\s]*@")
"""The account of an archive that wants one, with its password."""

_ARCHIVE = re.compile(r"(?P<scheme>[a-z+]+)://(?P<account>[^/@\s]*)@(?P<where>\S+)")
"""The address of such an archive."""

_LOGINS = "/etc/apt/auth.conf.d"
"""Where apt looks for accounts of archives; see apt_auth.conf(5)."""

_RELEASES = (
    "yoga", "zed", "antelope", "bobcat", "caracal", "dalmatian", "epoxy", "flamingo", "gazpacho",
    "hibiscus",
)  # fmt: skip
"""OpenStack's releases with Masakari 13 to 22, the oldest first."""

_OWN_RELEASES = {"jammy": "yoga", "noble": "caracal"}
"""The OpenStack release in the archive of the series itself: no cloud archive has it there."""

_RECORD = "/var/lib/masakari-charm/origin"
"""The repository that the packages come from; below it all others that may be in the machine's
sources by the charm's doing: while there is any, the change of origin is not complete."""

_REFUSED = "/var/lib/masakari-charm/origin-refused"
"""The repository that could not be added last, and why."""


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
        if "@" in _public(text):
            raise ValueError(
                "openstack-origin: write each /, @ and blank in the archive's account as %2F, %40"
                " and %20"
            )
        _login(text)
        return Origin(text)
    cloud = _CLOUD.fullmatch(text)
    if cloud:
        proposed = cloud["proposed"] or cloud["proposed_first"]
        return Origin(_cloud_archive(cloud["release"], proposed=bool(proposed)), cloud["series"])
    release, _, pocket = text.partition("/")
    if _RELEASE.fullmatch(release) and pocket in ("", "proposed"):
        return Origin(_cloud_archive(release, proposed=bool(pocket)))
    raise ValueError(
        f"openstack-origin: {_shown(text)} is none of distro, a release such as"
        " caracal, cloud:jammy-caracal, ppa:OWNER/NAME or a line 'deb ...'"
    )


def _cloud_archive(release: str, *, proposed: bool) -> str:
    """What `add-apt-repository` calls a release of the cloud archive.

    Raises:
        ValueError: the charm does not know the release.
    """
    if release not in _RELEASES:
        raise ValueError(
            f"openstack-origin: OpenStack {release} is not supported, only {_RELEASES[0]} to"
            f" {_RELEASES[-1]} are"
        )
    return f"cloud-archive:{release}{'-proposed' if proposed else ''}"


def _login(repository: str) -> str:
    """What apt's own file of accounts must say; empty where none is needed.

    Raises:
        ValueError: that file cannot hold this account.
    """
    archive = _ARCHIVE.search(repository)
    if not archive:
        return ""
    name, _, password = map(urllib.parse.unquote, archive["account"].partition(":"))
    if not name or not password or re.search(r"\s", name + password):
        raise ValueError(
            "openstack-origin: the archive's account must be NAME:PASSWORD, without blanks"
        )
    where = archive["where"].rstrip("/")
    return f"machine {archive['scheme']}://{where}/ login {name} password {password}\n"


def _public(repository: str) -> str:
    """A repository without the account."""
    return _ACCOUNT.sub("//", repository)


def _shown(text: str) -> str:
    """What may be said of a value that is no repository: nothing, if it may hold a password."""
    return "the value" if "@" in text else repr(text)


def _login_file(repository: str) -> str:
    digest = hashlib.sha256(_public(repository).encode()).hexdigest()[:12]
    return f"{_LOGINS}/masakari-charm-{digest}.conf"


class Sources:
    """The machine's package sources, as far as the charm has added to them."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def current(self) -> str:
        """Repository that the packages come from; empty if it is the distribution's archive."""
        return self._record()[0]

    def differ_from(self, wanted: Origin) -> bool:
        """Whether the packages come from another origin than `wanted`, or may still do so."""
        return self._record() != [self._usable(wanted).repository]

    def check(self, wanted: Origin) -> None:
        """Refuse an origin that is not for this machine, or could not be added lately.

        Raises:
            ValueError: `wanted` is for another series than the machine's, or was refused.
        """
        self._check_series(wanted)
        repository, _, reason = (self._host.read(_REFUSED) or "").partition("\n")
        if reason and repository == self._usable(wanted).repository:
            raise ValueError(reason)

    def apply(self, wanted: Origin) -> bool:
        """Make `wanted` the origin of packages; refresh the package lists if that is a change.

        `complete` ends the change. Until then it is made again, whatever it was ended by.

        Returns:
            Whether it was one.

        Raises:
            ValueError: `wanted` is for another series than the machine's, or cannot be added;
                what there was before stays.
            CommandError: apt failed.
        """
        if self._usable(wanted) != wanted:
            logger.info("%s: the distribution's own archive is used", wanted.repository)
        self._check_series(wanted)
        wanted = self._usable(wanted)
        if not self.differ_from(wanted):
            return False
        current, *others = self._record()
        if wanted.repository:
            self._add(wanted.repository)
        present = dict.fromkeys([*others, wanted.repository])
        self._host.write(_RECORD, "".join(f"{name}\n" for name in (current, *present)), mode=0o600)
        for repository in dict.fromkeys([current, *others]):
            if _public(repository) not in ("", _public(wanted.repository)):
                self._remove(repository)
        self._host.apt.update()
        return True

    def complete(self, wanted: Origin) -> None:
        """Remember that the packages come from `wanted`."""
        self._host.write(_RECORD, f"{self._usable(wanted).repository}\n", mode=0o600)

    def _record(self) -> list[str]:
        return [line.strip() for line in (self._host.read(_RECORD) or "\n").splitlines()]

    def _check_series(self, wanted: Origin) -> None:
        series = self._os_release("VERSION_CODENAME")
        needed = self._usable(wanted).series
        if needed and needed != series:
            raise ValueError(f"openstack-origin: is for {needed}, but this machine runs {series}")

    def _usable(self, wanted: Origin) -> Origin:
        """`wanted` as far as this machine can have it, and does not have it anyway."""
        ubuntus = wanted.repository.startswith(("cloud-archive:", "ppa:"))
        if ubuntus and self._os_release("ID") != "ubuntu":
            return Origin()
        series = self._os_release("VERSION_CODENAME")
        own = _OWN_RELEASES.get(series)
        same = own is not None and wanted.repository == _cloud_archive(own, proposed=False)
        return Origin() if same and wanted.series in ("", series) else wanted

    def _add(self, repository: str) -> None:
        """Add a repository.

        Raises:
            ValueError: that cannot be done; remembered, so that not each hook has to try.
            CommandError: apt failed.
        """
        # The tool would show the account to everybody who lists processes, or reads its file.
        if login := _login(repository):
            self._host.write(_login_file(repository), login, mode=0o600)
        failure = self._add_apt_repository(_public(repository))
        if failure:
            reason = f"openstack-origin: cannot be added, set another value: {failure}"
            self._host.write(_REFUSED, f"{repository}\n{reason}", mode=0o600)
            raise ValueError(reason)
        self._host.remove(_REFUSED)

    def _remove(self, repository: str) -> None:
        """Remove a repository; one that the release of this machine does not know stays."""
        failure = self._add_apt_repository("--remove", _public(repository))
        if failure:
            logger.warning("the former origin of packages is not removed: %s", failure)
        self._host.remove(_login_file(repository))

    def _add_apt_repository(self, *arguments: str) -> str:
        """Run the tool; return the last line that it says when it fails, else nothing.

        Raises:
            CommandError: apt failed.
        """
        self._host.apt.install(["software-properties-common"])
        command = ["add-apt-repository", "--yes", "--no-update", *arguments]
        result = self._host.runner.run(command, timeout=300, check=False)
        if result.returncode == 0:
            return ""
        said = (result.stderr or result.stdout).strip().splitlines()
        last = (said or [f"exit code {result.returncode}"])[-1].strip()
        return _public(last)[:200]

    def _os_release(self, key: str) -> str:
        text = self._host.read("/etc/os-release") or ""
        match = re.search(rf'^{key}="?([a-z]+)', text, re.MULTILINE)
        return match[1] if match else ""
