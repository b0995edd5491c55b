"""``webhooks review``: reviews a request or a manifest without a server."""

import pathlib
from typing import Annotated, Final, Literal, TypeAlias

import typer

from schemagen import Api, Facts, files, yaml
from schemagen.problems import UserError
from schemagen.versions.converter import Converter
from webhooks.commands import options
from webhooks.development import manifest_review
from webhooks.review import admission, conversion, reviews, verdicts
from webhooks.server import worker

StageName: TypeAlias = Literal["all", "mutate", "validate"]

_STAGES: Final = {
    "all": admission.review,
    "mutate": admission.mutate,
    "validate": admission.validate,
}

Review: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Argument(help="JSON file with the review; - reads standard input.", allow_dash=True),
]
Stage: TypeAlias = Annotated[
    StageName,
    typer.Option(help="Webhook that answers an AdmissionReview; all: as routed by the API server."),
]
Manifests: TypeAlias = Annotated[
    list[pathlib.Path] | None,
    typer.Option(
        "--file",
        "-f",
        help="Manifest to review as if it were sent to the API server; may be repeated; - "
        "reads standard input.",
        allow_dash=True,
    ),
]
Old: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Option(help="Current objects in the cluster that --file updates."),
]
Operation: TypeAlias = Annotated[
    Literal["CREATE", "UPDATE", "DELETE"] | None,
    typer.Option(help="Admission operation. \\[default: CREATE, or UPDATE with --old]"),
]
Subresource: TypeAlias = Annotated[
    Literal["status"] | None, typer.Option(help="Subresource to write through; needs --old.")
]
User: TypeAlias = Annotated[str, typer.Option(help="User name of the request.")]
Groups: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Group of the user; may be repeated.")
]
Namespace: TypeAlias = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace for manifests that do not set one.")
]
Strict: TypeAlias = Annotated[
    bool, typer.Option(help="Refuse unknown and duplicate fields, as kubectl does.")
]


def review(
    reference: options.ApiReference,
    file: Review = None,
    stage: Stage = "all",
    manifest: Manifests = None,
    old: Old = None,
    operation: Operation = None,
    subresource: Subresource = None,
    user: User = manifest_review.DEFAULT_USER,
    group: Groups = None,
    namespace: Namespace = "default",
    strict: Strict = True,
    settings: options.SettingsFile = None,
) -> None:
    """Review an AdmissionReview, a ConversionReview or a manifest without a server.

    With --file the reviews are built locally: each object is decoded, defaulted, sent to the
    mutating webhook, validated against its schema and sent to the validating webhook, in the API
    server's order. The resulting object is written to standard output as YAML; refusals and
    warnings are written to standard error with file and line.

    Exit codes: 0 allowed or converted, 1 refused or failed, 2 invalid review or manifest, or a
    rule of the Api failed.
    """
    api = options.load(reference)
    facts = worker.facts_of(settings, api)
    if (file is None) == (not manifest):
        raise UserError("expected either a review's JSON or manifests with --file")
    if manifest:
        request = manifest_review.Request(
            operation=operation,
            subresource=subresource or "",
            user=user,
            groups=group or manifest_review.Request.groups,
            namespace=namespace,
            strict=strict,
        )
        raise typer.Exit(_review_manifests(api, facts, request, manifest, old))
    raise typer.Exit(_review(api, facts, file or pathlib.Path("-"), stage))


def _review_manifests(
    api: Api,
    facts: Facts,
    request: manifest_review.Request,
    manifests: list[pathlib.Path],
    old: pathlib.Path | None,
) -> int:
    """Print the outcome for each object; return the exit code."""
    from schemagen import judge
    from schemagen.yaml import manifests as objects

    before = [] if old is None else [*objects.read(files.read_bytes(old), files.name_of(old))]
    is_refused, separator = False, ""
    with judge.Judge() as checker:
        reviewer = manifest_review.Reviewer(api, checker, facts, request)
        for path in manifests:
            source = files.name_of(path)
            documents = [*objects.read(files.read_bytes(path), source)]
            for document, counterpart in manifest_review.counterparts(documents, before):
                reviewed = reviewer.review(document, source, counterpart)
                if reviewed is None:
                    position = f"{source}:{document.line}"
                    typer.echo(f"{position}: skipped: not a kind of {api.group}", err=True)
                    continue
                for line in (*reviewed.warnings, *reviewed.refusals):
                    typer.echo(line, err=True)
                is_refused = is_refused or bool(reviewed.refusals)
                if reviewed.value is not None:
                    typer.echo(f"{separator}{yaml.dumps(reviewed.value)}", nl=False)
                    separator = "---\n"
    return 1 if is_refused else 0


def _review(api: Api, facts: Facts, file: pathlib.Path, stage: StageName) -> int:
    """Answer a review; return the exit code."""
    body = files.read_bytes(file)
    try:
        verdict = _verdict(api, body, stage, facts)
    except reviews.MalformedReviewError as error:
        raise UserError(f"{error}, in {files.name_of(file)}") from error
    typer.echo(verdicts.encode(verdict))
    return 0 if isinstance(verdict, verdicts.Allowed | verdicts.Converted) else 1


def _verdict(api: Api, body: bytes, stage: StageName, facts: Facts) -> verdicts.Verdict:
    value = reviews.decode(body)
    converter = Converter(api)
    try:
        if type(value) is dict and value.get("kind") == "ConversionReview":
            return conversion.convert(converter, reviews.conversion_request(body))
        request = reviews.admission_request(body)
        return admission.decide(_STAGES[stage], converter, request, facts)
    except reviews.UnusableReviewError as error:
        return verdicts.Failed(error.envelope, error.message)
