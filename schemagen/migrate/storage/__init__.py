"""Storage migration of a CRD in a live cluster, as one resumable command.

``plan`` computes the steps from the CRD and the ``state`` in its annotation, ``steps`` executes the
next one. Pure: crd, field_sets, ownership, plan, renames, rewriting, state. Shells: installed,
native, objects, steps.
"""
