"""Building blocks of an API declaration: base models, wire types, markers, registry of kinds."""
