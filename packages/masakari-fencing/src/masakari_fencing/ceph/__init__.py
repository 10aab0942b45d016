"""The wire to Ceph: who may write to it, and which hypervisor comes from which address."""
