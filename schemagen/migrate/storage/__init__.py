"""Storage migration of a CRD in a live cluster, as one resumable command.

``plan`` computes the steps from the CRD and the ``state`` in its annotation, ``steps`` executes the
next one. Pure: crd, ownership, plan, rewriting, state. Shells: installed, native, objects, steps.
"""
