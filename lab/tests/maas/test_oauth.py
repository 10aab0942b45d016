import stat
from urllib.parse import quote

import pytest
from jujulab.maas.oauth import ApiKey, parse_header

KEY = ApiKey("consumer", "token", "se&cret")


def header(**changes):
    parameters = {
        "oauth_version": "1.0",
        "oauth_nonce": "n",
        "oauth_timestamp": "1700000000",
        "oauth_signature_method": "PLAINTEXT",
        "oauth_consumer_key": KEY.consumer,
        "oauth_token": KEY.token,
        "oauth_signature": f"&{KEY.secret}",
    } | changes
    quoted = (f'{k}="{quote(v, safe="")}"' for k, v in parameters.items() if v is not None)
    return "OAuth " + ", ".join(quoted)


def test_a_header_made_with_the_key_is_accepted():
    assert KEY.accepts(header())


@pytest.mark.parametrize(
    "changes",
    [
        {"oauth_consumer_key": "other"},
        {"oauth_token": "other"},
        {"oauth_signature": "&other"},
        {"oauth_signature": "se&cret"},
        {"oauth_signature": "&"},
        {"oauth_signature_method": "HMAC-SHA1"},
        {"oauth_signature": None},
        {"oauth_nonce": None},
        {"oauth_timestamp": None},
        {"oauth_token": "tökén"},
    ],
)
def test_any_difference_is_refused(changes):
    assert not KEY.accepts(header(**changes))


@pytest.mark.parametrize("text", [None, "", "Basic YTpi", "OAuth", "OAuth rubbish"])
def test_no_oauth_header_is_refused(text):
    assert not KEY.accepts(text)


def test_parameters_are_decoded():
    assert parse_header('OAuth realm="", oauth_signature="%26a%20b"') == {
        "realm": "",
        "oauth_signature": "&a b",
    }


@pytest.mark.parametrize("text", ["", "a:b", "a:b:c:d", "a::c"])
def test_a_key_has_three_parts(text):
    with pytest.raises(ValueError, match="consumer:token:secret"):
        ApiKey.parse(text)


def test_the_key_file_is_private_and_kept(tmp_path):
    path = tmp_path / "maas-credentials"
    key = ApiKey.at(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ApiKey.at(path) == key == ApiKey.parse(path.read_text())
    assert key.text.count(":") == 2


def test_the_secret_is_not_shown():
    assert KEY.secret not in repr(KEY)
