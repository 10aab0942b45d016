"""The charm's options, validated."""

from __future__ import annotations

import dataclasses

from instance_ha_common.machine import hostname


@dataclasses.dataclass(frozen=True)
class Config:
    """Options as the charm uses them.

    Raises:
        ValueError: an option has an impossible value; the text names it and the cure.
    """

    enable_stonith: bool = False
    enable_resources: bool = False
    remote_hostname: str = ""

    def __post_init__(self) -> None:
        if self.remote_hostname and not hostname.is_valid(self.remote_hostname):
            raise ValueError(f"remote-hostname: {self.remote_hostname!r} is not a host name")
