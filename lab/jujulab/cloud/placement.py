"""Takes up the room on a hypervisor, so that no more guests fit on it."""

import uuid
from typing import Any

from jujulab.cloud.connection import Cloud

_CLASS = "MEMORY_MB"


class Room:
    """The memory that Placement has left on the hypervisors.

    What is taken belongs to consumers that are no guests: nova-compute leaves such claims alone.
    What Placement refuses is a CloudError.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._taken: list[str] = []

    def take(self, host: str) -> None:
        """Take all that is left on a hypervisor."""
        [provider] = self._get(f"/resource_providers?name={host}")["resource_providers"]
        path = f"/resource_providers/{provider['uuid']}"
        inventory = self._get(f"{path}/inventories")["inventories"][_CLASS]
        used = self._get(f"{path}/usages")["usages"][_CLASS]
        capacity = (inventory["total"] - inventory["reserved"]) * inventory["allocation_ratio"]
        left = int(capacity) - used
        while left > 0:
            part = min(left, inventory["max_unit"])
            self._claim(provider["uuid"], part)
            left -= part

    def _claim(self, provider: str, amount: int) -> None:
        consumer = str(uuid.uuid4())
        claim = {"resource_provider": {"uuid": provider}, "resources": {_CLASS: amount}}
        body = {"allocations": [claim]}
        self._cloud.request("PUT", "placement", f"/allocations/{consumer}", body=body)
        self._taken.append(consumer)

    def give_back(self) -> None:
        """Give back everything that was taken."""
        while self._taken:
            self._cloud.request("DELETE", "placement", f"/allocations/{self._taken[-1]}")
            self._taken.pop()

    def _get(self, path: str) -> dict[str, Any]:
        return dict(self._cloud.get("placement", path))
