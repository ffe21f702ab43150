"""Makes the virtual environment of the tests, or finds it made, and prints its interpreter.

Usage: make_venv.py FOLDER

Invariant: whoever asks gets one that is complete and has the versions of requirements.txt. Tests
run in parallel, so one makes it while the others wait; the stamp is written last, so a making
that was interrupted is begun anew.
"""

import fcntl
import pathlib
import subprocess
import sys
import venv

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def run(command):
    """Runs what is silent unless it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(map(str, command))}` failed:\n{done.stdout.strip()}")


def main():
    folder = pathlib.Path(sys.argv[1]).absolute()
    python, stamp = folder / "bin" / "python", folder / "weir-stamp"
    # Another Python than it was made with may not find what was installed.
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        # The kernel lets go of it when we end, however we do.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            venv.create(folder, clear=True, with_pip=True)
            pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
            run([*pip, "install", "--requirement", REQUIREMENTS])
            stamp.write_text(wanted)
    print(python)


main()
