"""The syntax of Juju's names, bases and constraints."""

from __future__ import annotations

import re

_NUMBER = r"(?:0|[1-9][0-9]*)"
APPLICATION = r"(?:[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*)"
ENDPOINT = r"(?:[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*)"
STORAGE = r"(?:[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*)"

_BASE = re.compile(
    r"(ubuntu|centos|genericlinux)@([0-9]+(?:\.[0-9]+)?)(?:/(stable|candidate|beta|edge))?"
)
_SERIES = {
    "bionic": "ubuntu@18.04",
    "focal": "ubuntu@20.04",
    "jammy": "ubuntu@22.04",
    "noble": "ubuntu@24.04",
}
_CHANNEL = re.compile(r"(?:[A-Za-z0-9._-]+/)?(?:stable|candidate|beta|edge)(?:/[A-Za-z0-9._-]+)?")
_TRACK = re.compile(r"[A-Za-z0-9._-]+")


def is_application(name: str) -> bool:
    """Whether an application can have this name: `nova-compute`, but not `nova-compute-2`."""
    return re.fullmatch(APPLICATION, name) is not None


def is_machine(name: str) -> bool:
    """Whether this is the number of a machine, and not of a container."""
    return re.fullmatch(_NUMBER, name) is not None


def parse_base(text: str) -> str:
    """Normalise a base such as `ubuntu@22.04` or `ubuntu@22.04/stable`.

    Raises:
        ValueError: It is not one.
    """
    match = _BASE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a base; write it as ubuntu@22.04')
    risk = match[3]
    return f"{match[1]}@{match[2]}" + (f"/{risk}" if risk and risk != "stable" else "")


def base_of_series(series: str) -> str:
    """Return the base that a series of Ubuntu stands for.

    Raises:
        ValueError: It is not the name of a series.
    """
    if series not in _SERIES:
        raise ValueError(f'series "{series}" is not known; write a base such as ubuntu@22.04')
    return _SERIES[series]


def check_channel(text: str) -> None:
    """Check a channel: `2024.1/stable`, `stable`, `latest/edge/fix`, or a track alone.

    Raises:
        ValueError: It is not one.
    """
    if not (_CHANNEL.fullmatch(text) or _TRACK.fullmatch(text)):
        raise ValueError(f'"{text}" is not a channel; write it as track/risk, 2024.1/stable')


def charm_name(reference: str) -> str:
    """Return the charm's name in a Charmhub reference: `keystone`, `ch:keystone`.

    Raises:
        ValueError: It is not a reference that a bundle can have; the text says why.
    """
    schema, colon, name = reference.rpartition(":")
    if colon and schema == "cs":
        raise ValueError("the charm store (cs:) is gone; name the Charmhub charm alone")
    if colon and schema != "ch":
        raise ValueError(f'"{reference}" is neither the name of a Charmhub charm nor a path')
    name = name.rpartition("/")[2]
    if re.fullmatch(rf"{APPLICATION}-{_NUMBER}", name):
        raise ValueError(f'"{reference}" has a revision in its name; use the key revision')
    if not is_application(name):
        raise ValueError(f'"{reference}" is not the name of a charm')
    return name


def is_path(reference: str) -> bool:
    """Whether a bundle's `charm` is a path and not the name of a Charmhub charm."""
    return reference.startswith((".", "/"))
