"""Constraints on the members of a request, and the texts in which AWS reports a broken one.

A member carries its constraints in its annotation: `Annotated[str | None, Length(1, 2048)]`.
They are compiled once for each shape; a valid request then costs a call or two for each member.
Structures inside a shape, and lists of them, are followed without being told.
"""

import re
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import msgspec

from domain.errors import Validation

# A hostile list can break a constraint in each of its entries: the answer stays bounded.
MOST_FAILURES = 100

Accepts = Callable[[Any], object]  # true of the result: the value passes
Rule = tuple[str, Accepts]  # AWS's text, and the test that it is about


@runtime_checkable
class Constraint(Protocol):
    """What may be said of a value that is present."""

    def rules(self) -> tuple[Rule, ...]:
        """Give the separate rules, each with its own text."""


@dataclass(frozen=True, slots=True)
class Required:
    """The member must be present."""


@dataclass(frozen=True, slots=True)
class Sensitive:
    """The member's value is never shown."""


@dataclass(frozen=True, slots=True)
class Length:
    """Characters of a string, bytes of a blob or entries of a list; both bounds included."""

    minimum: int
    maximum: int

    def rules(self) -> tuple[Rule, ...]:
        """Give the upper and the lower bound."""
        low, high = self.minimum, self.maximum
        return (
            (f"Member must have length less than or equal to {high}", lambda v: len(v) <= high),
            (f"Member must have length greater than or equal to {low}", lambda v: len(v) >= low),
        )


@dataclass(frozen=True, slots=True)
class Range:
    """A number; both bounds included."""

    minimum: int
    maximum: int

    def rules(self) -> tuple[Rule, ...]:
        """Give the upper and the lower bound."""
        return (
            (f"Member must have value less than or equal to {self.maximum}", self.maximum.__ge__),
            (
                f"Member must have value greater than or equal to {self.minimum}",
                self.minimum.__le__,
            ),
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that the whole value matches, written as in the service model."""

    expression: str

    def rules(self) -> tuple[Rule, ...]:
        """Give the one rule."""
        matches = re.compile(self.expression, re.ASCII).fullmatch
        return ((f"Member must satisfy regular expression pattern: {self.expression}", matches),)


class OneOf:
    """The values of an enumeration, in the order of the service model."""

    __slots__ = ("values",)

    def __init__(self, *values: str) -> None:
        self.values = values

    def rules(self) -> tuple[Rule, ...]:
        """Give the one rule."""
        text = f"Member must satisfy enum value set: [{', '.join(self.values)}]"
        return ((text, frozenset(self.values).__contains__),)


class Items:
    """What holds of each entry of a list of plain values."""

    __slots__ = ("constraints",)

    def __init__(self, *constraints: Constraint) -> None:
        self.constraints = constraints

    def rules(self) -> tuple[Rule, ...]:
        """Give one rule: AWS names all rules for entries when one entry breaks one of them."""
        rules = [rule for constraint in self.constraints for rule in constraint.rules()]
        tests = tuple(test for _, test in rules)

        def accept(values: Sequence[Any]) -> bool:
            return all(test(value) for value in values for test in tests)

        texts = ", ".join(text for text, _ in rules)
        return ((f"Member must satisfy constraint: [{texts}]", accept),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a shape with what its annotation says."""

    attribute: str
    name: str  # on the wire
    required: bool
    sensitive: bool
    constraints: tuple[Constraint, ...]
    nested: type[msgspec.Struct] | None  # the shape of the member, or of each of its entries
    is_list: bool


class Checker:
    """The compiled constraints of one shape."""

    def __init__(self, shape: type[msgspec.Struct]) -> None:
        self._members = tuple(_CompiledMember(member) for member in members(shape))
        self._plan = tuple(
            (member.attribute, member.required, member.tests)
            for member in self._members
            if member.required or member.tests
        )

    def check(self, request: msgspec.Struct) -> None:
        """Raise Validation that names every broken constraint."""
        if not self.accepts(request):
            failures = list(islice(self.failures(request, ""), MOST_FAILURES))
            plural = "s" if len(failures) > 1 else ""
            texts = "; ".join(failures)
            raise Validation(f"{len(failures)} validation error{plural} detected: {texts}")

    def accepts(self, value: msgspec.Struct) -> bool:
        """Tell whether every constraint holds."""
        for attribute, required, tests in self._plan:
            member = getattr(value, attribute)
            if member is None:
                if required:
                    return False
                continue
            for test in tests:
                if not test(member):
                    return False
        return True

    def failures(self, value: msgspec.Struct, prefix: str) -> Iterator[str]:
        """Name every broken constraint, in the order of the members."""
        for member in self._members:
            yield from member.failures(getattr(value, member.attribute), prefix)


class _CompiledMember:
    def __init__(self, member: Member) -> None:
        self.attribute = member.attribute
        self.required = member.required
        self._path = member.name[0].lower() + member.name[1:]
        self._sensitive = member.sensitive
        self._is_list = member.is_list
        self._rules = tuple(rule for item in member.constraints for rule in item.rules())
        self._nested = None if member.nested is None else Checker(member.nested)
        self.tests = tuple(test for _, test in self._rules)
        if self._nested is not None:
            accepts = self._nested.accepts
            self.tests += ((lambda v: all(map(accepts, v))) if self._is_list else accepts,)

    def failures(self, value: Any, prefix: str) -> Iterator[str]:
        path = prefix + self._path
        if value is None:
            if self.required:
                yield self._failure(path, value, "Member must not be null")
            return
        for text, test in self._rules:
            if not test(value):
                yield self._failure(path, value, text)
        if self._nested is not None and self._is_list:
            for index, entry in enumerate(value, 1):
                yield from self._nested.failures(entry, f"{path}.{index}.member.")
        elif self._nested is not None:
            yield from self._nested.failures(value, f"{path}.")

    def _failure(self, path: str, value: Any, text: str) -> str:
        shown = "Value" if self._sensitive else f"Value {_shown(value)}"
        return f"{shown} at '{path}' failed to satisfy constraint: {text}"


def members(shape: type[msgspec.Struct]) -> tuple[Member, ...]:
    """Read the members of a shape, in its order."""
    hints = typing.get_type_hints(shape, include_extras=True)
    return tuple(_member(field, hints[field.name]) for field in msgspec.structs.fields(shape))


def _member(field: msgspec.structs.FieldInfo, hint: Any) -> Member:
    annotations: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    nested, is_list = _nested(hint)
    return Member(
        attribute=field.name,
        name=field.encode_name,
        required=any(isinstance(item, Required) for item in annotations),
        sensitive=any(isinstance(item, Sensitive) for item in annotations),
        constraints=tuple(item for item in annotations if isinstance(item, Constraint)),
        nested=nested,
        is_list=is_list,
    )


def _nested(hint: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """Find the structure in `Tag | None` or `tuple[Tag, ...] | None`, and tell which it is."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint, False
    for part in typing.get_args(hint):
        shape, is_list = _nested(part)
        if shape is not None:
            return shape, is_list or typing.get_origin(hint) is tuple
    return None, False


def _shown(value: Any) -> str:
    """Write a value as AWS does, whose service is in Java."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"'java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]'"
    if isinstance(value, tuple):
        return f"'[{', '.join(map(str, value))}]'"
    return f"'{value}'"
