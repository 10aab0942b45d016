"""The API's private key as a secret of the model."""

from __future__ import annotations

import dataclasses

import ops
import pytest
from ops import testing

import model
from machine import Machine
from model import complete, with_config

PEM = "/etc/haproxy/masakari/00-ssl_cert.pem"
OTHER_KEY = model.KEY.replace("S0VZ", "WUVL")


def with_secret(secret: testing.Secret, *, known: bool = True, **config: str) -> testing.State:
    """The model with a certificate whose key is in a secret, which the unit can read or not."""
    options = {"ssl_cert": model.b64(model.PEM), "ssl-key-secret": secret.id, **config}
    return complete(config=options, secrets=[secret] if known else [])


@pytest.mark.parametrize("text", [model.KEY, f"junk\n{model.KEY}", model.b64(model.KEY)])
def test_the_key_of_a_secret_serves(ctx: testing.Context, machine: Machine, text: str) -> None:
    out = ctx.run(ctx.on.config_changed(), with_secret(testing.Secret({"ssl-key": text})))
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
    assert machine.read(PEM) == model.PEM + model.KEY
    assert machine.host.mode(PEM) == 0o600


def test_another_revision_is_taken_when_juju_tells_of_it(
    ctx: testing.Context, machine: Machine
) -> None:
    secret = testing.Secret({"ssl-key": model.KEY})
    out = ctx.run(ctx.on.config_changed(), with_secret(secret))
    newer = dataclasses.replace(secret, latest_content={"ssl-key": OTHER_KEY})
    out = ctx.run(ctx.on.secret_changed(newer), dataclasses.replace(out, secrets=[newer]))
    assert machine.read(PEM) == model.PEM + OTHER_KEY
    assert out.get_secret(id=secret.id).tracked_content == {"ssl-key": OTHER_KEY}


@pytest.mark.parametrize(
    ("content", "known", "cure"),
    [
        ({"ssl-key": model.KEY}, False, "run juju grant-secret, or correct the option"),
        (
            {"key": model.KEY},
            True,
            "no key ssl-key: run juju update-secret NAME ssl-key#file=KEY.pem",
        ),
        ({"ssl-key": "hunter2"}, True, "ssl-key in the secret is not a PEM private key"),
    ],
)
def test_a_secret_of_no_use_is_blocked_with_the_cure(
    ctx: testing.Context, machine: Machine, content: dict[str, str], known: bool, cure: str
) -> None:
    good = testing.Secret({"ssl-key": model.KEY})
    out = ctx.run(ctx.on.config_changed(), with_secret(good))
    bad = testing.Secret(content)
    state = with_config(
        dataclasses.replace(out, secrets=[good, bad] if known else [good]),
        ssl_cert=model.b64(model.PEM),
        **{"ssl-key-secret": bad.id},
    )
    out = ctx.run(ctx.on.config_changed(), state)
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith("ssl-key-secret: ")
    assert cure in out.unit_status.message
    assert "hunter2" not in out.unit_status.message
    assert machine.read(PEM) == model.PEM + model.KEY, "what served goes on serving"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"ssl_key": model.b64(model.KEY)}, "ssl_key and ssl-key-secret exclude each other"),
        ({"ssl_cert": ""}, "set both or neither"),
    ],
)
def test_a_secret_beside_the_wrong_options(
    ctx: testing.Context, machine: Machine, config: dict[str, str], text: str
) -> None:
    state = with_secret(testing.Secret({"ssl-key": model.KEY}), **config)
    out = ctx.run(ctx.on.config_changed(), state)
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert text in out.unit_status.message
