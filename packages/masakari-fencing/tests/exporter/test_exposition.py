"""What is written is read by the field's own library as it was meant."""

from __future__ import annotations

from masakari_fencing.exporter.exposition import Metric, render
from prometheus_client.parser import text_string_to_metric_families


def test_read_by_prometheus_own_library() -> None:
    nasty = 'a "b"\\c\nd'
    text = render(
        [
            Metric("a_seconds", "gauge", "One\\two\nlines.").add(1.5, host=nasty).add(True),
            Metric("b_total", "counter", "B.").add(7, outcome="x"),
            Metric("c", "gauge", "Has no series."),
            Metric("d", "histogram", "D.").observe((0.5, 2.0), (1, 0, 2), 12.25, phase="p"),
        ]
    )
    read = {family.name: family for family in text_string_to_metric_families(text)}
    assert list(read) == ["a_seconds", "b", "d"]
    assert read["a_seconds"].documentation == "One\\two\nlines."
    assert [(s.labels, s.value) for s in read["a_seconds"].samples] == [
        ({"host": nasty}, 1.5),
        ({}, 1.0),
    ]
    assert read["b"].type == "counter"
    assert [(s.name, s.labels.get("le"), s.value) for s in read["d"].samples] == [
        ("d_bucket", "0.5", 1),
        ("d_bucket", "2", 1),
        ("d_bucket", "+Inf", 3),
        ("d_sum", None, 12.25),
        ("d_count", None, 3),
    ]


def test_times_keep_their_seconds() -> None:
    assert render([Metric("a", "gauge", "A.").add(1764349412.25)]).endswith("a 1764349412.25\n")
