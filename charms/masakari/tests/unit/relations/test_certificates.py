"""Vault's databag."""

from __future__ import annotations

import json

import pytest

import model
from relations import certificates


class TestCertificates:
    def test_golden_request(self) -> None:
        request = certificates.request(
            "masakari/0", {"juju-a-0.maas": ["10.6.0.31", "10.5.0.31", "10.5.100.1", "10.5.0.31"]}
        )
        assert request == {
            "unit_name": "masakari_0",
            "cert_requests": '{"juju-a-0.maas": {"sans": ["10.5.0.31", "10.5.100.1",'
            ' "10.6.0.31"]}}',
        }

    def test_answer_with_chain(self) -> None:
        issued = certificates.read(
            model.offer(chain=model.CHAIN_PEM), "masakari/0", ["node1.maas"]
        )
        assert issued is not None
        assert issued.authorities == model.OTHER_PEM + model.CHAIN_PEM
        [certificate] = issued.certificates
        assert certificate.pem == model.PEM + model.CHAIN_PEM + model.KEY
        assert "S0VZ" not in repr(certificate)

    def test_chain_is_not_repeated(self) -> None:
        answer = {"node1.maas": {"cert": model.PEM + model.CHAIN_PEM, "key": model.KEY}}
        bag = model.offer(chain=model.CHAIN_PEM)
        bag["masakari_0.processed_requests"] = json.dumps(answer)
        issued = certificates.read(bag, "masakari/0", ["node1.maas"])
        assert issued is not None
        assert issued.certificates[0].certificate.count("BEGIN") == 2

    def test_answer_in_the_old_form(self) -> None:
        bag = {
            "ca": model.OTHER_PEM,
            "masakari_0.server.cert": model.PEM,
            "masakari_0.server.key": model.KEY,
        }
        issued = certificates.read(bag, "masakari/0", ["node1.maas"])
        assert issued is not None
        assert issued.certificates[0].certificate == model.PEM
        partly = certificates.read(bag, "masakari/0", ["a", "b"])
        assert partly is not None
        assert ([c.name for c in partly.certificates], partly.missing) == (["a"], ("b",))

    @pytest.mark.parametrize(
        "bag",
        [
            {},
            {"ca": model.OTHER_PEM},
            {k: v for k, v in model.offer().items() if k != "ca"},
            {"ca": "x", **{k: v for k, v in model.offer().items() if k != "ca"}},
            model.offer(**{"masakari_0.processed_requests": "{"}),
            model.offer(**{"masakari_0.processed_requests": "[]"}),
            model.offer(**{"masakari_0.processed_requests": '{"node1.maas": 1}'}),
            model.offer(**{"masakari_0.processed_requests": '{"node1.maas": {"cert": null}}'}),
            {
                key.replace("masakari_0", "masakari_1"): value
                for key, value in model.offer().items()
            },
        ],
    )
    def test_incomplete(self, bag: dict[str, str]) -> None:
        assert certificates.read(bag, "masakari/0", ["node1.maas"]) is None

    def test_authorities_of_all_units_are_trusted(self) -> None:
        bags = {"vault/0": {"ca": model.PEM}, "vault/1": {}, "vault/2": model.offer()}
        assert certificates.authorities(bags) == model.PEM + model.OTHER_PEM
        assert certificates.authorities({"vault/0": {}}) is None

    def test_nothing_asked_for(self) -> None:
        assert certificates.read(model.offer(), "masakari/0", []) is None
