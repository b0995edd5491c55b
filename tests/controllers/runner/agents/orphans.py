"""Leaves orphans, and prints how many of them are unreaped zombies."""

import os
import pathlib
import subprocess
import sys
import time

for _ in range(3):
    # The shell ends first, so what it started has no parent any more.
    subprocess.run(["/bin/sh", "-c", "(sleep 0.05 &)"], check=True)
time.sleep(0.5)
parent = os.getppid()
children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
states = [pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1] for child in children]
sys.stdout.write(f"{sum(state.split()[0] == 'Z' for state in states)} of {len(children)}\n")
