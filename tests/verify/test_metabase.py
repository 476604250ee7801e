"""What we send to Metabase, held against Metabase's own description of its API."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cloud.dashboards.job import run
from tests.dashboards.strict_metabase import StrictMetabase, serving

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Schema:
    """The document, in which alternatives that overlap count as met by any of them."""
    text = (Path(os.environ["SHARED"]) / "reference" / "metabase-openapi.json").read_text(encoding="utf-8")
    found: Schema = json.loads(text.replace('"oneOf"', '"anyOf"'))
    return found


@pytest.fixture(scope="module")
def requests() -> list[tuple[str, str, Any]]:
    """Every request of a first run against a new Metabase, and of one that overwrites what a person changed."""
    environ = {
        "METABASE_WAREHOUSE": "postgresql://reader:secret@warehouse.example:5432/vitals",
        "METABASE_EMAIL": "admin@ward.example",
        "METABASE_PASSWORD": "correct horse battery",
    }
    with serving(StrictMetabase(is_set_up=False)) as metabase:
        assert run(["--metabase", metabase.url], environ) == 0
        for kind, name in (("card", "Patients now"), ("dashboard", "Ward"), ("database", "Wardwatch")):
            metabase.only(kind, name)["name" if kind == "dashboard" else "display"] = "Mine"
        metabase.only("database", "Wardwatch")["engine"] = "h2"
        assert run(["--metabase", metabase.url, "--overwrite"], environ) == 0
    return metabase.requests


def operation(document: Schema, method: str, path: str) -> Schema:
    for known, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", known), path) and method.lower() in operations:
            found: Schema = operations[method.lower()]
            return found
    raise AssertionError(f"{method} {path} is not in the document")


def test_every_request_is_one_that_metabase_describes(document: Schema, requests: list[tuple[str, str, Any]]) -> None:
    seen = set()
    for method, path, body in requests:
        content = operation(document, method, path).get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        jsonschema.validate(body, schema | {"components": document["components"]})
        unknown = set(body) - set(schema.get("properties", body))
        assert not unknown, f"{method} {path} has fields that Metabase does not describe: {unknown}"
        seen.add((method, re.sub(r"\d+", "N", path)))
    assert {("POST", "/api/setup"), ("POST", "/api/session"), ("POST", "/api/database"), ("POST", "/api/card"),
            ("PUT", "/api/card/N"), ("POST", "/api/dashboard"), ("PUT", "/api/dashboard/N"),
            ("PUT", "/api/database/N")} <= seen  # fmt: skip


def test_the_document_refuses_a_body_that_is_wrong(document: Schema) -> None:
    content = operation(document, "POST", "/api/card")["requestBody"]["content"]
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "", "display": 7}, schema)
