"""CEL rules (``x-kubernetes-validations``) on Python values, with the API server's semantics.

Parsed by Google's parser (cel-expr-python), evaluated by closures over the JSON itself: a rule
reads only what it uses, in cel-go's and Kubernetes' semantics, and fails with their messages.
"""

from schemagen.cel.rules import ABSENT, OMITTED, Absent, Finding, Outcome, Rules, UndecidedRule

__all__ = ["ABSENT", "OMITTED", "Absent", "Finding", "Outcome", "Rules", "UndecidedRule"]
