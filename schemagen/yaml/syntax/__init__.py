"""From the bytes of a YAML document to its nodes."""
