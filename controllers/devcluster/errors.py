"""What can go wrong with the embedded control plane; all of it is for the user to read.

DevclusterError
├── VersionError         another version of Kubernetes is asked for, which is none
├── ToolNotFoundError    no way led to a binary
├── BuildError           Go could not build one
├── StartError           a process ended, or was not ready in time
└── KubectlError         kubectl failed
"""


class DevclusterError(Exception):
    """The embedded control plane cannot be had; the message says what to do."""


class VersionError(DevclusterError, ValueError):
    """The environment asks for a version of Kubernetes that is none, or that is too old."""


class ToolNotFoundError(DevclusterError):
    """A binary is nowhere to be found and cannot be built."""


class BuildError(DevclusterError):
    """A binary could not be built; the message has what Go said last."""


class StartError(DevclusterError):
    """A process of the control plane did not start; the message has what it said last."""


class KubectlError(DevclusterError):
    """A kubectl command failed; the message has what it said."""
