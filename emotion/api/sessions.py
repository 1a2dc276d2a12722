"""Browsers that have signed in: a signed cookie, so that the server keeps no list."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Final

from itsdangerous import BadSignature, TimestampSigner
from starlette.responses import Response

from emotion.services.access import Access, Identity

_DAYS: Final = 7
_AGE_S: Final = _DAYS * 24 * 3600


class Sessions:
    """Signs cookies and reads them.

    A restart ends all sessions, as does a change of the key or the password.

    Args:
        access: Knows which keys and passwords are valid now.
        port: Of the server: browsers share cookies between the ports of a host.
    """

    def __init__(self, access: Access, port: int) -> None:
        self._access = access
        self._name = f"emotion_session_{port}"
        self._signer = TimestampSigner(secrets.token_bytes(32), digest_method=hashlib.sha256)

    def begin(self, identity: Identity, response: Response, secure: bool) -> None:
        """Has an answer set the cookie.

        Args:
            identity: Who has signed in.
            response: The answer.
            secure: Whether the browser may send it by https only.
        """
        value = self._signer.sign(f"{identity.fingerprint}.{identity.name}").decode()
        response.set_cookie(
            self._name, value, max_age=_AGE_S, httponly=True, secure=secure, samesite="lax"
        )

    def end(self, response: Response) -> None:
        """Has an answer remove the cookie."""
        response.delete_cookie(self._name, httponly=True, samesite="lax")

    def identity(self, cookies: Mapping[str, str]) -> Identity | None:
        """Who has signed in, by the cookies of a request; None if nobody."""
        try:
            text = self._signer.unsign(cookies.get(self._name, ""), max_age=_AGE_S).decode()
        except (BadSignature, UnicodeDecodeError):
            return None
        fingerprint, _, name = text.partition(".")
        return self._access.session(name, fingerprint)
