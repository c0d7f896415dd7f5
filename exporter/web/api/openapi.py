"""The API as OpenAPI 3.1, made from its endpoints and their models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from exporter.version import VERSION
from exporter.web.api.endpoint import Endpoint
from exporter.web.api.shapes import Nothing, Shape, Timestamp

Document = dict[str, Any]

_REFERENCE: Final = "#/components/schemas/{model}"
_OPEN_PART: Final = re.compile(r"\{(\w+)\}")
_ERRORS: Final = {
    "400": "Something is wrong with what was sent; all of it is told at once.",
    "401": "No token, or one that is not valid.",
    "403": "The token's role may not do this.",
    "404": "There is no such thing.",
    "413": "The body is too large.",
    "429": "Asked too often; `Retry-After` tells when to ask again.",
    "500": "An error inside the exporter, whose log says more.",
    "503": "The store is not available, there is no ledger, or READ_ONLY is set.",
}
_HEADERS: Final = {
    name: {"description": description, "schema": {"type": kind}}
    for name, kind, description in (
        ("X-Request-ID", "string", "The request's name, in logs and in the audit trail."),
        ("X-RateLimit-Limit", "integer", "Requests a minute."),
        ("X-RateLimit-Remaining", "integer", "Requests that may be made at once now."),
        ("X-RateLimit-Reset", "integer", "When all of them may be made again, in unix time."),
    )
}
_ABOUT: Final = """\
Alerts as the ledger knows them, and what is watched. Ask with `Authorization: Bearer <token>`;
`python -m exporter token --role viewer --sub you@example.com` mints one. A viewer reads, a
responder acts too."""


class ErrorAnswer(Shape):
    """Every error."""

    error: str
    code: str = Field(
        json_schema_extra={
            "enum": [
                "UNAUTHORIZED",
                "FORBIDDEN",
                "NOT_FOUND",
                "VALIDATION_ERROR",
                "RATE_LIMIT_EXCEEDED",
                "INTERNAL_ERROR",
                "SERVICE_UNAVAILABLE",
            ]
        }
    )
    status_code: int
    timestamp: Timestamp
    path: str


def document(endpoints: Sequence[Endpoint[Any, Any]]) -> Document:
    """The whole document."""
    read: JsonSchemaMode = "validation"
    wanted: list[tuple[type[Shape], JsonSchemaMode]] = [(ErrorAnswer, "serialization")]
    for endpoint in endpoints:
        wanted.append((endpoint.answer, "serialization"))
        wanted += [(model, read) for model in (endpoint.query, endpoint.body)]
    references, definitions = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template=_REFERENCE
    )
    schemas: dict[str, Any] = definitions.get("$defs", {})
    parameters = {
        endpoint.query: schemas[references[endpoint.query, read]["$ref"].rpartition("/")[2]]
        for endpoint in endpoints
    }
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, references, parameters[endpoint.query])
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    shown = {
        name: schema
        for name, schema in schemas.items()
        if not any(schema is query for query in parameters.values())
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Monitoring service", "version": VERSION, "description": _ABOUT},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": shown,
            "headers": _HEADERS,
            "responses": {
                status: {
                    "description": description,
                    "headers": _headers(),
                    "content": _json(references[ErrorAnswer, "serialization"]),
                }
                for status, description in _ERRORS.items()
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _operation(
    endpoint: Endpoint[Any, Any], references: Any, parameters: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "description": f"For the role {endpoint.role} and those that may do more.",
        "parameters": [*_open_parts(endpoint.path), *_parameters(parameters)],
        "responses": {
            "200": {
                "description": (endpoint.answer.__doc__ or "").strip(),
                "headers": _headers(),
                "content": _json(references[endpoint.answer, "serialization"]),
            },
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _ERRORS},
        },
    }
    if endpoint.on_this_machine:
        # Nobody need show a token: a client on this machine has none.
        operation["security"] = [{"token": []}, {}]
    if endpoint.body is not Nothing:
        operation["requestBody"] = {
            "required": _has_to_be_given(endpoint.body),
            "content": _json(references[endpoint.body, "validation"]),
        }
    return operation


def _headers() -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}


def _has_to_be_given(body: type[Shape]) -> bool:
    return any(field.is_required() for field in body.model_fields.values())


def _open_parts(path: str) -> Iterator[dict[str, Any]]:
    for name in _OPEN_PART.findall(path):
        schema = {"type": "string", "minLength": 1, **({"format": "uuid"} if name == "id" else {})}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameters(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, schema in model.get("properties", {}).items():
        told = {key: value for key, value in schema.items() if key not in ("title", "description")}
        parameter = {
            "name": name,
            "in": "query",
            "required": False,
            "allowEmptyValue": True,
            "schema": _given(told),
        }
        if "description" in schema:
            parameter["description"] = schema["description"]
        yield parameter


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter is when it is given: null is how a model says that it is not."""
    options = [one for one in schema.pop("anyOf", ()) if one != {"type": "null"}]
    if schema.get("default", 0) is None:
        del schema["default"]
    return {**options[0], **schema} if options else schema


def _json(reference: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": reference}}
