"""Certificates for webhook servers: a self-managed CA, serving certificates, and the caBundle.

>>> import certs, datetime as dt
>>> now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
>>> authority = certs.new_authority("example", now=now, names=["webhooks.example.svc"])
>>> serving = certs.issue_server(authority, ["webhooks.example.svc"], now=now)
>>> certs.is_signed_by(serving.certificate, authority.certificate)
True
>>> certs.permits(authority.certificate, "elsewhere.example.svc")
False
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from certs.authority import (
        CertificateError,
        Lifetimes,
        Pair,
        fingerprint,
        is_signed_by,
        issue_client,
        issue_server,
        new_authority,
        permits,
        read_bundle,
        write_bundle,
    )
    from certs.directory.files import load, load_or_create
    from certs.directory.manager import DirectoryRotator
    from certs.injector import InjectionError, Target, inject
    from certs.rotator import Rotator, Settings
    from certs.tls_contexts import server_context

__all__ = [
    "CertificateError",
    "DirectoryRotator",
    "InjectionError",
    "Lifetimes",
    "Pair",
    "Rotator",
    "Settings",
    "Target",
    "fingerprint",
    "inject",
    "is_signed_by",
    "issue_client",
    "issue_server",
    "load",
    "load_or_create",
    "new_authority",
    "permits",
    "read_bundle",
    "server_context",
    "write_bundle",
]

_MODULES: Final = {
    "certs.authority": (
        *("CertificateError", "Lifetimes", "Pair", "fingerprint", "is_signed_by", "issue_client"),
        *("issue_server", "new_authority", "permits", "read_bundle", "write_bundle"),
    ),
    "certs.directory.files": ("load", "load_or_create"),
    "certs.directory.manager": ("DirectoryRotator",),
    "certs.injector": ("InjectionError", "Target", "inject"),
    "certs.rotator": ("Rotator", "Settings"),
    "certs.tls_contexts": ("server_context",),
}


def __getattr__(name: str) -> Any:
    """Import modules on first access: the embedded control plane only issues certificates."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
