"""Errors of the embedded control plane; all of them are read by the user.

DevclusterError
├── VersionError         an invalid or unsupported Kubernetes version was requested
├── ToolNotFoundError    a binary was neither found nor buildable
├── BuildError           a Go build failed
├── StartError           a process exited or was not ready in time
└── KubectlError         kubectl failed
"""


class DevclusterError(Exception):
    """The embedded control plane is unavailable; the message says what to do."""


class VersionError(DevclusterError, ValueError):
    """The environment requests an invalid or unsupported Kubernetes version."""


class ToolNotFoundError(DevclusterError):
    """A binary was not found and cannot be built."""


class BuildError(DevclusterError):
    """A binary could not be built; the message ends with Go's output."""


class StartError(DevclusterError):
    """A process of the control plane did not start; the message ends with its log."""


class KubectlError(DevclusterError):
    """A kubectl command failed; the message has its output."""
