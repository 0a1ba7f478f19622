"""The shapes against the service models that every AWS SDK is generated from."""

import typing
from typing import Any

import pytest
from botocore.loaders import Loader

from api.wire import shapes
from api.wire.constraints import Items, Length, Member, OneOf, Pattern, Range, members

Model = dict[str, Any]
Facts = dict[str, Any]

LOADER = Loader()
KMS: Model = LOADER.load_service_model("kms", "service-2")
CLOUDTRAIL: Model = LOADER.load_service_model("cloudtrail", "service-2")
KMS_SHAPES = [shape for shape in shapes.SHAPES if shape is not shapes.LookupEvents]

# Where the service enforces narrower bounds than its model says. Source: API Reference, the
# Limit of each listing, and PendingWindowInDays of ScheduleKeyDeletion.
NARROWER = {
    ("ListAliases", "Limit"): {"max": 100},
    ("ListResourceTags", "Limit"): {"max": 50},
    ("ScheduleKeyDeletion", "PendingWindowInDays"): {"min": 7, "max": 30},
}
JSON_TYPES: dict[str, Any] = {
    "string": str,
    "blob": bytes,
    "integer": int,
    "boolean": bool,
    "timestamp": float,
    "map": dict[str, str],
}


def modelled(model: Model, operation: str) -> Facts:
    shape = model["operations"][operation]["input"]["shape"]
    facts = structure_facts(model, shape)
    for name in facts:
        facts[name] |= NARROWER.get((operation, name), {})
    return facts


def structure_facts(model: Model, shape: str) -> Facts:
    structure = model["shapes"][shape]
    required = structure.get("required", [])
    return {
        name: {"required": name in required} | value_facts(model, member["shape"])
        for name, member in structure["members"].items()
    }


def value_facts(model: Model, shape: str) -> Facts:
    described = model["shapes"][shape]
    kind = described["type"]
    facts = {key: described[key] for key in ("min", "max", "pattern", "enum") if key in described}
    facts["sensitive"] = described.get("sensitive", False)
    if kind == "structure":
        return facts | {"structure": structure_facts(model, shape)}
    if kind == "list":
        return facts | {"entries": value_facts(model, described["member"]["shape"])}
    return facts | {"type": JSON_TYPES[kind]}


def declared(shape: type[shapes.Shape]) -> Facts:
    hints = typing.get_type_hints(shape)
    return {member.name: member_facts(member, hints[member.attribute]) for member in members(shape)}


def member_facts(member: Member, hint: Any) -> Facts:
    kind, *_ = typing.get_args(hint)  # of `kind | None`
    facts: Facts = {"required": member.required, "sensitive": member.sensitive}
    facts |= constraint_facts(member.constraints)
    if typing.get_origin(kind) is tuple:
        entries = facts.pop("entries", {}) | {"sensitive": False}
        return facts | {"entries": entries | type_facts(typing.get_args(kind)[0])}
    return facts | type_facts(kind)


def type_facts(kind: Any) -> Facts:
    if isinstance(kind, type) and issubclass(kind, shapes.Shape):
        return {"structure": declared(kind)}
    return {"type": kind}


def constraint_facts(constraints: typing.Iterable[Any]) -> Facts:
    facts: Facts = {}
    for constraint in constraints:
        match constraint:
            case Length(minimum, maximum) | Range(minimum, maximum):
                facts |= {"min": minimum, "max": maximum}
            case Pattern(expression):
                facts["pattern"] = expression
            case OneOf():
                facts["enum"] = list(constraint.values)
            case Items():
                facts["entries"] = constraint_facts(constraint.constraints)
    return facts


@pytest.mark.parametrize("shape", KMS_SHAPES, ids=lambda shape: shape.__name__)
def test_every_member_has_the_name_type_and_bounds_of_the_model(shape: type[shapes.Shape]) -> None:
    assert declared(shape) == modelled(KMS, shape.__name__)


@pytest.mark.parametrize("shape", KMS_SHAPES, ids=lambda shape: shape.__name__)
def test_members_are_in_the_order_of_the_model(shape: type[shapes.Shape]) -> None:
    assert list(declared(shape)) == list(modelled(KMS, shape.__name__))


def test_lookup_events_has_the_members_and_types_of_the_model() -> None:
    # Only these: its broken constraints have errors of their own, which its handler raises.
    modelled_members = modelled(CLOUDTRAIL, "LookupEvents")
    assert only_types(declared(shapes.LookupEvents)) == only_types(modelled_members)


def only_types(facts: Facts) -> Facts:
    kept = {"type", "entries", "structure"}
    return {
        name: only_types(value) if isinstance(value, dict) else value
        for name, value in facts.items()
        if name in kept or name[0].isupper()
    }


@pytest.mark.parametrize(("operation", "member"), NARROWER)
def test_an_exception_is_still_one(operation: str, member: str) -> None:
    shape = KMS["operations"][operation]["input"]["shape"]
    facts = structure_facts(KMS, shape)[member]
    assert facts | NARROWER[operation, member] != facts
