"""How much each part costs with more and more hypervisors: `make scale`, as root.

A machine of the lab gets the real Pacemaker, whose commands answer from a recorded cluster
(`CIB_file`): three members, and so many hypervisors as hacluster and this project configure them.
Each part of this project that looks at the cluster again and again, or acts on it, then does so,
and its processor time, that of Pacemaker's commands included, is measured. The last column says
how it grows: the exponent of a power law through the two largest sizes. 1 is as the number of
hypervisors, 2 as its square; what Pacemaker's own command takes is in the first lines.

No cluster runs there: what Pacemaker's daemons take, and how soon something is fenced, is what
`make scale REMOTES=64` measures (`jujulab.scale`).
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from jujulab.errors import LabError
from jujulab.files import REPOSITORY
from jujulab.machines.lab import Lab, Machine
from jujulab.scale import readings

SIZES = (4, 64, 300, 1000, 3000)
INSTALLATION = 300
TIMEOUT = 900
HERE = Path(__file__).resolve().parent
PACKAGES = REPOSITORY / "packages" / "masakari-fencing" / "src"


def measure(machine: Machine, sizes: list[int]) -> list[dict[str, float]]:
    """Return the seconds of processor time of each part, by its name, for each size."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y pacemaker pacemaker-cli-utils"
    machine.run(["sh", "-c", f"{install} >/dev/null 2>&1"], timeout=INSTALLATION)
    root = Path("/opt/scale")
    machine.run(["mkdir", "-p", str(root)], timeout=30)
    with tempfile.TemporaryDirectory() as scratch:
        archive = shutil.make_archive(f"{scratch}/package", "tar", PACKAGES)
        text = base64.b64encode(Path(archive).read_bytes()).decode()
    machine.run(["sh", "-c", f"cd {root} && base64 -d | tar x"], input=text, timeout=60)
    script = (HERE / "scale_inside.py").read_text(encoding="utf-8")
    found = []
    for size in sizes:
        argv = ["env", f"PYTHONPATH={root}", "python3", "-", str(size)]
        reply = machine.run(argv, input=script, timeout=TIMEOUT, check=False)
        if reply.returncode:
            raise LabError(f"{size} hypervisors: {reply.stderr.strip()[-1500:]}")
        found.append(json.loads(reply.stdout))
        print(f"{size} hypervisors: measured", file=sys.stderr)
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES, help="how many hypervisors")
    sizes = sorted(set(parser.parse_args().sizes))
    if os.geteuid() or sizes[0] < 1:
        sys.exit("scale: run it as root, with sizes of at least 1")
    lab = Lab(Path("/var/lib/juju-lab-scale"))
    try:
        with lab.claim():
            lab.up()
            try:
                machine = lab.create("0")
                machine.start()
                machine.wait_booted()
                print(readings.table("seconds of processor time", sizes, measure(machine, sizes)))
            finally:
                lab.clean()
    except LabError as error:
        sys.exit(f"scale: {error}")


if __name__ == "__main__":
    main()
