"""Structured logs: one JSON object a line (text on a terminal), with service, story and trace in each."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
from opentelemetry import trace

from qianqiao_chassis.context import current_cause

MASKED = frozenset({"email", "mobile", "phone", "person_name", "address", "to", "recipient", "id_number"})
"""Keys whose values are personal data. Free text is not searched for it: log ids, not sentences."""
SECRET = frozenset({"authorization", "password", "token", "secret", "api_key"})
_NOISY = ("uvicorn.access", "faststream", "asyncio")
_TELLTALE = ("aiokafka", "pymongo", "httpx", "httpcore")
"""At lower levels these write whole commands, records, and addresses with their query: personal data and passwords."""


def setup_logs(service: str, *, level: str = "INFO", format: Literal["auto", "json", "console"] = "auto") -> None:
    """Send everything that is logged in this process, by structlog or by the standard library, to stderr as one form.

    Libraries below us are heard from WARNING upwards; some of them from lower down when `level` is DEBUG.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Context(service),
        mask,
    ]
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    finish: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]  # rich ones show variables
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(level if level == "DEBUG" else "WARNING")
    for name in _TELLTALE:
        logging.getLogger(name).setLevel("WARNING")


class _Context:
    """Adds who logs and which story it belongs to."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = self._service
        cause = current_cause()
        if cause.correlationid is not None:
            event["correlationid"] = cause.correlationid
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
        return event


def mask(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace personal data and secrets by their key, at any depth."""
    for key in list(event):
        event[key] = _masked(key, event[key])
    return event


def _masked(key: str, value: Any) -> Any:
    name = key.lower()
    if name in SECRET:
        return "***"
    if name in MASKED and value is not None:
        return _shortened(value)
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return [_masked("", item) for item in value]
    return value


def _shortened(value: Any) -> str:
    """Enough to recognise one's own test case by, too little to reach a person: `z***@example.org`, `***5678`."""
    text = str(value)
    if "@" in text:
        name, _, domain = text.rpartition("@")
        return f"{name[:1]}***@{domain}"
    digits = text.lstrip("+").replace(" ", "").replace("-", "")
    if digits.isdigit() and len(digits) >= 7:
        return f"***{digits[-4:]}"
    return f"{text[:1]}***"
