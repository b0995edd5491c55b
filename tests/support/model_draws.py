"""Modules of API models as source text, of all that an author may write, right and wrong.

Drawn from a random source that the caller seeds. A module is kept as lines that can be left out one
by one, so that a failing one can be made small.
"""

import dataclasses
import random
from collections.abc import Callable, Sequence

HEADER = """\
import collections, dataclasses, datetime as dt, decimal, enum, ipaddress, pathlib, re, uuid
from collections.abc import Mapping, Sequence
from typing import *
import annotated_types as at
import pydantic
import typing_extensions as te
from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag, computed_field
from pydantic import conint, confloat, conlist, conset, constr, field_validator, model_validator
from schemagen import *
from schemagen import wire

"""


@dataclasses.dataclass(frozen=True)
class Block:
    """A class, an enum or an alias: its first line, and lines below it that may be left out."""

    head: str
    lines: tuple[str, ...] = ()

    def text(self) -> str:
        """The source."""
        if not self.head.startswith("class "):
            return f"{self.head}\n"
        return "\n    ".join((self.head, *(self.lines or ("pass",)))) + "\n"


@dataclasses.dataclass(frozen=True)
class Module:
    """Blocks in the order of their definition, and the arguments of the version."""

    blocks: tuple[Block, ...]
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """The source of a module with an ``api``."""
        version = ", ".join(("'v1'", "Thing", "storage=True", *self.options))
        api = f"Api('drawn.example.com', (Kind('Thing', 'things', (Version({version}),)),))"
        return HEADER + "\n".join(block.text() for block in self.blocks) + f"\napi = {api}\n"


def smaller(module: Module) -> Sequence[Module]:
    """The module without one of its parts, the largest parts first."""
    found = [
        dataclasses.replace(module, blocks=(*module.blocks[:at], *module.blocks[at + 1 :]))
        for at in range(len(module.blocks))
    ]
    for at, option in enumerate(module.options):
        del option
        rest = (*module.options[:at], *module.options[at + 1 :])
        found.append(dataclasses.replace(module, options=rest))
    for at, block in enumerate(module.blocks):
        for line in range(len(block.lines)):
            lines = (*block.lines[:line], *block.lines[line + 1 :])
            shorter = dataclasses.replace(block, lines=lines)
            blocks = (*module.blocks[:at], shorter, *module.blocks[at + 1 :])
            found.append(dataclasses.replace(module, blocks=blocks))
    return found


# ------------------------------------------------------------------------------------------- words

_NAMES = (
    *("a", "b", "c", "size", "my_x", "max_size", "name", "kind", "y", "n", "on", "namespace"),
    *("for_", "in_", "type", "value", "spec", "items", "a__b", "x1", "null", "metadata", "über"),
)
_ALIASES = ("my-x", "a.b", "a/b", "a__b", "for", "in", "X", "1a", "größe", "y", "kind", "metadata",
            "a b", "", "apiVersion", "camelCase", "null", "true", "12:30", "=")  # fmt: skip
_TEXTS = (
    '"a"',
    '"y"',
    '"1e3"',
    '""',
    '"ä"',
    '"a\\nb"',
    '"- x"',
    '"0o10"',
    '"null"',
    '"\\t"',
    "'\"'",
)
_INTEGERS = ("0", "1", "-5", "3", "10", "2**31", "2**40")
_FLOATS = ("0.5", "1", "-2.25", "1e300", "1e21", "0.1")
_ODD_DEFAULTS = ("2**63", "True", "float('inf')", "float('nan')", "None", "[]", "{}", "{'a': None}",
                 "object()", "{'b', 'a'}", "lambda: 1")  # fmt: skip
_PATTERNS = ('r"^[a-z]+$"', 'r"^\\d{1,3}$"', 'r"^a"', 'r"(?i)^ab$"', 'r"(?=a)"', 'r"(a)\\1"',
             're.compile("^[a-z]+$", re.I)', 're.compile("^a$")', 'r"^(a|b|)$"', 'r"\\Z"', '"["',
             'r"^[^\\s]*$"', 'r"a++"', 're.compile(r"\\w")')  # fmt: skip
_FORMATS = ("date-time", "date", "duration", "byte", "uuid", "ipv4", "ipv6", "cidr", "uri", "email",
            "hostname", "int32", "int64", "float", "double", "password", "nonsense", "mac",
            "k8s-short-name")  # fmt: skip
