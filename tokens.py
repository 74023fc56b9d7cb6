"""Tokens: the signing key that is shared with a Vela server, and the JSON Web Tokens (RFC 7519) signed with it."""

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt

from build_admin.models.stores.disk import give_name, make_folder
from build_admin.settings import Settings, SettingsError

#: Minimum length of a signing key in bytes (RFC 7518, section 3.2).
MIN_KEY_LENGTH = 32

#: Seconds by which two clocks may differ.
LEEWAY = 30

#: Maximum length of a token in characters; a Vela server's have about 300.
MAX_TOKEN_LENGTH = 8192

#: How many Authorization headers are cached, so that a client's next request needs no signature check.
_CACHED = 1024

# RFC 6750, section 2.1; the scheme is case-insensitive (RFC 9110, section 11.1).
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)

#: A subject that a revision can have: without a NUL and without lone surrogates.
_STORABLE = re.compile("[^\0\ud800-\udfff]+")


class NoKey(SettingsError):
    """There is no signing key yet; the first start of the service creates one."""


class TokenRefused(Exception):
    """A token that is not accepted; the message says why, in a sentence for the client.

    Attributes:
        reason: the label of the metric that counts refused tokens; one of a fixed set.

    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class _Claims:
    """The cached claims of a token whose signature is verified; its times are compared at each request."""

    subject: str
    expires: float
    not_before: float

    def check(self, now: float) -> None:
        """Raise TokenRefused if the token is not valid at `now` (Unix seconds), with a tolerance of LEEWAY."""
        if now >= self.expires + LEEWAY:
            raise TokenRefused("expired", "The token has expired; get a new one.")
        if now < self.not_before - LEEWAY:
            raise TokenRefused("not_yet_valid", "The token is not valid yet; are both clocks right?")


class Tokens:
    """Issues and verifies the tokens of platform administrators, with HS256 only."""

    def __init__(self, key: bytes, previous_key: bytes | None = None) -> None:
        """Sign tokens with `key`; accept those that are signed with it or with `previous_key`."""
        self._key = key
        self._accepted = (key, previous_key) if previous_key else (key,)
        self._claims = lru_cache(_CACHED)(self._read)

    def issue(self, subject: str, seconds: int) -> str:
        """Return an administrator's token for `subject` that expires after `seconds`."""
        now = int(time.time())
        claims = {
            "sub": subject,
            "iat": now,
            "exp": now + seconds,
            "token_type": "UserAccess",
            "is_active": True,
            "is_admin": True,
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def verify(self, authorization: str | None) -> str:
        """Return the subject of the token in an Authorization header. Raises TokenRefused."""
        if not authorization:
            raise TokenRefused("missing", "Send an administrator's token: 'Authorization: Bearer <token>'.")
        claims = self._claims(authorization)
        claims.check(time.time())
        return claims.subject

    def _read(self, authorization: str) -> _Claims:
        bearer = _BEARER.fullmatch(authorization)
        if bearer is None or len(bearer[1]) > MAX_TOKEN_LENGTH:
            raise TokenRefused("malformed", "The Authorization header must be 'Bearer <token>', with one token.")
        for key in self._accepted:
            with contextlib.suppress(jwt.InvalidSignatureError):
                return _claims(_payload(bearer[1], key))
        raise TokenRefused("signature", "The token is not signed with this server's key.")


def _payload(token: str, key: bytes) -> dict[str, Any]:
    """Return the payload of a token whose signature is verified; `_claims` and `_Claims.check` verify the rest."""
    try:
        payload = json.loads(jwt.PyJWS().decode(token, key, algorithms=["HS256"]))
    except jwt.InvalidSignatureError:
        raise
    except jwt.InvalidAlgorithmError:
        raise TokenRefused("algorithm", "The token must be signed with HS256.") from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise TokenRefused("malformed", "The token is not a JSON Web Token.")
    return payload


def _claims(payload: Mapping[str, Any]) -> _Claims:
    """Return the claims of a payload. Raises TokenRefused unless it is an active administrator's access token."""
    if payload.get("token_type") != "UserAccess":
        raise TokenRefused("token_type", "This is no user's access token; log in to get one.")
    if payload.get("is_active") is not True or payload.get("is_admin") is not True:
        raise TokenRefused("not_admin", "The token's user is no active platform administrator.")
    subject = payload.get("sub")
    if not isinstance(subject, str) or not _STORABLE.fullmatch(subject):
        raise TokenRefused("claims", "The token must name its user in the claim 'sub'.")
    times = [payload.get("exp"), payload.get("nbf", 0), payload.get("iat", 0)]
    for value in times:
        # A comparison with NaN is never true, and so refuses it.
        if type(value) not in (int, float) or not 0 <= value < float("inf"):
            raise TokenRefused("claims", "The token's claims 'exp', 'nbf' and 'iat' must be numbers of Unix seconds.")
    return _Claims(subject, times[0], max(times[1:]))


def from_settings(settings: Settings, *, make: bool = False) -> Tokens:
    """Return the tokens of the signing key that the settings name, by default the file in the data folder.

    Args:
        settings: where the key is.
        make: whether a key is created in the data folder if there is none.

    Raises:
        SettingsError: the key is too short, or cannot be read or created.
        NoKey: there is none, and `make` is false.

    """
    previous = settings.previous_signing_key
    previous_key = _key(previous, "BUILD_ADMIN_PREVIOUS_SIGNING_KEY") if previous else None
    if settings.signing_key:
        return Tokens(_key(settings.signing_key, "BUILD_ADMIN_SIGNING_KEY"), previous_key)
    return Tokens(_key_in(key_file(settings), settings.signing_key_file is None, make), previous_key)


def key_file(settings: Settings) -> Path:
    """Return the file of the signing key, for settings that do not contain the key itself."""
    return settings.signing_key_file or settings.data / "signing.key"


def _key(text: str, source: str) -> bytes:
    key = text.encode("utf-8")
    if len(key) < MIN_KEY_LENGTH:
        raise SettingsError(f"{source} must have at least {MIN_KEY_LENGTH} bytes, not {len(key)}.")
    return key


def _key_in(file: Path, ours: bool, make: bool) -> bytes:
    try:
        if ours and not (file.is_symlink() or file.exists()):
            if not make:
                raise NoKey(
                    f"There is no signing key in the folder {file.parent.absolute()}; BUILD_ADMIN_DATA names the "
                    "service's folder, and its first start makes the key."
                )
            _make_key(file)
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        if not ours and isinstance(error, FileNotFoundError):
            raise SettingsError(
                f"There is no file {file}, which BUILD_ADMIN_SIGNING_KEY_FILE names; write a random text of at least "
                f"{MIN_KEY_LENGTH} bytes to it."
            ) from None
        raise SettingsError(f"The signing key {file} cannot be read or made: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"The signing key {file} is not text in UTF-8.") from None
    return _key(text.strip(), f"The signing key {file}")


def _make_key(file: Path) -> None:
    """Create a random key that only its owner can read. If several processes do so at once, all use the first one's."""
    make_folder(file.parent)
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(secrets.token_urlsafe(48) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            give_name(draft, file)
    finally:
        draft.unlink(missing_ok=True)
