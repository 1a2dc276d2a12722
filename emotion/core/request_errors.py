"""Errors of requests to the server; they belong to the tree of `emotion.core.errors`.

::

    EmotionError
    └── RequestError
        ├── RequestInvalidError, RequestTooLargeError, UploadTimeoutError, RequestTimeoutError
        ├── RouteNotFoundError, MethodNotAllowedError
        ├── InputForbiddenError, AddressForbiddenError, FetchError
        ├── RetryRefusedError, SwitchRefusedError
        └── InternalError
"""

from __future__ import annotations

from emotion.core.errors import EmotionError


class RequestError(EmotionError):
    """A request to the server cannot be answered."""

    code = "request_error"


class RequestInvalidError(RequestError):
    """The request is not what the call takes."""

    code = "request_invalid"
    template = "the request is not valid ({reason})"
    hint = "See /docs for what each call takes"


class RequestTooLargeError(RequestError):
    """The body has more bytes than the configured limit."""

    code = "request_too_large"
    template = "the request has more than {maximum_mb:g} MB, which is the limit"
    hint = "Compress the recording (Opus, MP3, FLAC); a file may be larger than JSON"


class UploadTimeoutError(RequestError):
    """The body did not arrive in time."""

    code = "upload_timeout"
    template = "the request was not complete after {timeout_s:g} s"
    hint = "Send a smaller file, or use a faster connection"


class RequestTimeoutError(RequestError):
    """The result was not there in time."""

    code = "request_timeout"
    template = "there was no result within {timeout_s:g} s"
    hint = "Send long recordings to /api/v1/jobs, or raise --request-timeout"


class RouteNotFoundError(RequestError):
    """The API has no such address."""

    code = "route_not_found"
    template = "there is nothing at {route}"
    hint = "See /docs for the calls"

    def without_paths(self) -> EmotionError:
        """The error itself: it shows only what was asked for."""
        return self


class MethodNotAllowedError(RequestError):
    """The address is right, the method is not."""

    code = "method_not_allowed"
    template = "{route} does not take {method}"
    hint = "Use {allowed}"

    def without_paths(self) -> EmotionError:
        """The error itself: it shows only what was asked for."""
        return self


class InputForbiddenError(RequestError):
    """A file of the server that it must not read for callers."""

    code = "input_forbidden"
    template = "the server may not read {file}"
    hint = "Files can be read only below the folder given with --input-root"


class AddressForbiddenError(RequestError):
    """An address that the server must not fetch."""

    code = "address_forbidden"
    template = "{url} may not be fetched ({reason})"
    hint = "Hosts are allowed with --allow-url-host; private addresses never are"


class FetchError(RequestError):
    """An allowed address did not give a recording."""

    code = "fetch_failed"
    template = "{url} could not be fetched ({reason})"
    hint = "Check the address, or send the recording itself"


class InternalError(RequestError):
    """Something that should not happen; the log has the reason."""

    code = "internal_error"
    template = "something went wrong in the server"
    hint = "The server's log has the reason under request {request_id}"


class SwitchRefusedError(RequestError):
    """Another model was asked for, but cannot take over now."""

    code = "switch_refused"
    template = "{name} does not take over ({reason})"
    hint = "See /api/v1/status; a switch is possible once a model is ready or has failed"


class RetryRefusedError(RequestError):
    """Loading the model again was asked for, but there is nothing to load."""

    code = "retry_refused"
    template = "the model is not loaded again ({reason})"
    hint = "It can be loaded again after it has failed; see /api/v1/status"
