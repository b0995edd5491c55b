"""Checks of conversions before an Api is generated or served."""

from schemagen.versions.verification.verification import ConversionError, check

__all__ = ["ConversionError", "check"]
