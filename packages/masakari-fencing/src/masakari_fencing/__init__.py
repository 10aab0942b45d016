"""Fence first, then recover: Masakari on top of Pacemaker's fencing."""

PRE_TASKS = (
    "ensure_host_fenced_task",
    "force_compute_service_down_task",
    "disable_compute_service_task",
)
"""Entry point names of the tasks that run before Masakari's own, in their order.

The service is forced down before it is disabled: Nova calls the compute service that it disables,
and that call to a dead host would only end with the RPC timeout.
"""

_PRE = ",".join(f"'{task}'" for task in PRE_TASKS)

AUTO_RECOVERY_TASKS = (
    f"pre:[{_PRE}],main:['prepare_HA_enabled_instances_task'],post:['evacuate_instances_task']"
)
"""Value of `[taskflow_driver_recovery_flows] host_auto_failure_recovery_tasks`."""

RESERVED_HOST_RECOVERY_TASKS = (
    f"pre:[{_PRE}],main:['prepare_HA_enabled_instances_task','evacuate_instances_task'],post:[]"
)
"""Value of `[taskflow_driver_recovery_flows] host_rh_failure_recovery_tasks`."""
