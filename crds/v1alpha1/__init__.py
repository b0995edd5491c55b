"""The public version: as open as the API that the world already writes manifests for."""
