import pytest
from jujulab.trials import verdict
from jujulab.trials.verdict import Evacuation, Sighting

FENCES = {"Pacemaker": [("node1.maas", 100.0)], "MAAS": [("node1.maas", 99.7)]}


def test_reads_novas_evacuations_of_the_guests_that_matter():
    def record(guest, created):
        return {"instance_uuid": guest, "source_compute": "node1.maas", "created_at": created}

    records = [
        record("u1", "1970-01-01T00:01:40.000000"),
        record("u1", "1970-01-01T00:00:10.000000"),
        record("other", "1970-01-01T00:01:40.000000"),
    ]
    expected = [Evacuation("guest", "node1.maas", 100.0)]
    assert verdict.read_evacuations(records, {"u1": "guest"}, since=100.9) == expected


def test_reads_what_maas_really_switched_off():
    def entry(time, action, result):
        return {"time": time, "node": "node1", "action": action, "result": result}

    entries = [
        entry(9.0, "power_off", "off"),
        entry(10.0, "power_off", "accepted"),
        entry(11.0, "power_off", "off"),
        entry(12.0, "power_on", "boots"),
    ]
    assert verdict.read_power_cuts(entries, "maas", since=10.0) == [("node1.maas", 11.0)]


AUDIT = """\
{time}.461357+0000 mon.a (mon.0) 97 : audit [INF] from='client.? 10.77.4.107:0/35' \
entity='client.masakari' cmd=[{command}]: dispatch
{time}.641963+0000 mon.a (mon.0) 98 : audit [INF] from='client.? 10.77.4.107:0/35' \
entity='client.masakari' cmd='[{command}]': finished
"""


def test_reads_whom_ceph_has_shut_out():
    def entries(second, address, operation="add"):
        command = (
            f'{{"prefix": "osd blocklist", "blocklistop": "{operation}", "addr": "{address}"}}'
        )
        return AUDIT.format(time=f"1970-01-01T00:01:{second:02}", command=command)

    log = (
        entries(9, "10.77.4.11:0/0")
        + entries(40, "10.77.4.11:0/0")
        + entries(41, "10.77.4.12:0/0", "rm")
        + entries(42, "10.77.4.12:0/123")
        + entries(43, "10.77.3.12:0/0")
        + entries(44, "192.0.2.1:0/1", "rm")
        + AUDIT.format(time="1970-01-01T00:01:45", command='{"prefix": "df"}')
        + "1970-01-01T00:01:46.000000+0000 mon.a (mon.0) 1 : cluster [INF] half a li"
    )
    hosts = {"10.77.4.11": "node1.maas", "10.77.4.12": "node2.maas"}
    assert verdict.read_shut_out(log, hosts, since=99) == [("node1.maas", 100.641963)]


def test_an_evacuation_after_ceph_shut_its_host_out_is_right_before_the_power_is_off():
    early = Evacuation("guest", "node1.maas", 98)
    assert verdict.too_early([early], FENCES, [("node1.maas", 98.5)]) == []
    assert len(verdict.too_early([early], FENCES, [("node1.maas", 99.0)])) == 2
    assert len(verdict.too_early([early], FENCES, [("node2.maas", 90.0)])) == 2


def test_an_evacuation_after_the_fence_is_right():
    assert verdict.too_early([Evacuation("guest", "node1.maas", 100)], FENCES) == []


@pytest.mark.parametrize(
    ("evacuation", "said"),
    [
        (Evacuation("guest", "node1.maas", 99), ["Pacemaker"]),
        (Evacuation("guest", "node1.maas", 98), ["Pacemaker", "MAAS"]),
        (Evacuation("guest", "node2.maas", 200), ["Pacemaker", "MAAS"]),
    ],
)
def test_an_evacuation_before_the_fence_is_found(evacuation, said):
    problems = verdict.too_early([evacuation], FENCES)
    assert [problem.rpartition(" ")[2] for problem in problems] == said


def test_everybody_must_have_fenced_the_lost_hosts_and_no_other():
    assert verdict.without_cause(FENCES, ["node1.maas"]) == []
    assert verdict.without_cause(FENCES, []) == [
        "Pacemaker: node1.maas was fenced without cause",
        "MAAS: node1.maas was fenced without cause",
    ]
    assert verdict.without_cause({"MAAS": []}, ["node1.maas"]) == [
        "MAAS: node1.maas was not fenced"
    ]


@pytest.mark.parametrize(
    ("status", "forced", "problems"),
    [
        ("enabled", False, []),
        ("disabled", False, ["nova-compute of node1.maas is disabled"]),
        ("enabled", True, ["nova-compute of node1.maas is enabled and forced down"]),
    ],
)
def test_only_a_lost_host_may_be_out_of_service(status, forced, problems):
    service = {"host": "node1.maas", "status": status, "forced_down": forced}
    assert verdict.out_of_service([service], []) == problems
    assert verdict.out_of_service([service], ["node1.maas"]) == []


@pytest.mark.parametrize(
    ("sighting", "problem"),
    [
        (Sighting("guest", "lost", "other", 1, 0.2), None),
        (Sighting("guest", "lost", "lost", 0, 0.2), "guest is still on lost"),
        (Sighting("guest", "lost", "other", 0, 9), "guest has been silent for 9 s"),
        (Sighting("guest", "fine", "fine", 0, 0.2), None),
        (Sighting("guest", "fine", "fine", 1, 0.2), "guest was restarted"),
        (Sighting("guest", "fine", "fine", 0, 9), "guest has been silent for 9 s"),
        (Sighting("guest", "fine", "other", 0, 0.2), "guest was moved from fine to other"),
        (Sighting("guest", "lost", "other", 1, 0.2, "error"), "guest is error"),
        (Sighting("guest", "lost", "other", 1, 0.2, locked=True), "guest was left locked"),
        (
            Sighting("guest", "fine", "fine", 0, 0.2, "active, deleting"),
            "guest is active, deleting",
        ),
        (Sighting("guest", "rebooted", "rebooted", 1, 99, "stopped"), None),
        (Sighting("guest", "rebooted", "other", 1, 0), "guest was moved from rebooted to other"),
    ],
)
def test_guests_are_where_they_should_be_and_beat(sighting, problem):
    problems = verdict.disturbed([sighting], ["lost"], ["rebooted"])
    assert problems == ([] if problem is None else [problem])