_TEXT_RULES = (
    "self != 'a'",
    "self.size() < 4",
    "self.matches('^[a-z]*$')",
    "self == oldSelf",
    "self.nowhere == 1",
    "self",
    "isURL(self) || self == ''",
    "'it\\\\'s' != self",
)
_NUMBER_RULES = ("self > 0", "self % 2 == 0", "self >= oldSelf", "10 / self > 0", "self == 'a'")
_LIST_RULES = ("self.size() < 3", "self.all(x, self.exists_one(y, x == y))", "size(self) >= 0")
_DESCRIPTIONS = (
    '"Plain."',
    '"y"',
    '"First.\\n\\nSecond: a.\\n- item\\n"',
    '"# no comment"',
    '"Ends: "',
    '"  indented\\n    more"',
    '"\'quotes\' \\"double\\""',
    '"ünï"',
    '"tab\\there"',
    '"a" * 300',
    '"null"',
    '"{x}"',
)
_DOCSTRINGS = (
    '"""A thing."""',
    '"""Two.\n\n    Paragraphs: here.\n\n    - a list\n        code\n    """',
    '"""y"""',
    '"""Ends with a colon:"""',
)
_WIRE = (
    "Int32",
    "Int64",
    "Timestamp",
    "Date",
    "GoDuration",
    "Uri",
    "Email",
    "Hostname",
    "IPv4",
    "IPv6",
    "Cidr",
    "Mac",
    "Uuid",
    "Base64",
    "ShortName",
    "LongName",
    "IntOrString",
    "Quantity",
    "Duration",
)
_ODD = (
    *("dt.datetime", "dt.date", "dt.timedelta", "dt.time", "decimal.Decimal", "uuid.UUID", "bytes"),
    *("pathlib.Path", "ipaddress.IPv4Address", "pydantic.SecretStr", "pydantic.AnyUrl", "complex"),
    *("object", "set", "list", "dict", "tuple", "List", "Dict", "Set", "Tuple", "type[int]"),
    *(
        "None",
        "Callable[[], int]",
        "re.Pattern[str]",
        "Hashable",
        "'int'",
        "'Nowhere'",
        "'list[str]'",
    ),
    *("Final[int]", "ClassVar[int]", "collections.deque[int]", "Iterable[int]", "range", "slice"),
    *("conint(ge=1, le=5)", "constr(max_length=3)", "conlist(int, max_length=2)", "conset(int)"),
    *(
        "confloat(gt=0.5)",
        "Annotated[int, at.Interval(ge=1, lt=4)]",
        "Annotated[str, at.Len(1, 3)]",
    ),
    *("pydantic.Json[int]", "pydantic.ByteSize", "pydantic.PositiveInt", "pydantic.StrictInt"),
    *("Annotated[int, 'a remark']", "Annotated[str, at.Predicate(str.islower)]", "NoReturn"),
    *("Literal[1, 'a']", "Literal[True]", "Literal[None]", "Literal['a', None]", "Literal[1.5]"),
    *("Literal[b'a']", "Literal['y', 'n', 'on']", "Literal['08', '1e3']", "Literal[1, 2]"),
    *("int | str", "str | int", "int | float", "bool | None", "Optional[int]", "Union[int, None]"),
    *("int | str | None", "float | bool", "list[int] | dict[str, int]", "ObjectMeta", "LocalRef"),
    *("Condition", "re.RegexFlag", "enum.Enum", "BaseModel", "Model", "Resource", "Spec"),
)
_MODEL_LINES = (
    'model_config = ConfigDict(extra="allow")',
    'model_config = ConfigDict(extra="forbid")',
    'model_config = ConfigDict(extra="ignore")',
    'model_config = ConfigDict(title="A title")',
    "model_config = ConfigDict(str_to_lower=True)",
    "model_config = ConfigDict(alias_generator=None)",
    "model_config = ConfigDict(use_enum_values=True)",
    "_private: int = 3",
    "CONSTANT: ClassVar[int] = 3",
    "plain = 3",
    "@field_validator('*')\n    def check(cls, value): return value",
    "@model_validator(mode='after')\n    def check(self): return self",
    "@computed_field\n    @property\n    def computed(self) -> int: return 1",
    "@property\n    def shown(self) -> int: return 1",
)
_ENUMS = (
    'class E{0}(enum.Enum):\n    A = "a"\n    B = "b"',
    'class E{0}(enum.StrEnum):\n    A = enum.auto()\n    Y = "y"',
    "class E{0}(enum.IntEnum):\n    ONE = 1\n    TWO = 2",
    "class E{0}(enum.IntFlag):\n    R = 1\n    W = 2",
    'class E{0}(enum.Enum):\n    A = "a"\n    B = 2',
    "class E{0}(enum.Enum):\n    pass",
    'class E{0}(str, enum.Enum):\n    A = "a"\n    ALSO = "a"',
    "class E{0}(enum.Enum):\n    T = True\n    F = False",
)
_PARTS = (
    'Alias{0} = te.TypeAliasType("Alias{0}", {1})',
    'New{0} = NewType("New{0}", int)',
    "class Data{0}(te.TypedDict, total=False):\n    a: int\n    b: te.Required[str]",
    "@dataclasses.dataclass\nclass Data{0}:\n    a: int\n    b: str = 'x'",
    "class Data{0}(NamedTuple):\n    a: int",
    "class Data{0}(BaseModel):\n    a: int\n    b: str = 'x'",
    "class Data{0}(RootModel[list[int]]):\n    pass",
)
_PATHS = (
    ".spec",
    ".spec.a",
    ".spec.size",
    ".spec.mySize",
    ".status",
    ".metadata.name",
    ".spec.kind",
    ".spec['a']",
    ".spec.items[0]",
    ".spec..a",
    ".spec.maxSize",
    ".spec.value[*]",
)


