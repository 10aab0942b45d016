"""The demo: a running cloud, the overlay on top of it, a hypervisor lost, the guests back."""

import argparse
import signal
import sys

from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import Console, StepError
from jujulab.cloud.operator import try_next
from jujulab.errors import LabError, cure
from jujulab.juju import pack
from jujulab.juju.errors import JujuError
from jujulab.machines.lab import Lab
from jujulab.trials.deployment import PREFIX, SEGMENT, Deployment
from jujulab.trials.experiment import Experiment


def run(deployment: Deployment, count: int) -> list[str]:
    """Run all steps, some of which an earlier run may have done, and return what went wrong."""
    deployment.deploy_cloud()
    if "masakari" in deployment.console.status()["applications"]:
        deployment.restore()  # an earlier run has left its mark
    host = deployment.boot_guests(count, wait=False)
    deployment.deploy_overlay()
    deployment.await_guests(host)
    deployment.create_segment()
    experiment = Experiment(deployment)
    return experiment.lose_hypervisor(host) or experiment.kill_guest()


def main() -> None:
    """Run the demo; the exit status is 0 when every guest recovered and none ran twice."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.splitlines()[0])
    parser.add_argument("--guests", type=int, default=3, help="how many (default 3)")
    arguments = parser.parse_args()
    console = Console()
    lab = Lab()
    deployment = Deployment(lab, console)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with lab.claim():
            problems = run(deployment, arguments.guests)
            lost = [] if problems else deployment.off_duty()
    except (StepError, CloudError, LabError, JujuError, pack.PackError, OSError) as error:
        sys.exit(f"\nFAILED after {console.elapsed:.0f} s: {error}{cure(str(error))}")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; `make demo` goes on from here, `make clean` removes everything")
    finally:
        deployment.close()
    if problems:
        sys.exit("\nFAILED:\n  " + "\n  ".join(problems))
    print(f"\nAll guests recovered and none ran twice. ({console.elapsed:.0f} s in all)")
    print("The lab is still up; `make clean` removes it. Try next:\n")
    print("".join(f"    {line}\n" for line in try_next(SEGMENT, lost[0], f"{PREFIX}2")))


if __name__ == "__main__":
    main()
