"""``lab/lab``: the lab's machines and faults on the command line."""
