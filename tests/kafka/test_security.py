from __future__ import annotations

import logging

import pytest
from pydantic import ValidationError

from pengi_stream.kafka.client.connect import tame_library_log
from pengi_stream.kafka.security import SecurityConfig

PLAIN = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "alice", "password": "pass-secret"}
BEARER = {"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER", "token": "token-secret"}


def security(**keys: object) -> SecurityConfig:
    return SecurityConfig.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"protocol": "SASL_SSL"}, "protocol SASL_SSL needs `mechanism`"),
        ({"protocol": "SASL_SSL", "mechanism": "PLAIN"}, "needs `password`, `username`"),
        ({**PLAIN, "password": None}, "needs `password`"),
        ({"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER"}, "needs `token`"),
        ({**PLAIN, "token": "t"}, "`token` means nothing with protocol SASL_SSL and mechanism PLAIN"),
        ({**BEARER, "password": "p"}, "`password` means nothing with protocol SASL_SSL and mechanism OAUTHBEARER"),
        ({"username": "alice"}, "`username` means nothing with protocol PLAINTEXT; use protocol SASL_PLAINTEXT"),
        ({"mechanism": "PLAIN"}, "`mechanism` means nothing"),
        ({"ca_file": "ca.pem"}, "`ca_file` means nothing with protocol PLAINTEXT; use protocol SSL or SASL_SSL"),
        ({"protocol": "SSL", "key_file": "a.key"}, "`key_file` means nothing with protocol SSL; it belongs to a"),
        ({"protocol": "TLS"}, "protocol"),
        ({"protocol": "SASL_SSL", "mechanism": "GSSAPI"}, "mechanism"),
        ({"cafile": "ca.pem"}, "unknown key 'cafile'; did you mean 'ca_file'?"),
        ({**BEARER, "token": {"env": "NO_SUCH_VARIABLE"}}, "NO_SUCH_VARIABLE is not set; it should hold the token"),
        ({**BEARER, "token": {"file": "/no/such"}}, "token file /no/such cannot be read"),
        ({**BEARER, "token": {"env": "A", "file": "B"}}, "a token is a string, {env: NAME} or {file: PATH}"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_words(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        security(**keys)
    messages = "; ".join(problem["msg"] for problem in caught.value.errors(include_input=False))
    places = "; ".join(str(problem["loc"]) for problem in caught.value.errors(include_input=False))
    assert said in messages + places
    assert "-secret" not in str(caught.value)


def test_a_token_in_the_environment_is_read_again_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_TOKEN", "first")
    provider = security(**{**BEARER, "token": {"env": "KAFKA_TOKEN"}}).client_options()["sasl_oauth_token_provider"]
    monkeypatch.setenv("KAFKA_TOKEN", "second")
    assert provider.token() == "second"


@pytest.mark.parametrize(
    "keys", [PLAIN, BEARER, {"protocol": "SSL", "cert_file": __file__, "key_password": "key-secret"}]
)
def test_no_secret_shows_where_settings_are_printed(keys: dict[str, object]) -> None:
    config = security(**keys)
    assert "-secret" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_kafka_pythons_lines_that_hold_secrets_are_never_written(caplog: pytest.LogCaptureFixture) -> None:
    """At debug it logs its settings, and the bytes of each login."""
    caplog.set_level(logging.DEBUG)
    tame_library_log()
    for name in ("kafka.admin.client", "kafka.net.connection", "kafka.protocol.parser"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
