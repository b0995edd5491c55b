"""SPDX documents of the wheel and of the images: what they contain, in which versions.

The wheel's build hook (`schemagen/judge/hatch_build.py`) and `.image/fill` write them. All modules
need the standard library alone, because neither has the dependencies of the project.
"""
