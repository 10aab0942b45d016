"""The administrator's way into the lab's cloud: credentials, the `openstack` client, a shell."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from jujulab.cloud.console import Console
from jujulab.errors import LabError
from jujulab.files import LAB
from jujulab.juju.errors import JujuError
from jujulab.machines.lab import Lab

NO_CLOUD = "no cloud runs in this lab; `make demo` brings one up"


def credentials(console: Console) -> dict[str, str]:
    """Ask Keystone's charm for the administrator's password; return what `v3.Password` takes.

    Raises:
        LabError: the lab has no Keystone yet.
        StepError: its charm gives no password.
    """
    applications = console.status()["applications"]
    units = (applications.get("keystone") or {}).get("units") or {}
    address = next((unit.get("public-address") for unit in units.values()), None)
    if not address:
        raise LabError(NO_CLOUD)
    results = console.run_action("keystone/leader", "get-admin-password")
    return {
        "auth_url": f"http://{address}:5000/v3",
        "username": "admin",
        "password": str(results["admin-password"]),
        "project_name": "admin",
        "user_domain_name": "admin_domain",
        "project_domain_name": "admin_domain",
    }


def environment(auth: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell OpenStack's clients who asks, as an openrc file does."""
    variables = {f"OS_{name.upper()}": value for name, value in auth.items()}
    # The client's own default is newer than Masakari of Zed, and is refused by it.
    versions = {"OS_IDENTITY_API_VERSION": "3", "OS_HA_API_VERSION": "1.2"}
    return variables | versions | {"OS_AUTH_TYPE": "password"}


def _environment(lab: Lab) -> dict[str, str]:
    """Return this process's variables, with the credentials unless they are there already."""
    if not lab.network.path().exists():
        raise LabError(NO_CLOUD)
    if os.environ.get("OS_AUTH_URL"):
        return dict(os.environ)
    try:
        return os.environ | environment(credentials(Console(quiet=True)))
    except JujuError as error:
        raise LabError(str(error)) from error


def openstack(lab: Lab, arguments: Sequence[str]) -> NoReturn:
    """Become the `openstack` client, in the lab's network, to which the host has no route.

    Raises:
        LabError: there is no cloud, or no client beside this Python.
    """
    client = Path(sys.executable).with_name("openstack")
    if not client.exists():
        raise LabError(f"{client} is missing; `make venv` installs it")
    variables = _environment(lab)
    # It imports hundreds of modules, which the first call compiles, for all the others.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    variables["PYTHONPYCACHEPREFIX"] = str(lab.cache / "python")
    network = f"--net={lab.network.path()}"
    os.execvpe("nsenter", ["nsenter", network, str(client), *arguments], variables)  # noqa: S606


def shell(lab: Lab, arguments: Sequence[str]) -> NoReturn:
    """Become a shell, with arguments for bash, in which the commands are the lab's.

    Raises:
        LabError: there is no cloud.
    """
    path = f"{LAB}:{os.environ['PATH']}"
    variables = _environment(lab) | {"PATH": path, "LAB_COMMANDS": str(LAB)}
    rc = str(LAB / "shell.rc")
    os.execvpe("bash", ["bash", "--rcfile", rc, *arguments], variables)  # noqa: S606


def try_next(segment: str, host: str, guest: str) -> list[str]:
    """Return what to try after the demo with its segment, the host that was lost, and a guest."""
    return [
        "lab/openstack server list --long --all-projects -c Name -c Host",
        f"lab/openstack segment host list {segment} -c name -c reserved -c on_maintenance",
        f"lab/juju run masakari/leader return-host host={host} --wait=5m",
        f"lab/openstack server set --property HA_Enabled=True {guest}",
        "lab/lab shell",
    ]
