"""Conversion of each kind to v1beta1, and back."""
