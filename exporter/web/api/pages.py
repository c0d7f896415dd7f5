"""GET /api/openapi.json, and /api/docs: the same as a page to be read, without a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from exporter.web.api.endpoints import ENDPOINTS
from exporter.web.api.openapi import Document, document
from exporter.web.page_headers import PAGE_HEADERS
from model.runbook.html import html
from model.runbook.page import (
    Block,
    Line,
    Page,
    Paragraph,
    Section,
    Span,
    Style,
    Table,
    code,
    plain,
    prose,
)

_TYPES: Final = ("type", "format", "pattern", "minimum", "maximum", "minLength", "maxLength")


class Documents:
    """What is made once, when somebody first asks for it."""

    def __init__(self) -> None:
        self._making = asyncio.Lock()
        self._json: bytes | None = None
        self._page = ""

    async def json(self) -> bytes:
        """The OpenAPI document."""
        async with self._making:
            if self._json is None:
                made = await asyncio.to_thread(document, ENDPOINTS)
                self._json = json.dumps(made, separators=(",", ":")).encode()
                self._page = await asyncio.to_thread(lambda: html(page(made)))
            return self._json

    async def page(self) -> str:
        """The page that shows it."""
        await self.json()
        return self._page


_DOCUMENTS: Final = web.AppKey("documents", Documents)


def add(app: web.Application) -> None:
    """Add both to the application."""
    app[_DOCUMENTS] = Documents()
    app.add_routes([web.get("/api/openapi.json", _openapi), web.get("/api/docs", _docs)])


async def _openapi(request: web.Request) -> web.Response:
    body = await request.app[_DOCUMENTS].json()
    return web.Response(body=body, content_type="application/json")


async def _docs(request: web.Request) -> web.Response:
    text = await request.app[_DOCUMENTS].page()
    return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)


def page(openapi: Document) -> Page:
    """The document as a page: each operation, then each model."""
    operations = (
        _operation(method.upper(), path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    models = (_model(name, model) for name, model in openapi["components"]["schemas"].items())
    lead = (
        Paragraph(prose(openapi["info"]["description"])),
        Paragraph((Span("openapi.json", url="openapi.json"), Span(" is the same for programs."))),
    )
    return Page("API", lead, (*operations, *models))


def _operation(method: str, path: str, operation: dict[str, Any]) -> Section:
    blocks: list[Block] = [
        Paragraph(plain(f"{operation['summary']}. {operation['description']}")),
    ]
    if operation["parameters"]:
        heading = ("Parameter", "In", "Is", "")
        blocks.append(Table(heading, tuple(map(_parameter, operation["parameters"]))))
    if "requestBody" in operation:
        blocks.append(_named("Reads ", operation["requestBody"]["content"]))
    blocks.append(_named("Answers ", operation["responses"]["200"]["content"]))
    return Section(f"{method} {path}", tuple(blocks))


def _parameter(parameter: dict[str, Any]) -> tuple[Line, ...]:
    return (
        code(parameter["name"]),
        plain(parameter["in"]),
        code(_type(parameter["schema"])),
        prose(parameter.get("description", "")),
    )


def _named(what: str, content: dict[str, Any]) -> Paragraph:
    return Paragraph((Span(what), Span(_type(content["application/json"]["schema"]), Style.CODE)))


def _model(name: str, schema: dict[str, Any]) -> Section:
    blocks: list[Block] = [Paragraph(prose(schema.get("description", "")))]
    required = schema.get("required", ())
    rows = tuple(
        (code(field), code(_type(told)), plain("" if field in required else "may be left out"))
        for field, told in schema.get("properties", {}).items()
    )
    if rows:
        blocks.append(Table(("Field", "Is", ""), rows))
    return Section(name, tuple(blocks))


def _type(schema: dict[str, Any]) -> str:
    return " ".join(_words(schema)) or "anything"


def _words(schema: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        yield " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        yield " | ".join(json.dumps(one) for one in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        yield f"list of {_type(schema.get('items', {}))}"
    else:
        for key in _TYPES:
            if key in schema:
                yield str(schema[key]) if key in ("type", "format") else f"{key} {schema[key]}"
    if "default" in schema:
        yield f"(default {json.dumps(schema['default'])})"
