"""Both OpenAPI documents are valid, complete and made of what the code parses with, and their examples fit."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import jsonschema_rs
import pytest
from pydantic import BaseModel, BeforeValidator, Field
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from functions.api import app as api
from functions.api import description as api_description
from functions.ingest import app as front_door
from functions.ingest import description as ingest_description
from functions.ingest.doors import DOORS
from functions.web.openapi import Reply, query
from tests.servers.document import Document

INGEST = Document(json.loads(ingest_description.openapi()))
API = Document(json.loads(api_description.openapi(api.RESOURCES)))
BOTH = pytest.mark.parametrize("document", [INGEST, API], ids=["ingest", "api"])


def parts(node: Any) -> list[Any]:
    """Every object in a document."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(part for each in inner for part in parts(each))]


@BOTH
def test_a_document_is_openapi_3_1_and_its_schemas_are_json_schema(document: Document) -> None:
    OPENAPI_31_VALIDATOR.validate(document.written)
    schemas = document.written["components"]["schemas"]
    assert schemas
    for schema in schemas.values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@BOTH
def test_every_reference_leads_somewhere_and_every_component_is_referred_to(document: Document) -> None:
    led = {part["$ref"] for part in parts(document.written) if isinstance(part, dict) and "$ref" in part}
    components = document.written["components"]
    assert led == {f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in components[kind]}


def test_answers_of_one_name_are_one_answer() -> None:
    named: dict[str, Reply] = {}
    for operation in (*ingest_description.DOORS, *api_description._operations(api.RESOURCES)):
        for reply in operation.answers.values():
            assert not reply.name or named.setdefault(reply.name, reply) == reply


@BOTH
def test_names_are_unique_and_tell_nothing_of_our_modules(document: Document) -> None:
    names = [operation["operationId"] for _, _, operation in document.operations()]
    assert len(names) == len(set(names))
    shared = [name for name in document.written["components"]["schemas"] if not re.fullmatch("[A-Z][A-Za-z]+", name)]
    assert not shared, "two models of one name have those of their modules in front"


def test_the_documents_have_every_route_and_no_other() -> None:
    doors = {(path, "POST") for path in DOORS}
    pages = {(path, "GET") for path in front_door._PAGES}
    assert {(path, method) for path, method, _ in INGEST.operations()} == doors | pages
    routes = {(route.path, route.method) for resource in api.RESOURCES for route in resource.routes}
    files = {path for path in api.PAGES if path.startswith("/api/docs/")}
    pages = {(path, "GET") for path in {*(api.PAGES - files), "/api/docs/{file}"}}
    assert {(path, method) for path, method, _ in API.operations()} == routes | doors | pages
    (file,) = API.written["paths"]["/api/docs/{file}"]["get"]["parameters"]
    assert {f"/api/docs/{name}" for name in file["schema"]["enum"]} == files


def test_a_route_is_described_by_the_models_that_read_its_requests_and_write_its_answers() -> None:
    for resource in api.RESOURCES:
        for route in resource.routes:
            operation = API.written["paths"][route.path][route.method.lower()]
            named = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
            fields = route.takes["query"].model_fields if "query" in route.takes else {}
            assert named == {field.alias or name for name, field in fields.items()}
            schema = operation["responses"]["202" if route.publishes else "200"]["content"]["application/json"][
                "schema"
            ]
            assert schema == {"$ref": f"#/components/schemas/{route.takes['return'].__name__}"}
            assert ("requestBody" in operation) == ("body" in route.takes)
            assert operation["security"] == [{"apiKey": [route.scope]}, {"bearer": [route.scope]}]


@BOTH
def test_every_operation_with_a_body_or_an_answer_in_json_shows_an_example_that_fits(document: Document) -> None:
    shown = 0
    for path, _, operation in document.operations():
        for parameter in operation["parameters"]:
            if "example" in parameter:
                document.validate(parameter["schema"], parameter["example"])
        described = [operation.get("requestBody", {}), *map(document.resolved, operation["responses"].values())]
        for content in (each.get("content", {}) for each in described):
            for content_type, body in content.items():
                for example in body.get("examples", {}).values():
                    document.validate(body["schema"], example["value"])
                    shown += 1
                succeeds = content_type.endswith("json") and "problem" not in content_type
                assert "examples" in body or path not in OWN or not succeeds, (path, content_type)
    assert shown > 12


#: The API's own operations, of which each shows its answer.
OWN = {route.path for resource in api.RESOURCES for route in resource.routes}


def test_a_parameter_says_what_its_model_takes() -> None:
    class Asked(BaseModel):
        many: Annotated[int, Field(ge=1, le=9, description="How many."), BeforeValidator(int)] = 3
        since: Annotated[str | None, Field(alias="from", pattern="^[\\x00-\\u{fdd0}]$")] = None
        must: str

    many, since, must = query(Asked, {"from": "x"})
    assert (many.name, many.description, many.required) == ("many", "How many.", False)
    assert many.schema == {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
    assert (since.name, since.example, since.required) == ("from", "x", False)
    assert since.schema == {"type": "string", "pattern": "^[\\x00-\\ufdd0]$"}, "a parameter is absent, never null"
    assert must.required
