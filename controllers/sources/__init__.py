"""Issues of GitHub and Linear become ImplementationSpecs: received, verified, mapped, applied."""
