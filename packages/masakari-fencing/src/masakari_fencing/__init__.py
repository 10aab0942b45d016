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

EVACUATE_TASK = "recover_instances_task"
"""Entry point name of the task that brings the instances up elsewhere."""

_PRE = ",".join(f"'{task}'" for task in PRE_TASKS)

AUTO_RECOVERY_TASKS = f"pre:[{_PRE}],main:['{EVACUATE_TASK}'],post:[]"
"""Value of `[taskflow_driver_recovery_flows] host_auto_failure_recovery_tasks`."""

RESERVED_HOST_RECOVERY_TASKS = AUTO_RECOVERY_TASKS
"""Value of `[taskflow_driver_recovery_flows] host_rh_failure_recovery_tasks`.

Masakari repeats `main` for each reserved host.
"""

DRIVER = "fencing_driver"
"""Value of `[DEFAULT] notification_driver`: Masakari's own, which ends each recovery's record."""

INSTANCE_RECOVERY_TASKS = (
    "pre:['stop_instance_promptly_task'],main:['start_instance_persistently_task'],"
    "post:['confirm_instance_promptly_task']"
)
"""Value of `[taskflow_driver_recovery_flows] instance_failure_recovery_tasks`."""

PROCESS_RECOVERY_TASKS = (
    "pre:['disable_compute_node_task'],main:['confirm_compute_node_closed_task'],post:[]"
)
"""Value of `[taskflow_driver_recovery_flows] process_failure_recovery_tasks`.

Masakari's own fails where `wait_period_after_service_update` is 0; see `workflow.process_tasks`.
"""

UNFINISHED_INTERVAL = 30
"""Value of `[DEFAULT] process_unfinished_notifications_interval`, in seconds: how often an engine
takes up what another has failed or not begun. Masakari's own is 120, for which instances stay
down; the recovery lock keeps two engines from one host."""

NEW_INTERVAL = 20
"""Value of `[DEFAULT] retry_notification_new_status_interval`, in seconds: after so long the
message of a notification that is still `new` counts as lost. Masakari's own is 60."""

SHARED_LOGIN = "masakari_shared_password"
"""Value of `[keystone_authtoken] auth_type` for masakari-engine; see `workflow.shared_login`."""
