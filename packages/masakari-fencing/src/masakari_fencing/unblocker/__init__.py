"""masakari-fencing-unblocker: keeps Pacemaker's controller from waiting for a dead hypervisor."""
