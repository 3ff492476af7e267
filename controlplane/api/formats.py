"""Answers that are no JSON: renderers so that Accept may ask for them. The text itself is made by the endpoint."""

from typing import Any

from rest_framework.renderers import BaseRenderer

from controlplane.api.bodies import StrictJSONRenderer


class _TextRenderer(BaseRenderer):
    """Errors of such an endpoint are problem documents all the same."""

    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return bytes(StrictJSONRenderer().render(data, accepted_media_type, renderer_context))


class YAMLRenderer(_TextRenderer):
    media_type = "application/yaml"
    format = "yaml"


class CSVRenderer(_TextRenderer):
    media_type = "text/csv"
    format = "csv"


class NDJSONRenderer(_TextRenderer):
    media_type = "application/x-ndjson"
    format = "ndjson"


class MarkdownRenderer(_TextRenderer):
    media_type = "text/markdown"
    format = "markdown"


class HTMLRenderer(_TextRenderer):
    media_type = "text/html"
    format = "html"


def spreadsheet_safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text of others stands in audit logs."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
