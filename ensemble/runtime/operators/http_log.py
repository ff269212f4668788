"""The log of the HTTP ports: what goes wrong in a handler of ours, and nothing of what strangers send.

aiohttp logs a traceback, with the bytes in it, for each request that is no HTTP, and for each body that does not come
in the encoding it claims: anybody who reaches the port could fill the log.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError


def http_logger() -> logging.Logger:
    """Return the logger that the ports are served with."""
    logger = logging.getLogger("ensemble.http")
    if not logger.filters:
        logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell whether a record is about a failure of ours."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, RequestPayloadError))
