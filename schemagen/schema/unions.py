"""Discriminated unions and map key constraints, which need more than one keyword."""

import json
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import Discriminator
from pydantic.fields import FieldInfo

from schemagen.model import annotations, object_types
from schemagen.schema import descriptions
from schemagen.schema.keywords import Schema, SchemaError

_KEPT = "x-kubernetes-preserve-unknown-fields"


class Arm(NamedTuple):
    """One model of a union, and its schema."""

    shape: object_types.Shape
    schema: Schema


def named_by(metadata: Iterable[Any], where: str) -> str | None:
    """Return the Python name of a union's discriminator field.

    Raises:
        SchemaError: if the discriminator is a function, which the API server cannot call.
    """
    for marker in metadata:
        if not isinstance(marker, FieldInfo | Discriminator) or marker.discriminator is None:
            continue
        discriminator = marker.discriminator
        if isinstance(discriminator, Discriminator):
            discriminator = discriminator.discriminator
        if isinstance(discriminator, str):
            return discriminator
        raise SchemaError(
            f"{where}: expected a discriminator that the API server can read, got a function; "
            "give each model a field with a Literal, and name it: Field(discriminator='kind')"
        )
    return None


def check_branch(annotation: Any, metadata: Sequence[Any], where: str) -> None:
    """Refuse metadata on a single model of a union, as it would apply to that model only."""
    if metadata:
        raise SchemaError(
            f"{where}: expected models of a union without metadata, got "
            f"{', '.join(map(repr, metadata))} on {annotation}; write rules on the model: "
            "class A(Model, rules=[...])"
        )


def check_discriminator(shape: object_types.Shape, discriminator: str, where: str) -> None:
    """Refuse a model from whose discriminator Pydantic cannot read the values."""
    if discriminator not in shape.fields:
        raise SchemaError(
            f"{where}: expected a field {discriminator}, the discriminator, in every model of the "
            f"union, got none in {shape.name}; declare it there with a Literal"
        )
    annotation = annotations.unwrapped(shape.fields[discriminator].annotation).annotation
    parts = typing.get_args(annotation) if annotations.is_union(annotation) else (annotation,)
    if any(typing.get_origin(part) is not typing.Literal for part in parts):
        raise SchemaError(
            f"{where}: expected a Literal at {discriminator} in every model of the union, got "
            f"{annotation} in {shape.name}; write Literal[...] of its values, or of an Enum's "
            "members"
        )


def check_nested(own: str | None, discriminator: str, where: str) -> None:
    """Refuse a nested union with another discriminator, or with none."""
    if own not in {None, discriminator}:
        raise SchemaError(
            f"{where}: expected one discriminator, got a union by {own} in a union by "
            f"{discriminator}; give every model a distinct value at {discriminator}, or put the "
            "inner union into a field of one model"
        )


def merged(
    arms: Sequence[Arm], discriminator: str, where: str, max_description: int | None
) -> Schema:
    """Merge all arms to one object, whose discriminator value allows and requires some fields.

    A structural schema allows no types in a ``oneOf``: the fields are declared on the node, and the
    ``oneOf`` says which belong to which value.
    """
    name = _wire_name(arms, discriminator, where)
    tag = _tag(arms, name, where, max_description)
    properties: dict[str, Schema] = {}
    for arm in arms:
        _add_fields(properties, arm, arms, name, where)
    properties = {name: tag, **properties}
    rules = [rule for arm in arms for rule in _guarded(arm.schema, name)]
    return {
        "type": "object",
        "properties": properties,
        "required": [name],
        **({_KEPT: True} if _keeps_unknown(arms, where) else {}),
        "oneOf": [_arm(arm.schema, name, properties) for arm in arms],
        **({"x-kubernetes-validations": rules} if rules else {}),
    }


def _wire_name(arms: Sequence[Arm], discriminator: str, where: str) -> str:
    """Return the discriminator's wire name, which must be the same in all models."""
    names = {arm.shape.wire_name(discriminator) for arm in arms}
    if len(names) > 1:
        raise SchemaError(
            f"{where}: expected one wire name for the discriminator {discriminator}, got "
            f"{' and '.join(sorted(names))}; give it the same alias in every model"
        )
    return names.pop()


def _tag(arms: Sequence[Arm], name: str, where: str, max_description: int | None) -> Schema:
    """Return the discriminator's schema: the values of all models, each in exactly one."""
    tags = [arm.schema["properties"][name] for arm in arms]
    types = {tag["type"] for tag in tags}
    if len(types) > 1:
        raise SchemaError(
            f"{where}: expected values of one type at {name} in every model of the union, got "
            f"{' and '.join(sorted(types))}; use one type"
        )
    values = [value for tag in tags for value in tag["enum"]]
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise SchemaError(
            f"{where}: expected each value of {name} in one model of the union, got "
            f"{', '.join(twice)} in two; give each model its own"
        )
    _check_tags(tags, name, where)
    text = _tag_description(arms, name, max_description)
    return {**({"description": text} if text else {}), "type": types.pop(), "enum": values}


