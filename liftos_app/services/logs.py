"""Logging: one JSON object per line on standard error, and one filter that masks secrets.

The filter stands in front of every handler, ours and those libraries bring along, and works on
the finished text: message, fields and traces.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final

from liftos_app.config import Settings
from liftos_app.services.secret import Secret, known_values

MASK: Final = "[redacted]"
LONGEST: Final = 20_000  # characters of one text; the rest is cut

_WORDS: Final = (
    r"(?:password|passwd|secret|token|api[_-]?key|authorization|cookie|credential|"
    r"private[_-]?key|signature|hmac|assertion|verifier|csrf|(?<![a-z])sid)(?:[_-]?(?:key|value))?"
)
_SECRET_FIELD: Final = re.compile(rf"(?:.*{_WORDS}|jwt|sealed|wrapped|pin|otp)", re.IGNORECASE)
# name=value and "name": "value": in URLs, headers, JSON, JSON inside of JSON, Python's repr. A
# quoted value ends at a quote that something follows which can only stand outside of it.
_ASSIGNED: Final = re.compile(
    rf"""(?P<before>{_WORDS}\\*["']?\s*(?::|=|%3D)\s*)"""
    r"""(?P<value>\\*"[^\n]{0,4000}?"(?=[\s,}\]);&\\]|$)|\\*'[^\n]{0,4000}?'(?=[\s,}\]);&\\"]|$)"""
    r"""|(?:(?:Bearer|Basic|Token|Klaviyo-API-Key)\s+)?[^\s,;&"'}\])>]+)""",
    re.IGNORECASE,
)
_IN_QUERY: Final = re.compile(
    r"(?P<before>[?&](?:code|state|key|sig|hmac|id_token|session|sid|nonce)=)[^&\s\"'<>]+",
    re.IGNORECASE,
)
_USER_INFO: Final = re.compile(r"(?P<before>://[^/\s:@]{0,200}:)[^@/\s]{1,500}(?=@)")
_SHAPES: Final = re.compile(
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}"  # JWT
    r"|\b(?:Bearer|Basic|Klaviyo-API-Key)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|\b(?:lft|whsec|shpat|shpss|shpca|shppa|pk|rk|sk)_[A-Za-z0-9_+/=-]{8,}"
    r"|\bEAA[A-Za-z0-9]{20,}|\bya29\.[\w.-]{10,}|\b1//0[\w-]{10,}|\bGOCSPX-[\w-]{10,}"
    r"|\blv1\.[0-9a-f-]{36}\.[\w-]+|\blm1\.[a-z0-9-]+\.[\w-]+",  # sealed values
)
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "color_message",
}
# Libraries that bring handlers or loud levels of their own.
_TAMED: Final = {
    "granian": logging.INFO, "_granian": logging.INFO, "granian.access": logging.INFO,
    "uvicorn": logging.INFO, "uvicorn.error": logging.INFO, "uvicorn.access": logging.WARNING,
    "httpx": logging.WARNING, "httpcore": logging.WARNING, "sqlalchemy": logging.WARNING,
    "sqlalchemy.engine": logging.WARNING, "apscheduler": logging.WARNING,
    "alembic": logging.WARNING, "asyncio": logging.WARNING, "engineio": logging.WARNING,
    "socketio": logging.WARNING, "reflex": logging.INFO,
}


def set_up(settings: Settings) -> None:
    """Send everything to standard error through the filter. Call once per process, at start.

    Handlers that libraries brought along are taken away: their records come here as well.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(RedactionFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    level = logging.DEBUG if settings.debug else getattr(logging, settings.log_level)
    root.setLevel(level)
    for name, lowest in _TAMED.items():
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
        logger.propagate = True
        logger.setLevel(max(level, lowest))
    logging.captureWarnings(True)


def protect(settings: Settings) -> list[Secret]:
    """Make the settings' own secrets known to the filter while the returned list lives."""
    values = [settings.jwt_secret_key, settings.admin_password]
    if settings.smtp is not None:
        values.append(settings.smtp.password)
    for url in (settings.database_url, settings.redis_url):
        found = re.search(r"://[^/@]*:([^@/]+)@", url)
        values.append(found.group(1) if found else "")
    return [Secret(v) for v in values if v]


def redact(text: str) -> str:
    """The text without anything that looks like a secret or is a known one."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + f" [cut, {len(text)} characters]"
    for value in known_values():
        if value in text:
            text = text.replace(value, MASK)
    text = _SHAPES.sub(MASK, text)
    text = _USER_INFO.sub(rf"\g<before>{MASK}", text)
    text = _IN_QUERY.sub(rf"\g<before>{MASK}", text)
    return _ASSIGNED.sub(_mask_value, text)


def redact_value(name: str, value: Any) -> Any:
    """A field of a log record, safe to write: masked by its name, or looked through."""
    if _SECRET_FIELD.fullmatch(name):
        return MASK
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, dict):
        return {str(k)[:100]: redact_value(str(k), v) for k, v in list(value.items())[:100]}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value("", v) for v in list(value)[:100]]
    return redact(str(value))  # a Secret says no more than that it is one


class RedactionFilter(logging.Filter):
    """Rewrites a record in place: text finished and masked, trace as masked text, no objects."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record pass."""
        if getattr(record, "_redacted", False):
            return True
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        record.msg, record.args = redact(message), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name in set(vars(record)) - _STANDARD:
            setattr(record, name, redact_value(name, getattr(record, name)))
        record._redacted = True
        return True


class JsonLines(logging.Formatter):
    """One record as one line of ASCII JSON: no value can begin a second line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "event": record.getMessage(), "logger": record.name,
        }
        for name in sorted(set(vars(record)) - _STANDARD):
            if not name.startswith("_"):
                line.setdefault(name, getattr(record, name))
        if record.exc_text or record.exc_info:
            line["trace"] = record.exc_text or self.formatException(record.exc_info)  # type: ignore[arg-type]
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)


def _mask_value(found: re.Match[str]) -> str:
    value = found.group("value")
    if value.strip("\\\"'") in {"", MASK, "None", "null"} or value.startswith((MASK, "Secret(")):
        return found.group(0)
    quote = '"' if '"' in value[:3] else "'" if "'" in value[:3] else ""
    return f"{found.group('before')}{quote}{MASK}{quote}"
