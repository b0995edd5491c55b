"""Calls of every command with a module, arguments or input files that are broken at random.

Each call is a whole case: the program, its arguments, and the files that it finds. The same seed
draws the same.
"""

import base64
import dataclasses
import datetime as dt
import io
import json
import pathlib
import random
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from controllers.audit import records
from tests.support.forked_commands import Commands, Outcome, Program

MODULE: Final = """\
from typing import Annotated, Literal
from pydantic import Field
from schemagen import Api, Cel, Column, Conversion, FieldPath, Kind, ListMap, MaxBytes, Model
from schemagen import Policy, Problem, Resource, Rules, Scale, Spec, Status, Version, records, wire
class Port(Model):
    name: str
    number: Annotated[int, Field(ge=1, le=65535)] = 80
class OldSpec(Spec):
    size: int = 1
    color: Literal["Red", "Green"] = "Red"
class NewSpec(Spec, rules=[Cel("self.replicas < 100", "too many")]):
    replicas: Annotated[wire.Int32, Field(ge=0)] = 1
    color: Literal["Red", "Green"] = "Red"
    ports: Annotated[list[Port], ListMap("name")] | None = None
    note: Annotated[str, MaxBytes(16)] | None = None
class NewStatus(Status):
    replicas: wire.Int32 = 0
class Old(Resource):
    spec: OldSpec
class New(Resource):
    spec: NewSpec
    status: NewStatus | None = None
STEP = Conversion(
    records.record(
        records.keep("apiVersion", "kind", "metadata"),
        records.same_name("spec", records.record(
            records.move("size", "replicas"), records.keep("color"))),
    )
)
def noted(thing, facts):
    spec = thing["spec"]
    return thing | {"spec": {"note": f"{spec['replicas']} of them", **spec}}
def checked(thing, old, facts):
    if thing["spec"].get("replicas", 0) > 50:
        yield Problem(FieldPath((".spec", ".replicas")), "expected at most 50")
api = Api(
    "things.example.com",
    (
        Kind(
            "Thing",
            "things",
            (
                Version("v1beta1", Old, conversion=STEP),
                Version(
                    "v1",
                    New,
                    storage=True,
                    columns=(Column("Replicas", ".spec.replicas", type="integer"),),
                    selectable=(".spec.color",),
                    scale=Scale(".spec.replicas", ".status.replicas"),
                ),
            ),
            short_names=("th",),
            categories=("all",),
            rules=Rules(default=noted, validate=checked),
            policies=(Policy("object.spec.replicas < 1000", "too many"),),
        ),
    ),
)
"""

MANIFEST: Final = """\
apiVersion: things.example.com/v1
kind: Thing
metadata:
  name: one
  labels: {team: red}
spec:
  replicas: 3
  ports:
  - name: http
    number: 80
  note: |
    some text
---
apiVersion: things.example.com/v1beta1
kind: Thing
metadata: {name: two}
spec: {size: 4, color: "Green"}
"""

REVIEW: Final = json.dumps(
    {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "things.example.com", "version": "v1", "kind": "Thing"},
            "operation": "CREATE",
            "name": "one",
            "namespace": "default",
            "userInfo": {"username": "admin", "groups": ["system:masters"]},
            "object": {
                "apiVersion": "things.example.com/v1",
                "kind": "Thing",
                "metadata": {"name": "one"},
                "spec": {"replicas": 3},
            },
        },
    },
    indent=1,
)

CONVERSION: Final = json.dumps(
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800003",
            "desiredAPIVersion": "things.example.com/v1",
            "objects": [
                {
                    "apiVersion": "things.example.com/v1beta1",
                    "kind": "Thing",
                    "metadata": {"name": "two"},
                    "spec": {"size": 4},
                }
            ],
        },
    },
    indent=1,
)

