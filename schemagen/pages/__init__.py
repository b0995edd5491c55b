"""Pages for people: the reference of an API's kinds, and the guide from one version to the next.

``markup`` and ``documents`` write HTML and Markdown, ``reference`` and ``guide`` decide what they
contain. Pure but for ``examples``, which reads manifests.
"""
