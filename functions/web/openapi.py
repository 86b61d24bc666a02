"""OpenAPI 3.1 documents, generated from operations as the code declares them.

Imported with the first request for a document: no other request needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema, to_json

_REF = "#/components/schemas/{model}"
#: The two ways to send a key, which are alternatives.
_SECURITY_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same key as a bearer token."},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a request, or a header of an answer.

    Args:
        schema: JSON Schema.
        example: None where there is none.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any]
    where: Literal["path", "query", "header"] = "header"
    required: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body in one content type.

    Args:
        type: what pydantic makes its schema of: a model, or any type with models in it.
        narrowed: further keywords that hold beside the schema.
        examples: name -> body.
    """

    type: Any
    narrowed: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of an operation.

    Args:
        content: content type -> body.
        name: of the component, where several operations answer so.
    """

    description: str
    content: Mapping[str, Content]
    headers: Sequence[Parameter] = ()
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    Args:
        name: ``operationId``; unique in a document.
        scope: what a key must have; empty where no key is needed.
        body: content type -> body; empty where none is read.
        answers: status -> answer.
    """

    method: str
    path: str
    name: str
    summary: str
    description: str = ""
    tag: str
    scope: str = ""
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Content] = field(default_factory=dict)
    answers: Mapping[int, Reply]


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas without what says nothing: titles made of names, and defaults that mean "absent"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: the name of a member says it all."""
        del schema
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default of null."""
        made = super().default_schema(schema)
        return {name: value for name, value in made.items() if name != "default" or value is not None}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Write a pattern of Rust's as ECMA-262 has it, which JSON Schema goes by: ``\\u{fdd0}`` as ``\\ufdd0``."""
        made = super().str_schema(schema)
        if "pattern" in made:
            made["pattern"] = made["pattern"].replace("\\u{", "\\u").replace("}", "")
        return made


class _Query(_Generator):
    """The same for query parameters, which are absent and never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return the schema of what is there."""
        return self.generate_inner(schema["schema"])


def query(model: type[BaseModel], examples: Mapping[str, Any]) -> list[Parameter]:
    """Return the query parameters that ``model`` reads.

    Args:
        examples: parameter -> value.
    """
    made = model.model_json_schema(ref_template=_REF, schema_generator=_Query)
    required = made.get("required", ())
    return [
        Parameter(
            name=name,
            where="query",
            description=schema.pop("description", ""),
            required=name in required,
            schema=schema,
            example=examples.get(name),
        )
        for name, schema in made.get("properties", {}).items()
    ]


def document(operations: Iterable[Operation], *, title: str, description: str, tags: Mapping[str, str]) -> bytes:
    """Write the document of ``operations`` as JSON.

    Args:
        tags: tag -> description, in the order in which they are shown.
    """
    return to_json(_Document(tuple(operations)).written(title, description, tags))


class _Document:
    """The schemas of all bodies, which are made together, as their names must differ; and what refers to them."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        adapters = {(id(each), mode): TypeAdapter(each.type) for each, mode in _bodies(operations)}
        self._schemas, made = TypeAdapter.json_schemas(
            [(which, mode, adapter) for (which, mode), adapter in adapters.items()],
            ref_template=_REF,
            schema_generator=_Generator,
        )
        self._components = made.get("$defs", {})

    def written(self, title: str, description: str, tags: Mapping[str, str]) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for each in self._operations:
            paths.setdefault(each.path, {})[each.method.lower()] = self._operation(each)
        named = (reply for each in self._operations for reply in each.answers.values() if reply.name)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": title,
                "version": "1",
                "description": description,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": said} for name, said in tags.items()],
            "paths": paths,
            "components": {
                "securitySchemes": _SECURITY_SCHEMES,
                "responses": {reply.name: self._reply(reply) for reply in named},
                "schemas": self._components,
            },
        }

    def _operation(self, operation: Operation) -> dict[str, Any]:
        scope = operation.scope
        needed = f"The key needs the scope `{scope}`." if scope else ""
        written = {
            "operationId": operation.name,
            "summary": operation.summary,
            "description": "\n\n".join(filter(None, (operation.description, needed))),
            "tags": [operation.tag],
            "security": [{scheme: [scope]} for scheme in _SECURITY_SCHEMES] if scope else [],
            "parameters": [_parameter(each) for each in operation.parameters],
            "responses": {
                str(status): {"$ref": f"#/components/responses/{reply.name}"} if reply.name else self._reply(reply)
                for status, reply in sorted(operation.answers.items())
            },
        }
        if operation.body:
            written["requestBody"] = {"required": True, "content": self._content(operation.body, "validation")}
        return written

    def _reply(self, reply: Reply) -> dict[str, Any]:
        written: dict[str, Any] = {"description": reply.description}
        if reply.headers:
            written["headers"] = {each.name: _header(each) for each in reply.headers}
        return {**written, "content": self._content(reply.content, "serialization")}

    def _content(self, content: Mapping[str, Content], mode: JsonSchemaMode) -> dict[str, Any]:
        return {content_type: self._body(each, mode) for content_type, each in content.items()}

    def _body(self, content: Content, mode: JsonSchemaMode) -> dict[str, Any]:
        schema = {**self._schemas[id(content), mode], **content.narrowed}
        examples = {name: {"value": value} for name, value in content.examples.items()}
        return {"schema": schema, **({"examples": examples} if examples else {})}


def _bodies(operations: Iterable[Operation]) -> Iterator[tuple[Content, JsonSchemaMode]]:
    for operation in operations:
        for content in operation.body.values():
            yield content, "validation"
        for reply in operation.answers.values():
            for content in reply.content.values():
                yield content, "serialization"


def _header(parameter: Parameter) -> dict[str, Any]:
    said = {"description": parameter.description, "required": parameter.required, "example": parameter.example}
    return {"schema": parameter.schema, **{name: value for name, value in said.items() if value}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {"name": parameter.name, "in": parameter.where, **_header(parameter)}
