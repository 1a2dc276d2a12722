"""Errors of who may use the server; they belong to the tree of `emotion.core.errors`.

::

    EmotionError
    ├── ConfigError
    │   └── UnprotectedError, CredentialsError
    └── RequestError
        ├── UnauthorizedError, TriesError, OperatorOnlyError
        └── HostForbiddenError, OriginForbiddenError, SharedServerError, HistoryOffError
"""

from __future__ import annotations

from emotion.core.errors import ConfigError
from emotion.core.request_errors import RequestError


class UnprotectedError(ConfigError):
    """The server would be open to others without a key or a password."""

    code = "unprotected"
    template = "anyone who reaches {address} could use this server and read its recordings"
    hint = (
        "Protect it with --api-key-file or --auth-file (see `python -m emotion access --help`), "
        "or accept the risk with --allow-unprotected"
    )


class CredentialsError(ConfigError):
    """A file of keys or passwords cannot be used."""

    code = "credentials_invalid"
    template = "{file} cannot be used ({reason})"
    hint = (
        "Add entries with `python -m emotion access add-key` or `python -m emotion access add-user`"
    )


class UnauthorizedError(RequestError):
    """The request carries no key or password that is valid."""

    code = "unauthorized"
    template = "a valid API key or password is needed"
    hint = "Send the key in the header: Authorization: Bearer KEY"


class TriesError(RequestError):
    """Too many wrong keys or passwords came from the address."""

    code = "too_many_tries"
    template = "too many wrong keys or passwords"
    hint = "Try again in {wait_s} s"


class OperatorOnlyError(RequestError):
    """Only operators may do this."""

    code = "operator_only"
    template = "only operators of this server may do this"
    hint = "Use the key or the account of an operator"


class HostForbiddenError(RequestError):
    """The Host header names another server: the request may come through a rebound name."""

    code = "host_forbidden"
    template = "this server is not {host}"
    hint = "Name the address that people use with --public-url"


class OriginForbiddenError(RequestError):
    """A page of another origin tries to use the server through its visitor's browser."""

    code = "origin_forbidden"
    template = "pages of {origin} may not use this server"
    hint = "Open the server's own page, or call the API from a program"


class SharedServerError(RequestError):
    """Several people share the server and nothing tells them apart."""

    code = "shared_server"
    template = "stored runs are not shown on a server that several people share without keys"
    hint = "Start it with --api-key-file or --auth-file"


class HistoryOffError(RequestError):
    """The operator has switched the history off."""

    code = "history_off"
    template = "the history of this server is switched off"
    hint = "Its operator can start it without --no-history, and without EMOTION_HISTORY=0"
