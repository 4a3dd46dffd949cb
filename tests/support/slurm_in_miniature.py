"""The commands of Slurm that the launcher needs, on this computer: jobs are processes, states are files.

    python slurm_in_miniature.py sbatch|srun|sacct|scontrol|scancel ...

It is no Slurm: there is no queue, no limit, no accounting but that of states. It does read the script that is
submitted, starts a process a job of an array, with the variables that Slurm sets, and sends the signals that Slurm
sends. ``install`` writes the commands to a folder, which holds the states too; ``SLURM_IN_MINIATURE`` names it.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sacct", "scontrol", "scancel")
HOME = "SLURM_IN_MINIATURE"


def install(folder, monkeypatch):
    """Put the commands on the path, for this process and all that it starts."""
    (folder / "bin").mkdir(parents=True)
    for command in COMMANDS:
        path = folder / "bin" / command
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -P {Path(__file__).resolve()} {command} "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(HOME, str(folder))
    return folder


def state_file(job):
    return Path(os.environ[HOME]) / f"{job}.state"


def say_state(job, state):
    """Replace a job's state, whole."""
    temporary = state_file(job).with_suffix(f".{os.getpid()}")
    temporary.write_text(state)
    temporary.replace(state_file(job))


def sbatch(script):
    """Start a keeper a job, which outlives this command, as Slurm does."""
    home = Path(os.environ[HOME])
    text = Path(script).read_text()
    array = re.search(r"^#SBATCH --array=0-(\d+)%", text, flags=re.MULTILINE)
    number = 100 + sum(1 for _ in home.glob("*.submitted"))
    (home / f"{number}.submitted").write_text(text)
    for index in range(int(array[1]) + 1 if array else 1):
        job = f"{number}_{index}" if array else str(number)
        say_state(job, "PENDING")
        words = [sys.executable, "-P", __file__, "keep", job, str(home / f"{number}.submitted")]
        # Whoever submits reads what this command says to its end.
        nowhere = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        subprocess.Popen(words, start_new_session=True, **nowhere)
    print(f"Submitted batch job {number}")


def keep(job, script):
    """Run a job's script until it has ended and was not put back into the queue."""
    number, _, index = job.partition("_")
    array = {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index} if index else {}
    environment = os.environ | {"SLURM_JOB_ID": number, "SLURM_PROCID": "0"} | array
    output, error = (log_of(script, name, job) for name in ("output", "error"))
    while True:
        with open(output, "a") as out, open(error, "a") as err:
            process = subprocess.Popen(
                ["bash", script], env=environment, stdout=out, stderr=err, start_new_session=True
            )
        say_state(job, f"RUNNING {process.pid}")
        status = process.wait()
        if state_file(job).read_text() != "REQUEUED":
            break
    if not state_file(job).read_text().startswith(("CANCELLED", "PREEMPTED")):
        say_state(job, "COMPLETED" if status == 0 else "FAILED")


def log_of(script, name, job):
    """A log of a job, by the script."""
    number, _, index = job.partition("_")
    place = re.search(rf"^#SBATCH --{name}=(\S+)", Path(script).read_text(), re.MULTILINE)[1]
    return place.replace("%A", number).replace("%a", index).replace("%j", job)


def srun(*words):
    """Run the command behind the options."""
    words = list(words)
    while words[0].startswith("-"):
        words = words[2 if words[0] in ("--output", "--error") else 1 :]
    os.execvp(words[0], words)


def jobs_of(number):
    """A job by its number, or all of an array."""
    home = Path(os.environ[HOME])
    return [path.stem for path in home.glob("*.state") if path.stem == number or path.stem.startswith(f"{number}_")]


def sacct(*words):
    """The states of jobs, as ``--parsable2`` has them."""
    print("JobID|State|NodeList")
    for number in words[words.index("-j") :]:
        for job in jobs_of(number):
            print(f"{job}|{state_file(job).read_text().split()[0]}|here")


def members(job):
    """The processes of a running job but its script, which Slurm does not signal."""
    state = state_file(job).read_text().split()
    leader = int(state[1]) if state[0] == "RUNNING" else None
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            if int(words[2]) == leader and int(path.parent.name) != leader and words[0] != "Z":
                found.append(int(path.parent.name))
    return found


def signal_job(job, number):
    """Signal a running job."""
    for member in members(job):
        with suppress(ProcessLookupError):
            os.kill(member, number)


def scontrol(what, job):
    """Put a running job back into the queue."""
    assert what == "requeue"
    say_state(job, "REQUEUED")


def scancel(*words):
    """End jobs: those that run are told to; they have all the time that they want."""
    for job in (job for word in words for job in jobs_of(word)):
        running = members(job)
        say_state(job, "CANCELLED by 0")
        for member in running:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGTERM)


RUN = {"sbatch": sbatch, "srun": srun, "sacct": sacct, "scontrol": scontrol, "scancel": scancel, "keep": keep}

if __name__ == "__main__":
    RUN[sys.argv[1]](*sys.argv[2:])
