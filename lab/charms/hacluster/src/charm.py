"""Stand-in for charm-hacluster: a real Corosync and Pacemaker cluster among its units.

It has two manners. `quick` brings the cluster in one step to what its neighbours ask for, and
forgets members that are gone, so that a lab is up in a minute. `real` does it in the steps of the
real charm, in their order and with their pauses, and leaves undone what that leaves undone.
"""

from __future__ import annotations

import actions
import standin
from corosync import Member
from hooks import Hacluster
from stepwise import Stepwise


def manners(unit: standin.Unit) -> Hacluster:
    """Return this unit with the manners that are asked for."""
    quick = Hacluster(unit)
    return Stepwise(unit) if quick.config.get("lab-manners") == "real" else quick


def main() -> None:
    """Run the hook or the action that Juju dispatched."""
    unit = standin.Unit()
    if unit.hook == "stop":  # Juju may answer nothing any more
        if Stepwise.marked(unit):
            Stepwise.leave(unit)
        else:
            Member(unit.root).leave()
        return
    unit.observe()
    hacluster = manners(unit)
    action = unit.environ.get("JUJU_ACTION_NAME", "")
    if action:
        actions.run(action, hacluster)
    else:
        hacluster.run()
        hacluster.tell()
    unit.commit()


if __name__ == "__main__":
    main()
