"""Storage that fails for several hosts at once, and the choice not to fence at all."""

from __future__ import annotations

from matrix_lab import UNDECIDED, Matrix


def test_two_hosts_lose_their_storage_at_once_and_both_recover(matrix: Matrix) -> None:
    trial = matrix.trial
    lost = trial.hypervisors()[1:3]
    trial.populate(*lost)
    with trial.watched(f"storage down: {', '.join(lost)}"):
        for host in lost:
            matrix.cut(host, "storage")
        trial.await_recovery(*lost)
    trial.verify(*lost)
    matrix.return_to_duty(*lost)


def test_more_than_the_limit_are_not_fenced_and_the_status_says_so(matrix: Matrix) -> None:
    trial = matrix.trial
    juju = trial.demo.console.juju
    lost = trial.hypervisors()[1:3]
    juju("config", "masakari", "report-limit-hosts=1")
    trial.repair(juju, "config", "masakari", "report-limit-hosts=2")
    trial.demo.console.wait_active("the limit", timeout=120)
    trial.populate(*lost)
    with trial.watched(f"storage down: {', '.join(lost)}; the limit is 1"):
        for host in lost:
            matrix.cut(host, "storage")
        matrix.await_maintenance(*lost)
        trial.await_nothing(UNDECIDED)
        trial.await_status("masakari", "were reported failed", "the limit is 1")
    matrix.return_to_duty(*lost)
    trial.await_nothing()


def test_a_storage_outage_for_everybody_fences_nobody(matrix: Matrix) -> None:
    trial = matrix.trial
    hosts = trial.hypervisors()
    trial.populate(*hosts, count=1)
    with trial.watched("storage down for everybody"):
        for host in hosts:
            matrix.cut(host, "storage")
        trial.await_status("masakari-monitors", "storage network")
        trial.await_nothing(UNDECIDED)
        for host in hosts:
            matrix.mend(host)
        trial.await_nothing()
    assert not matrix.maintenance()


def test_without_fencing_of_the_reported_the_host_is_only_put_into_maintenance(
    matrix: Matrix,
) -> None:
    trial = matrix.trial
    juju = trial.demo.console.juju
    host = trial.hypervisors()[1]
    juju("config", "masakari", "fence-reported-failed=never", "fencing-timeout=20")
    trial.repair(juju, "config", "masakari", "fence-reported-failed=always", "fencing-timeout=120")
    trial.demo.console.wait_active("the choice", timeout=120)
    trial.populate(host)
    with trial.watched(f"storage down: {host}; reported hosts are never fenced"):
        matrix.cut(host, "storage")
        matrix.await_maintenance(host)
        trial.await_nothing(UNDECIDED)
        trial.await_status("masakari", f"Recovery of {host} refused", "never")
    matrix.return_to_duty(host)
    trial.await_nothing()
