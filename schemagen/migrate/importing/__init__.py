"""CRD -> Python: models in this project's style, whose CRD is the one that they come from. Pure.

``modules`` writes them (start reading there), ``verification`` proves it.
"""
