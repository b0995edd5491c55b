"""From one version to the next, and from other tools to this one."""
