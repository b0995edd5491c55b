"""What an API is declared with: base models, wire types, markers and the registry of kinds."""
