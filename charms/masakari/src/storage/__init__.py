"""Ceph as a second proof that a hypervisor is dead: this unit's access to its monitors."""
