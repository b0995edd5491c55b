"""Commands as a hardened pod runs them. Shell: processes.

A user that the system does not know, without a home, on a file system that cannot be written; only
memory (/dev/shm) can. Where a test may not make such a place, only the home is missing.
"""

import functools
import os
import subprocess

USER = 54321

# In a mount namespace of its own. The user may read whatever the tests' own may: Python and the
# tree may lie in its home.
_SCRIPT = f"""
mount --make-rprivate /
awk '{{{{ print $2 }}}}' /proc/mounts | sort -r | while read -r place; do
  case $place in /proc*|/sys*|/dev*) ;; *) mount -o remount,ro,bind "$place" 2>/dev/null ;; esac
done
touch /tmp/.writable 2>/dev/null && exit 1
cd /
exec setpriv --reuid {USER} --regid {USER} --clear-groups \\
  --inh-caps=+dac_read_search --ambient-caps=+dac_read_search "$@"
"""


def command(*arguments: str, **environment: str) -> list[str]:
    """What to start, to have a command run so, with nothing else in its environment."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd(), **environment}  # noqa: PTH109 - as text
    bare = ["env", "-i", *(f"{name}={text}" for name, text in variables.items())]
    if _is_possible():
        return [*_inside(), *bare, *arguments]
    return [*bare, "HOME=/nonexistent", *arguments]


def _inside() -> list[str]:
    return ["unshare", "--mount", "bash", "-c", _SCRIPT.format(), "bash"]


@functools.cache
def _is_possible() -> bool:
    try:
        return (
            subprocess.run([*_inside(), "true"], capture_output=True, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False