def _check_tags(tags: Sequence[Schema], name: str, where: str) -> None:
    """Refuse keywords on a discriminator beyond its values; defaults do not apply in a union."""
    known = {"type", "enum", "default", "description", "title", "example"}
    foreign = sorted({keyword for tag in tags for keyword in tag} - known)
    if foreign:
        raise SchemaError(
            f"{where}: expected nothing but a Literal at {name}, the discriminator, got "
            f"{', '.join(foreign)}; leave it out"
        )


def _tag_description(arms: Sequence[Arm], name: str, max_description: int | None) -> str:
    """Describe the discriminator and the models, whose descriptions have no other place."""
    own = dict.fromkeys(_texts(arm.schema["properties"][name]) for arm in arms)
    of_models = [
        f"{', '.join(map(_shown, arm.schema['properties'][name]['enum']))}: {text}"
        for arm in arms
        if (text := _texts(arm.schema))
    ]
    text = " ".join(text for text in (*own, *of_models) if text)
    return descriptions.fitted(text, max_description)


def _texts(schema: Schema) -> str:
    title, description = schema.get("title", ""), schema.get("description", "")
    return f"{title}: {description}" if title and description else title or description


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _keeps_unknown(arms: Sequence[Arm], where: str) -> bool:
    """Return whether unknown fields are kept, which applies to the whole node."""
    keeping = [arm.shape.name for arm in arms if arm.schema.get(_KEPT)]
    if keeping and len(keeping) < len(arms):
        raise SchemaError(
            f"{where}: expected extra='allow' in every model of the union or in none, got it in "
            f"{', '.join(keeping)}: the API server keeps unknown fields for all or for none; put "
            "what is free-form into a JSONObject field"
        )
    return bool(keeping)


def _add_fields(
    properties: dict[str, Schema], arm: Arm, arms: Sequence[Arm], name: str, where: str
) -> None:
    for field, child in arm.schema["properties"].items():
        if field == name:
            continue
        if properties.get(field, child) != child:
            raise SchemaError(
                f"{where}: expected {field} to be the same in every model of the union that has "
                f"it, got another one in {arm.shape.name}; give one of them another name"
            )
        is_shared = all(field in other.schema["properties"] for other in arms)
        if "default" in child and not is_shared:
            raise SchemaError(
                f"{where}: expected no default for {field}, which belongs to {arm.shape.name} "
                "only: the API server would set it in the others too; leave the default out, or "
                "declare the field in a base of all of them"
            )
        properties[field] = child


def _arm(schema: Schema, name: str, properties: Mapping[str, Schema]) -> Schema:
    """Return what one value of the discriminator allows and requires."""
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
    """Return an arm's rules, guarded to apply for its values only."""
    words = cel_text(schema["properties"][name]["enum"])
    for rule in schema.get("x-kubernetes-validations", ()):
        applies = f"self.{name} in {words}"
        if "oldSelf" in rule["rule"] and not rule.get("optionalOldSelf"):
            # A value that changed arms had other fields; the rule compares values of one arm.
            applies = f"({applies} && oldSelf.{name} in {words})"
        else:
            applies = f"({applies})"
        yield {**rule, "rule": f"!{applies} || ({rule['rule']})"}


_KEY_RULES = {
    "minLength": ("size(key) >= {}", "keys must have at least {} characters"),
    "maxLength": ("size(key) <= {}", "keys must have at most {} characters"),
    "pattern": ("key.matches({})", "keys must match {}"),
    "enum": ("key in {}", "keys must be among {}"),
}


def key_rules(keys: Schema, where: str) -> list[dict[str, str]]:
    """Return rules for a map that express its key constraints, for which no keyword exists."""
    rules = []
    for keyword, value in keys.items():
        if keyword == "type":
            continue
        if keyword not in _KEY_RULES:
            raise SchemaError(
                f"{where}: expected keys bounded by length, pattern or enum, got {keyword}; "
                "write it as a Cel rule over the map: self.all(key, ...)"
            )
        rule, message = _KEY_RULES[keyword]
        text = cel_text(value)
        rules.append(
            {"rule": f"self.all(key, {rule.format(text)})", "message": message.format(text)}
        )
    return rules


def cel_text(value: Any) -> str:
    """Return a value as a CEL literal."""
    if isinstance(value, list):
        return f"[{', '.join(map(cel_text, value))}]"
    if isinstance(value, str):
        # CEL's string escapes are those of JSON, plus its own quote.
        text = json.dumps(value, ensure_ascii=False)[1:-1]
        return "'" + text.replace('\\"', '"').replace("'", "\\'") + "'"
    return json.dumps(value)