WEBHOOKS: Final = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: things}
webhooks:
- name: validate.things.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 5
  failurePolicy: Fail
  clientConfig: {url: "https://127.0.0.1:9443/validate"}
  rules:
  - {apiGroups: [things.example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}
"""

CRD: Final = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.things.example.com}
spec:
  group: things.example.com
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing, listKind: ThingList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations: [{rule: self.replicas >= oldSelf.replicas}]
            properties:
              replicas: {type: integer, maximum: 9}
              ports:
                type: array
                items: {type: object, properties: {name: {type: string}}}
status: {storedVersions: [v1]}
"""

SETTINGS: Final = "policy:\n  labels: {required: [team]}\n"

KUBECONFIG: Final = """\
apiVersion: v1
kind: Config
current-context: here
clusters:
- {name: here, cluster: {server: "http://127.0.0.1:9"}}
users:
- {name: me, user: {token: abc}}
contexts:
- {name: here, context: {cluster: here, user: me}}
"""

RUN: Final = '{"provider": "p", "adapter": {"type": "exec"}, "exec": {"command": ["true"]}}'

LINTED: Final = (
    (pathlib.Path(__file__).parents[1] / "data/crdlint/default-required.yaml")
    .read_text()
    .partition("---")[0]
)
LINT: Final = """\
ignore: [cel, boolean]
suppress:
- {rule: default-required, crd: "widgets.*", version: v1, path: spec.*, reason: published}
"""
AUDIT: Final = records.line(
    records.Entry(what=records.What.LOG, decision=records.Decision.OPENED, who="agents-audit"),
    records.Position("0" * 32),
    time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    replica="a",
)[0].decode()
FILES: Final = {
    "m.py": MODULE,
    "crd.yaml": CRD,
    "manifest.yaml": MANIFEST,
    "review.json": REVIEW,
    "conversion.json": CONVERSION,
    "webhooks.yaml": WEBHOOKS,
    "linted.yaml": LINTED,
    "lint.yaml": LINT,
    "settings.yaml": SETTINGS,
    "kubeconfig": KUBECONFIG,
    "agent-runner.json": RUN,
    "audit.jsonl": AUDIT,
}

CALLS: Final[Sequence[tuple[Program, tuple[str, ...]]]] = (
    ("schemagen", ("generate", "m:api", "--no-judge")),
    ("schemagen", ("generate", "m:api", "-o", "out", "--fit-apply", "--max-description", "9")),
    ("schemagen", ("generate", "m:api", "-o", "out", "--check", "--storage", "v1")),
    ("schemagen", ("schema", "m:api", "-o", "out")),
    ("schemagen", ("policy", "m:api", "-o", "out/policy.yaml")),
    ("schemagen", ("validate", "m:api", "-f", "manifest.yaml")),
    ("schemagen", ("lint", "linted.yaml", "--config", "lint.yaml", "-o", "github")),
    ("schemagen", ("lint", "linted.yaml", "m:api", "--fix", "--select", "lists,defaults")),
    (
        "schemagen",
        ("validate", "m:api", "-f", "manifest.yaml", "--old", "manifest.yaml", "-o", "junit"),
    ),
    ("schemagen", ("validate", "--crd", "crd.yaml", "-f", "manifest.yaml", "-o", "sarif")),
    ("schemagen", ("preflight", "crd.yaml", "--against", "manifest.yaml", "-o", "json")),
    ("schemagen", ("preflight", "crd.yaml", "--against", "cluster:", "--jobs", "1")),
    ("schemagen", ("docs", "crd.yaml", "--out", "out", "--examples", "manifest.yaml")),
    ("schemagen", ("docs", "m:api", "-o", "out", "--title", "Things")),
    (
        "schemagen",
        ("guide", "m:api", "v1beta1", "v1", "--out", "out/a.md", "--examples", "manifest.yaml"),
    ),
    ("schemagen", ("guide", "m:api", "v1beta1", "v1", "-o", "html")),
    ("schemagen", ("roundtrip", "m:api", "-n", "2")),
    ("schemagen", ("judge", "m:api", "-n", "2", "--server", "none")),
    ("webhooks", ("review", "m:api", "review.json", "--settings", "settings.yaml")),
    ("webhooks", ("review", "m:api", "conversion.json")),
    ("webhooks", ("review", "m:api", "-f", "manifest.yaml", "--old", "manifest.yaml")),
    ("webhooks", ("manifests", "m:api", "--service", "things/webhooks")),
    ("webhooks", ("lint", "webhooks.yaml", "--output", "json")),
    (
        "webhooks",
        (
            *("serve", "m:api", "--port", "0", "--workers", "1", "--settings", "settings.yaml"),
            *("--quiet", "0", "--drain", "1", "--cert-dir", "certificates"),
        ),
    ),
    ("webhooks", ("uninstall", "m:api", "--kubeconfig", "kubeconfig", "--dry-run")),
    ("webhooks", ("dev", "m:api", "--settings", "settings.yaml")),
    ("agentctl", ("get", "runs", "--kubeconfig", "kubeconfig")),
    ("agentctl", ("run", "wait", "x", "--timeout", "1s", "--kubeconfig", "kubeconfig")),
    ("agentctl", ("certs", "status", "--kubeconfig", "kubeconfig")),
    ("agentctl", ("archive", "list", "--directory", "out")),
    ("agentctl", ("controller", "--kubeconfig", "kubeconfig", "--settings", "settings.yaml")),
    ("devcluster", ("where",)),
    ("runner", ("agent-runner.json",)),
    ("agentctl", ("audit", "verify", "audit.jsonl")),
)

# What a server says once it serves.
_SERVING: Final[Mapping[str, str]] = {
    "serve": "serving ",
    "controller": "health and metrics",
}

# As each command's help has them; what ends any command comes besides.
CODES: Final[Mapping[Program, frozenset[int]]] = {
    "schemagen": frozenset({0, 1, 2}),
    "webhooks": frozenset({0, 1, 2}),
    "agentctl": frozenset({0, 1, 2, 3, 4}),
    "devcluster": frozenset({0, 1, 2}),
    "runner": frozenset({0, 1, 64, 65, 66, 73, 78, 126, 127}),
}

# Where it is wrong, or what was expected of what; the box is a wrong option's.
_EXPLAINED: Final = re.compile(
    r"\w:\d+: |expected |could not |refuse|Error|unrecognized |; see .+ --help"
)


@dataclasses.dataclass(frozen=True)
class Call:
    """A command, and the files that it finds."""

    program: Program
    arguments: tuple[str, ...]
    files: Mapping[str, bytes]
    what: str

    def run(self, commands: Commands, folder: pathlib.Path) -> Outcome:
        """Run it in a folder of its own."""
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        # What a command of a cluster finds by itself would be another one's.
        environment = {"KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder)}
        environment["VCS_WORKSPACE"] = environment["WORKSPACE"] = str(folder)
        # Nobody is to build an API server, or to start one each time: `webhooks dev` finds none.
        environment["KUBEWRIGHT_KUBERNETES_VERSION"] = "0.0"
        return commands.run(
            self.program,
            *self.arguments,
            cwd=folder,
            environment=environment,
            serving=_SERVING.get(self.arguments[0]) if self.arguments else None,
        )

    def faults(self, outcome: Outcome) -> Iterator[str]:
        """What is wrong with how it ended."""
        said = f"{outcome.out}\n{outcome.err}"
        if "Traceback (most recent call last)" in said or "╭─ Traceback" in said:
            yield "a traceback"
        if outcome.code not in CODES[self.program]:
            yield f"exit code {outcome.code}"
        if outcome.code == 2 and not _EXPLAINED.search(outcome.err):
            yield "a message without a place"

    def __str__(self) -> str:
        """What to type to see it again."""
        changed = {
            name: base64.b64encode(content).decode()
            for name, content in self.files.items()
            if content != FILES[name].encode()
        }
        return f"{self.program} {' '.join(map(repr, self.arguments))} ({self.what}; {changed})"


def call(index: int, seed: int) -> Call:
    """The broken call of a number, the same in every run of a seed; of each command in turn."""
    draw = random.Random(f"{seed} {index}")  # noqa: S311 - no secret
    program, arguments = CALLS[index % len(CALLS)]
    return _broken(draw, program, arguments)


def _broken(draw: random.Random, program: Program, arguments: tuple[str, ...]) -> Call:
    files = {name: text.encode() for name, text in FILES.items()}
    used = [name for name in files if any(name in one for one in arguments)]
    used += ["m.py"] * (2 if "m:api" in arguments else 0)
    if not used or draw.random() < _ARGUMENTS_SHARE:
        return Call(program, _arguments(draw, arguments), files, "arguments")
    name = draw.choice(used)
    change = _module if name == "m.py" and draw.random() < _TOKENS_SHARE else _bytes
    files[name] = change(draw, files[name])
    return Call(program, arguments, files, f"{change.__name__} of {name}")


_ARGUMENTS_SHARE: Final = 0.2
_TOKENS_SHARE: Final = 0.85

_ODD_ARGUMENTS: Final = (
    *("", "-", "--", "/", ".", "/dev/null", "nowhere", "m", "m:", ":api", "m:nothing", "m.py:api"),
    *("json:dumps", "-1", "1e9", "\u2028", "é" * 300, "a" * 5000, "--out", "-f", "--help", "[x]"),
    *("manifest.yaml", "review.json", "kubeconfig", "m:STEP", "m:api.kinds", "\udcff"),
)


def _arguments(draw: random.Random, arguments: tuple[str, ...]) -> tuple[str, ...]:
    changed = [*arguments]
    at = draw.randrange(len(changed))
    match draw.randrange(3):
        case 0:
            del changed[at]
        case 1:
            changed.insert(at, draw.choice(_ODD_ARGUMENTS))
        case _:
            changed[at] = draw.choice(_ODD_ARGUMENTS)
    # Without a command there is none whose codes are known.
    return tuple(changed) if changed and changed[0] == arguments[0] else (*arguments, "more")


_ODD_VALUES: Final = (
    *("None", "True", "0", "-1", '""', '"x"', "()", "(1,)", "[]", "{}", "object()", "print", "..."),
    *("lambda *a: 1 / 0", "int", "Spec", "Api", "float('nan')", "'\\ud800'", "b'x'", "New", "STEP"),
)


def _module(draw: random.Random, content: bytes) -> bytes:
    """The module with one or two tokens left out, doubled, or replaced by a value."""
    text = content.decode()
    for _ in range(draw.choice((1, 1, 2))):
        text = _retokenized(draw, text)
    return text.encode(errors="surrogatepass")


def _retokenized(draw: random.Random, text: str) -> str:
    try:
        tokens = [*tokenize.generate_tokens(io.StringIO(text).readline)]
    except (tokenize.TokenError, SyntaxError):
        return text
    kinds = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}
    token = draw.choice([one for one in tokens if one.type in kinds])
    lines = text.splitlines(keepends=True)
    (row, start), (_, end) = token.start, token.end
    line = lines[row - 1]
    instead = draw.choice(("", f"{token.string} {token.string}", *_replacements(draw, token)))
    lines[row - 1] = line[:start] + instead + line[end:]
    return "".join(lines)


def _replacements(draw: random.Random, token: tokenize.TokenInfo) -> Sequence[str]:
    if token.type == tokenize.OP:
        return [draw.choice("()[]{},:=.|*+<")]
    return [draw.choice(_ODD_VALUES) for _ in range(3)]


_ODD_BYTES: Final = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\r",
        b"\t",
        b": ",
        b"- ",
        b"&a ",
        b"*a ",
        b"!!x ",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(
        b"'",
        b'"',
        b"|",
        b"<<: ",
        b"null",
        b"1e999",
        b"-",
        b"---\n",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"%",
    ),
    *(b"true", b"[[[[", b"\\ud800", b"1" * 400, b"2026-02-31", b"=", b"~", b"? ", b"\n"),
)


def _bytes(draw: random.Random, content: bytes) -> bytes:
    """A file with a few bytes of it replaced, cut off, doubled, or all of it gone."""
    changes: Sequence[Callable[[bytes, int, int], bytes]] = (
        lambda text, at, end: text[:at] + draw.choice(_ODD_BYTES) + text[end:],
        lambda text, at, _: text[:at] + draw.choice(_ODD_BYTES) + text[at:],
        lambda text, at, end: text[:at] + text[end:],
        lambda text, at, end: text[:end] + text[at:],
        lambda text, at, _: text[:at],
    )
    if draw.random() < _EMPTY_SHARE:
        return draw.choice((b"", b"\n", bytes(range(256)), b"[" * 100_000, b"\xff\xfe"))
    for _ in range(draw.choice((1, 1, 1, 3))):
        at = draw.randrange(len(content) + 1)
        content = draw.choice(changes)(content, at, at + draw.choice((0, 1, 1, 4, 20)))
    return content


_EMPTY_SHARE: Final = 0.05
