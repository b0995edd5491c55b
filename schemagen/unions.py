"""Unions told apart by a field, and constraints on a map's keys: more than one keyword each."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Discriminator
from pydantic.fields import FieldInfo

from schemagen.keywords import Schema, SchemaError
from schemagen.model import base


def named_by(metadata: Iterable[Any]) -> str | None:
    """The field that ``Field(discriminator=...)`` names, by its Python name."""
    for marker in metadata:
        found = marker.discriminator if isinstance(marker, FieldInfo | Discriminator) else None
        if isinstance(found, str):
            return found
    return None


def merged(arms: Mapping[type[base.Model], Schema], discriminator: str, where: str) -> Schema:
    """One object for all arms, of which the discriminator's value allows and requires some fields.

    Structural schemas have no place for types in a ``oneOf``: the fields stand at the node, and the
    ``oneOf`` says which of them go with which value.
    """
    words: list[str] = []
    properties: dict[str, Schema] = {}
    name = discriminator
    for model, schema in arms.items():
        name = model.model_fields[discriminator].alias or discriminator
        words += schema["properties"][name].get("enum", ())
        _add_fields(properties, schema, name, model, where)
    if not words or any("enum" not in schema["properties"][name] for schema in arms.values()):
        raise SchemaError(f"{where}: expected a Literal at {name} in every model of the union")
    properties = {name: {"type": "string", "enum": words}, **properties}
    rules = [rule for model, schema in arms.items() for rule in _guarded(schema, name)]
    return {
        "type": "object",
        "properties": properties,
        "required": [name],
        "oneOf": [_arm(schema, name, properties) for schema in arms.values()],
        **({"x-kubernetes-validations": rules} if rules else {}),
    }


def _add_fields(
    properties: dict[str, Schema], schema: Schema, name: str, model: type[base.Model], where: str
) -> None:
    for field, child in schema["properties"].items():
        if field == name:
            continue
        if properties.get(field, child) != child:
            raise SchemaError(
                f"{where}: expected {field} to be the same in every model of the union that has "
                f"it, got another one in {model.__name__}; give one of them another name"
            )
        if "default" in child:
            raise SchemaError(
                f"{where}: expected no default for {field}, which belongs to {model.__name__} "
                "only: the API server would set it in the others too; leave the default out"
            )
        properties[field] = child


def _arm(schema: Schema, name: str, properties: Mapping[str, Schema]) -> Schema:
    """What one value of the discriminator allows and requires."""
    own = schema["properties"]
    arm: Schema = {
        "properties": {name: {"enum": own[name]["enum"]}},
        "required": sorted({name, *schema.get("required", ())}),
    }
    foreign = [field for field in properties if field not in own]
    if foreign:
        arm["not"] = {"anyOf": [{"required": [field]} for field in foreign]}
    return arm


def _guarded(schema: Schema, name: str) -> Iterable[dict[str, Any]]:
    """An arm's rules, which hold for its words only."""
    words = ", ".join(f"'{word}'" for word in schema["properties"][name].get("enum", ()))
    for rule in schema.get("x-kubernetes-validations", ()):
        yield {**rule, "rule": f"!(self.{name} in [{words}]) || ({rule['rule']})"}


_KEY_RULES = {
    "minLength": ("size(key) >= {}", "keys must have at least {} characters"),
    "maxLength": ("size(key) <= {}", "keys must have at most {} characters"),
    "pattern": ("key.matches({})", "keys must match {}"),
    "enum": ("key in {}", "keys must be among {}"),
}


def key_rules(keys: Schema, where: str) -> list[dict[str, str]]:
    """Rules for a map that say what its keys' schema says: no keyword of a schema does."""
    rules = []
    for keyword, value in keys.items():
        if keyword == "type":
            continue
        if keyword not in _KEY_RULES:
            raise SchemaError(
                f"{where}: expected keys bounded by length, pattern or words, got {keyword}; "
                "write it as a Cel rule over the map: self.all(key, ...)"
            )
        rule, message = _KEY_RULES[keyword]
        text = cel_text(value)
        rules.append(
            {"rule": f"self.all(key, {rule.format(text)})", "message": message.format(text)}
        )
    return rules


def cel_text(value: Any) -> str:
    """A value as CEL writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(cel_text, value))}]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
