"""A CloudFormation template as plain values: `!Ref X` is `{"Ref": "X"}`, `!Sub t` is `{"Fn::Sub": "t"}`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows CloudFormation's short forms."""


def _short(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type] # the third kind of node there is
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short)


@dataclass(frozen=True, slots=True)
class Template:
    """One template.

    Attributes:
        name: Its file without `.yaml`.
        body: All of it.
    """

    name: str
    body: dict[str, Any]

    def resources(self, *types: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yields name, type and the whole of each resource, of some types or all; loops are seen as their pattern."""
        for name, resource in self.body["Resources"].items():
            found = resource
            if name.startswith("Fn::ForEach"):
                ((name, found),) = resource[2].items()  # noqa: PLW2901 - the loop's own resource
            if not types or found["Type"] in types:
                yield name, found["Type"], found

    def statements(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yields resource, its type and each statement of each policy in it, trust policies included."""
        for name, kind, resource in self.resources():
            for document in _documents(resource.get("Properties", {})):
                for statement in document["Statement"]:
                    yield name, kind, statement


def load(text: str, name: str) -> Template:
    """Reads a template."""
    return Template(name, yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader with more tags


def load_all(folder: Path = FOLDER) -> list[Template]:
    """Reads all templates of a folder."""
    return [load(path.read_text(encoding="utf-8"), path.stem) for path in sorted(folder.glob("*.yaml"))]


def imports(value: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a template
    """Yields the names that are imported from other stacks, as they are written."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Fn::ImportValue":
                yield inner["Fn::Sub"]
            else:
                yield from imports(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from imports(inner)


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - any part of a template
    """Returns one or several, as policies write them, as a list."""
    return value if isinstance(value, list) else [value]


def _documents(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any part of a template
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        else:
            for inner in value.values():
                yield from _documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _documents(inner)
