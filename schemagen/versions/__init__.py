"""Between versions: invertible steps, what they cannot say, and the API server's own checks."""