class Draw:
    """Draws modules.

    Args:
        source: Where all chance comes from.
    """

    def __init__(self, source: random.Random) -> None:
        self._random = source
        # How much of a module is out of the ordinary: in a tame one, most is taken.
        self._wildness = source.choice((0.0, 0.0, 0.05, 0.2, 1.0))
        self._models: list[str] = []
        self._others: list[str] = []

    def module(self) -> Module:
        """A module with a kind Thing."""
        blocks: list[Block] = []
        blocks += [self._other(index) for index in range(self._random.choice((0, 0, 1, 1, 2)))]
        for index in range(self._random.choice((0, 1, 1, 2, 3))):
            blocks.append(self._model(f"M{index}", "Model"))
            self._models.append(f"M{index}")
        if self._is(0.15):
            blocks += self._union()
        blocks.append(self._model("ThingSpec", "Spec"))
        root = ["spec: ThingSpec"]
        if self._is(0.3):
            blocks.append(self._model("ThingStatus", "Status"))
            root.append("status: ThingStatus | None = None")
        if self._is(0.05):
            root.append(self._field("extra_field"))
        blocks.append(Block("class Thing(Resource):", tuple(root)))
        return Module(tuple(blocks), tuple(self._options()))

    def _is(self, chance: float) -> bool:
        return self._random.random() < chance

    def _is_odd(self, chance: float) -> bool:
        return self._is(chance * self._wildness)

    def _one(self, of: Sequence[str]) -> str:
        return self._random.choice(of)

    def _options(self) -> list[str]:
        options = []
        if self._is(0.1):
            kind = self._one(("string", "integer", "date", "boolean", "number"))
            options.append(f"columns=(Column('C', {self._one(_PATHS)!r}, {kind!r}),)")
        if self._is(0.05):
            options.append(f"selectable=({self._one(_PATHS)!r},)")
        return options

    def _other(self, index: int) -> Block:
        if self._is(0.5):
            self._others.append(f"E{index}")
            return Block(self._one(_ENUMS if self._is_odd(0.8) else _ENUMS[:3]).format(index))
        text = self._one(_PARTS).format(index, self._type(2)[0])
        words = text.replace("(", " ").replace(":", " ").split()
        self._others.append(words[words.index("class") + 1] if "class" in words else words[0])
        return Block(text)

    def _union(self) -> list[Block]:
        """Two models told apart by a word, and an alias of their union."""
        drawn = self._one(("1|2", "'it\\'s'|'b'", "True|False")) if self._is_odd(0.5) else "'a'|'b'"
        words = drawn.split("|")
        blocks = []
        for index, word in enumerate(words):
            fields = [f"kind: Literal[{word}]", self._field(self._one(_NAMES[:4]))]
            blocks.append(Block(f"class U{index}(Model):", tuple(fields)))
        self._others.append("Chosen")
        alias = 'Chosen = Annotated[U0 | U1, Field(discriminator="kind")]'
        return [*blocks, Block(alias)]

    def _model(self, name: str, base: str) -> Block:
        count = self._random.choice((1, 1, 2, 3, 4))
        names = self._random.sample(_NAMES if self._is_odd(0.9) else _NAMES[:18], count)
        lines = [self._field(one) for one in names]
        if self._is_odd(0.3):
            lines.insert(0, self._one(_MODEL_LINES))
        if self._is(0.3):
            lines.insert(0, self._one(_DOCSTRINGS))
        rules = f", rules=[{self._rule(names)}]" if self._is(0.15) else ""
        return Block(f"class {name}({base}{rules}):", tuple(lines))

    def _rule(self, names: list[str]) -> str:
        name = self._one(names)
        text = self._one(
            (
                f"!has(self.{name}) || self.{name} == self.{name}",
                f"has(self.{name})",
                f"self.{name} != oldSelf.{name}",
                "self.nowhere" if self._is_odd(0.9) else "true",
            )
        )
        path = f", field_path='.{name}'" if self._is(0.3) else ""
        if self._is(0.3):
            which = self._one(("exactly_one_of", "at_most_one_of", "at_least_one_of"))
            return f"{which}({', '.join(map(repr, names))})"
        return f'Cel("{text}", "message"{path})'

    def _field(self, name: str) -> str:
        text, kind = self._type(3)
        options = self._options_of_field(kind)
        default = self._default(text, kind)
        if options:
            named = (f"default={default}",) if default and "factory" not in default else ()
            given = ", ".join((*named, *options))
            return f"{name}: {text} = Field({given})"
        return f"{name}: {text} = {default}" if default else f"{name}: {text}"

    def _options_of_field(self, kind: str) -> list[str]:
        menu: tuple[tuple[float, Callable[[], str]], ...] = (
            (0.10, lambda: f"alias={self._one(_ALIASES if self._is_odd(0.8) else _ALIASES[:7])!r}"),
            (0.20, lambda: f"description={self._one(_DESCRIPTIONS)}"),
            (0.05, lambda: "title='T'"),
            (0.05, lambda: "examples=['x']"),
            (0.04, lambda: "deprecated='use other'"),
            (0.1 * self._wildness, lambda: "frozen=True"),
            (0.1 * self._wildness, lambda: "exclude=True"),
            (0.1 * self._wildness, lambda: "validation_alias='other'"),
            (0.02, lambda: "strict=True"),
            (0.1 * self._wildness, lambda: "json_schema_extra={'x': 1}"),
            (0.02, lambda: "repr=False"),
            (0.15, lambda: self._bound(kind)),
        )
        return [option() for chance, option in menu if self._is(chance)]

    def _bound(self, kind: str) -> str:
        if self._is_odd(0.3):
            kind = self._one(("int", "str", "list"))
        if kind in {"int", "float"}:
            name = self._one(("ge", "gt", "le", "lt", "multiple_of"))
            return f"{name}={self._one(('0', '1', '5', '-3', '0.5', '100', '2**31'))}"
        if kind == "str" and self._is(0.5):
            return f"pattern={self._one(_PATTERNS if self._is_odd(0.8) else _PATTERNS[:3])}"
        return f"{self._one(('min_length', 'max_length'))}={self._one(('0', '1', '3', '40'))}"

    def _default(self, text: str, kind: str) -> str:
        if self._is(0.45):
            return ""
        if "None" in text or "Optional" in text:
            return "None"
        if self._is_odd(0.2):
            return self._one((*_TEXTS, *_INTEGERS, *_ODD_DEFAULTS))
        defaults: dict[str, Sequence[str]] = {
            "int": _INTEGERS,
            "str": _TEXTS,
            "float": _FLOATS,
            "bool": ("True", "False"),
            "list": ("[]", "()", "['a']", "[1]") if self._is_odd(1) else ("[]",),
            "set": ("set()", "{'b', 'a'}", "{1}") if self._is_odd(1) else ("set()",),
            "dict": ("{}", "{'y': 1}", "{'a': 'b'}") if self._is_odd(1) else ("{}",),
            "any": (*_TEXTS, *_INTEGERS, "{'y': [None, 1.5]}"),
        }
        if text.startswith(("wire.", "Literal", "Annotated")) and not self._is_odd(0.8):
            return ""
        return self._one(defaults[kind]) if kind in defaults else ""

    # ------------------------------------------------------------------------------------ types

    def _type(self, depth: int) -> tuple[str, str]:
        """The text of a type, and what kind of value it has."""
        chance = self._random.random()
        if depth and chance < 0.3:
            text, kind = self._container(depth)
        elif chance < 0.38 and self._models:
            text, kind = self._one(self._models), "model"
        elif chance < 0.5 and self._others:
            text, kind = self._one(self._others), "other"
        elif chance < 0.6:
            text, kind = f"wire.{self._one(_WIRE)}", "str"
        elif chance < 0.68 and self._is_odd(1):
            text, kind = self._one(_ODD), "odd"
        else:
            text, kind = self._scalar()
        if self._is(0.25):
            text = self._marked(text, kind)
        if self._is(0.2) and not text.startswith("'"):
            text = f"{text} | None" if self._is(0.7) else f"Optional[{text}]"
        return text, kind

    def _scalar(self) -> tuple[str, str]:
        text = self._one(("int", "str", "bool", "float", "Any", "JSONObject", "int | str", "Lit"))
        if text == "int | str":
            return "Annotated[int | str, IntOrString()]", "any"
        if text == "Lit":
            words = self._one(("'a', 'b'", "'y', 'n'", "'08', '1e3'", "1, 2", "'it\\'s'", "''"))
            return f"Literal[{words}]", "str"
        kinds = {"Any": "any", "JSONObject": "dict"}
        return text, kinds.get(text, text)

    def _container(self, depth: int) -> tuple[str, str]:
        inner = self._type(depth - 1)[0]
        scalar = inner if self._is_odd(0.5) else self._one(("str", "int", "wire.Int32"))
        shape, kind = self._random.choice(
            (
                ("list[{}]", "list"),
                ("list[{}]", "list"),
                (self._odd_container(), "dict"),
                (f"set[{scalar}]", "set"),
                (f"frozenset[{scalar}]", "set"),
                ("tuple[{}, ...]", "list"),
                ("tuple[{0}, {0}]" if self._is_odd(0.9) else "list[{0}]", "list"),
                ("dict[int, {}]" if self._is_odd(0.9) else "dict[str, {}]", "dict"),
                ("dict[str, {}]", "dict"),
                ("dict[str, {}]", "dict"),
                ("dict[Annotated[str, Field(max_length=3)], {}]", "dict"),
                ("dict[Annotated[str, Field(pattern='^[a-z]$')], {}]", "dict"),
                ("dict[Literal['a', 'y'], {}]", "dict"),
                ("Sequence[{}]", "list"),
                ("Mapping[str, {}]", "dict"),
            )
        )
        return shape.replace("{0}", inner).replace("{}", inner), kind

    def _odd_container(self) -> str:
        if not self._is_odd(1):
            return "Annotated[JSONObject, EmbeddedResource()]"
        marker = self._one(("PreserveUnknown()", "EmbeddedResource()", "Type('integer')"))
        return f"Annotated[dict[str, {{}}], {marker}]"

    def _marked(self, text: str, kind: str) -> str:
        markers: dict[str, Sequence[Callable[[], str]]] = {
            "str": (
                lambda: f"Format({self._one(_FORMATS)!r})",
                lambda: f"Field({self._bound('str')})",
                lambda: f'Cel("{self._one(_TEXT_RULES)}", "message")',
                lambda: "MaxBytes(5)",
                lambda: "Immutable()",
            ),
            "int": (
                lambda: f"Field({self._bound('int')})",
                lambda: f"Field({self._bound('int')}, {self._bound('int')})",
                lambda: f'Cel("{self._one(_NUMBER_RULES)}", "message")',
                lambda: f"Format({self._one(('int32', 'int64', 'date'))!r})",
            ),
            "list": (
                lambda: f"Field({self._bound('list')})",
                lambda: "ListMap('a')",
                lambda: "ListSet()",
                lambda: "Atomic()",
                lambda: f'Cel("{self._one(_LIST_RULES)}", "message")',
                lambda: "MaxEntries(2)",
            ),
            "dict": (
                lambda: f"Field({self._bound('list')})",
                lambda: "Granular()",
                lambda: "Atomic()",
            ),
            "model": (
                lambda: "EmbeddedResource()",
                lambda: "PreserveUnknown()",
                lambda: "Atomic()",
            ),
            "any": (lambda: "PreserveUnknown()",),
        }
        if self._is(0.15):
            is_optional = "None" in text or not self._is_odd(0.5)
            return f"Annotated[{text}{' | None' if is_optional else ''}, Nullable()]"
        if self._is_odd(0.4):
            kind = self._one([*markers])
        menu: list[Callable[[], str]] = [*markers.get(kind, ()), lambda: "ExternalDocs('u')"]
        count = 1 if self._is(0.8) else 2
        chosen = ", ".join(self._random.choice(menu)() for _ in range(count))
        return f"Annotated[{text}, {chosen}]"
