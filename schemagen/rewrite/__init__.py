"""Manifests in another version of their API, edited where they have to change.

``files`` decides what becomes of a file: ``objects`` converts whole objects, ``kustomize`` patches,
``helm`` templates. ``text.writer`` writes a new value into the text of the old one, guided by
``origins``: where each part comes from. Pure but for ``trees``.
"""
