"""Tokens: which are accepted, and known attacks."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from service import ADMIN, BUILD, BUILDS, KEY, Service, running, status_of, token


def encoded(part: Any) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(payload: Any, header: Any = None, key: str = KEY, digest: Any = hashlib.sha256) -> str:
    """Return a token that is built without a library, and may be one that no library would make."""
    signing_input = f"{encoded(header or {'alg': 'HS256', 'typ': 'JWT'})}.{encoded(payload)}"
    return f"{signing_input}.{encoded(hmac.new(key.encode(), signing_input.encode(), digest).digest())}"


NOW = int(time.time())
CLAIMS = ADMIN | {"iat": NOW, "exp": NOW + 3600}
HEADER = {"alg": "HS256", "typ": "JWT"}
GOOD = signed(CLAIMS)


def claims_text(**replaced: str) -> bytes:
    """Return the claims as JSON, with some values replaced by JSON text."""
    texts = {name: json.dumps(value) for name, value in CLAIMS.items()} | replaced
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}").encode()


CLAIM_ATTACKS: dict[str, Any] = {
    "no exp": {**CLAIMS, "exp": None},
    "exp past the leeway": {**CLAIMS, "exp": NOW - 3600},
    "exp as a string": {**CLAIMS, "exp": str(NOW + 3600)},
    "exp as a boolean": {**CLAIMS, "exp": True},
    "exp as a list": {**CLAIMS, "exp": [NOW + 3600]},
    "exp NaN": claims_text(exp="NaN"),
    "exp Infinity": claims_text(exp="Infinity"),
    "exp 1e400": claims_text(exp="1e400"),
    "exp of 5000 digits": claims_text(exp="1" + "0" * 5000),
    "nbf in the future": {**CLAIMS, "nbf": NOW + 3600},
    "nbf as a string": {**CLAIMS, "nbf": "0"},
    "iat in the future": {**CLAIMS, "iat": NOW + 3600},
    "iat NaN": claims_text(iat="NaN"),
    "no sub": {name: value for name, value in CLAIMS.items() if name != "sub"},
    "sub empty": {**CLAIMS, "sub": ""},
    "sub null": {**CLAIMS, "sub": None},
    "sub a number": {**CLAIMS, "sub": 1},
    "sub a list": {**CLAIMS, "sub": ["octokitty"]},
    "sub with a NUL": {**CLAIMS, "sub": "a\0b"},
    "sub with a lone surrogate": claims_text(sub='"\\ud800"'),
    "is_admin false": {**CLAIMS, "is_admin": False},
    "is_admin a string": {**CLAIMS, "is_admin": "true"},
    "is_admin one": {**CLAIMS, "is_admin": 1},
    "no is_admin": {name: value for name, value in CLAIMS.items() if name != "is_admin"},
    "is_admin twice, false last": claims_text()[:-1] + b', "is_admin": false}',
    "is_admin nested": {**CLAIMS, "is_admin": {"is_admin": True}},
    "is_active false": {**CLAIMS, "is_active": False},
    "is_active a string": {**CLAIMS, "is_active": "true"},
    "no is_active": {name: value for name, value in CLAIMS.items() if name != "is_active"},
    "no token_type": {name: value for name, value in CLAIMS.items() if name != "token_type"},
    "payload a list": [CLAIMS],
    "payload a string": "admin",
    "payload no JSON": b"admin",
    "payload nested deep": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "payload not UTF-8": b'{"sub": "\xff"}',
    **{
        f"token_type {name}": {**CLAIMS, "token_type": name}
        for name in ("UserRefresh", "WorkerAuth", "WorkerRegister", "WorkerBuild", "IDRequest", "ID", "useraccess", "")
    },
}

TOKEN_ATTACKS: dict[str, str] = {
    **{
        f"alg {alg}": f"{encoded({'alg': alg, 'typ': 'JWT'})}.{encoded(CLAIMS)}."
        for alg in ("none", "None", "NONE", "nOnE", "", "HS256 ", "hs256")
    },
    "alg none, signed": signed(CLAIMS, {"alg": "none"}),
    "alg null": signed(CLAIMS, {"alg": None}),
    "alg a list": signed(CLAIMS, {"alg": ["HS256"]}),
    "no alg": signed(CLAIMS, {"typ": "JWT"}),
    "HS512": signed(CLAIMS, {"alg": "HS512"}, digest=hashlib.sha512),
    "HS384": signed(CLAIMS, {"alg": "HS384"}, digest=hashlib.sha384),
    "RS256 over the key": signed(CLAIMS, {"alg": "RS256"}),
    "ES256 over the key": signed(CLAIMS, {"alg": "ES256"}),
    "crit unknown": signed(CLAIMS, {**HEADER, "crit": ["admin"], "admin": True}),
    "crit b64": signed(CLAIMS, {**HEADER, "crit": ["b64"], "b64": False}),
    "kid a number": signed(CLAIMS, {**HEADER, "kid": 1}),
    "another key": signed(CLAIMS, key="another key, which this service does not know"),
    "an empty key": signed(CLAIMS, key=""),
    "jwk of one's own": signed(CLAIMS, {**HEADER, "jwk": {"kty": "oct", "k": encoded(b"x" * 32)}}, key="x" * 32),
    "jku of one's own": signed(CLAIMS, {**HEADER, "jku": "http://127.0.0.1:9/keys"}, key="x" * 32),
    "x5c of one's own": signed(CLAIMS, {**HEADER, "x5c": ["MAAA"]}, key="x" * 32),
    "kid as a path": signed(CLAIMS, {**HEADER, "kid": "../../dev/null"}, key=""),
    "payload tampered": f"{GOOD.split('.')[0]}.{encoded({**CLAIMS, 'sub': 'mallory'})}.{GOOD.split('.')[2]}",
    "signature tampered": GOOD[:-4] + ("AAAA" if GOOD[-4:] != "AAAA" else "BBBB"),
    "signature cut": GOOD[:-8],
    "no signature": GOOD.rpartition(".")[0] + ".",
    "two parts": GOOD.rpartition(".")[0],
    "four parts": GOOD + ".AAAA",
    "not base64": "a.b.c",
    "five parts, as if encrypted": GOOD + ".AAAA.AAAA",
    "a token in a token": signed(GOOD, {**HEADER, "cty": "JWT"}),
    "the key in base64": signed(CLAIMS, key=base64.b64encode(KEY.encode()).decode()),
    "the key and a line end": signed(CLAIMS, key=KEY + "\n"),
    "header nested deep": f"{encoded(b'[' * 6000)}.{encoded(CLAIMS)}.AAAA",
    "huge": signed({**CLAIMS, "more": "x" * 20_000}),
}


def refused(service: Service, authorization: str | None) -> None:
    answer = service.request("PUT", BUILD, b"{}", {"Authorization": authorization, "Content-Type": "application/json"})
    assert answer.status == 401, answer
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert list(answer.json) == ["error"]


def test_a_valid_token_is_accepted(service: Service) -> None:
    for good in (GOOD, signed({**CLAIMS, "exp": 2**60}), signed(CLAIMS, {**HEADER, "kid": "any"})):
        assert service.get(BUILDS, Authorization=f"Bearer {good}").status == 200
    for scheme in ("bearer", "BEARER", "Bearer  "):
        assert service.get(BUILDS, Authorization=f"{scheme} {GOOD}").status == 200


@pytest.mark.parametrize("name", CLAIM_ATTACKS)
def test_a_token_with_invalid_claims_is_refused(service: Service, name: str) -> None:
    refused(service, f"Bearer {signed(CLAIM_ATTACKS[name])}")


@pytest.mark.parametrize("name", TOKEN_ATTACKS)
def test_an_invalid_token_is_refused(service: Service, name: str) -> None:
    refused(service, f"Bearer {TOKEN_ATTACKS[name]}")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", GOOD, f"Basic {GOOD}", f"Token {GOOD}", f"Bearer {GOOD}, Bearer {GOOD}",
     f"Bearer {GOOD} {GOOD}", f'Bearer "{GOOD}"', f"Bearer\t{GOOD}", "Basic YWRtaW46YWRtaW4="],
)  # fmt: skip
def test_a_header_without_a_bearer_token_is_refused(service: Service, authorization: str | None) -> None:
    refused(service, authorization)


def test_a_token_outside_the_authorization_header_is_refused(service: Service) -> None:
    assert service.get(f"{BUILDS}?access_token={GOOD}", Authorization=None).status == 401
    assert service.get(BUILDS, Authorization=None, Cookie=f"Authorization=Bearer {GOOD}").status == 401
    assert service.get(BUILDS, Authorization=None, X_Authorization=f"Bearer {GOOD}").status == 401


@pytest.mark.parametrize("first", [f"Bearer {GOOD}", "Bearer x", "Basic YWRtaW46YWRtaW4=", ""])
def test_two_authorization_headers_are_refused(service: Service, first: str) -> None:
    lines = [f"Authorization: {first}", f"Authorization: Bearer {GOOD}"]
    for headers in (lines, lines[::-1]):
        assert status_of(service, "GET", BUILDS, *headers) == 401
    assert status_of(service, "GET", BUILDS, lines[1]) == 200


def test_of_a_repeated_claim_the_last_one_counts(service: Service) -> None:
    # RFC 7519, section 4, allows it, and a Vela server does it.
    twice = claims_text()[:-1] + b', "is_admin": '
    assert service.get(BUILDS, Authorization=f"Bearer {signed(twice + b'true}')}").status == 200
    assert service.get(BUILDS, Authorization=f"Bearer {signed(twice + b'1}')}").status == 401


def test_the_leeway_is_30_seconds(service: Service) -> None:
    now = int(time.time())
    assert service.get(BUILDS, Authorization=f"Bearer {token(exp=now - 20)}").status == 200
    assert service.get(BUILDS, Authorization=f"Bearer {token(exp=now - 31)}").status == 401
    assert service.get(BUILDS, Authorization=f"Bearer {token(nbf=now + 20)}").status == 200
    assert service.get(BUILDS, Authorization=f"Bearer {token(nbf=now + 45)}").status == 401


def test_tokens_of_the_current_and_the_previous_key_are_accepted(data: Path) -> None:
    new = "the new key of the tests, which comes after the old one"
    with running(DATA=data, SIGNING_KEY=new, PREVIOUS_SIGNING_KEY=KEY) as service:
        for key in (KEY, new):
            assert service.get(BUILDS, Authorization=f"Bearer {token(key)}").status == 200
        assert (
            service.get(BUILDS, Authorization=f"Bearer {token('neither of the two keys, but as long')}").status == 401
        )
    with running(DATA=data, SIGNING_KEY=new) as service:
        assert service.get(BUILDS, Authorization=f"Bearer {token(KEY)}").status == 401
        assert service.get(BUILDS, Authorization=f"Bearer {token(new)}").status == 200
