"""The device a job computes on, and the lease that keeps other jobs off this device.

Snakemake only counts GPUs. If CUDA would see several, a process locks one of them before CUDA
starts, and hides the others from CUDA. The lock lasts until the process ends, also if it is killed.
A device is locked by its UUID. So the jobs of all checkouts and users of a machine use different
devices, in whatever way their CUDA_VISIBLE_DEVICES name them.
"""

import logging
import os
import re
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rdpipe.common.errors import RdpipeError

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger("rdpipe")

LOCKS = Path("/tmp/rdpipe-devices")  # not TMPDIR, which differs between the users of a machine
POLL, REMIND = 1.0, 300.0  # seconds between looks for a free device, and between lines of the log


@cache
def choose() -> torch.device:
    """The device to compute on: a GPU that only this process uses, else the CPU.

    The first call reserves one free GPU, and waits while other jobs use all visible GPUs. It must
    come before anything else starts CUDA. Later calls return the same device. A machine with one
    GPU needs no lease.

    Raises
    ------
    RdpipeError
        If the locks cannot be kept in `LOCKS`.
    """
    visible = visible_devices()
    if len(visible) > 1:
        leased, _ = _lease(tuple(visible))
        log.info("device %s of %s is leased", leased, ", ".join(visible))
        os.environ["CUDA_VISIBLE_DEVICES"] = leased
    if torch.cuda.is_available():
        if len(visible) > 1 and torch.cuda.device_count() > 1:
            # without NVML, counting the devices has started CUDA, which still sees all of them
            torch.cuda.set_device(visible.index(leased))
        log.info("computing on %s", torch.cuda.get_device_name())
        return torch.device("cuda")
    log.info("computing on the CPU%s", ": PyTorch finds no GPU that it can use" if visible else "")
    return torch.device("cpu")


def visible_devices() -> list[str]:
    """Names of the devices that CUDA would see, in CUDA's order, without starting CUDA.

    These are the devices of CUDA_VISIBLE_DEVICES up to the first that does not exist; without the
    variable, all. With nvidia-smi a name is a UUID, and an index is nvidia-smi's, in the order of
    the PCI bus. As in CUDA, the list is empty if a device is named twice.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:  # torch counts through NVML, without starting CUDA
        entries = [str(i) for i in range(torch.cuda.device_count())]
    else:
        entries = [entry.strip() for entry in listed.split(",")]
    existing = _uuids() if len(entries) > 1 else {}
    devices: list[str] = []
    for entry in entries:
        device = _absolute(entry, existing)
        if device is None:
            break
        devices.append(device)
    return devices if len(set(devices)) == len(devices) else []


def _uuids() -> dict[str, str]:
    """UUID of each device by its index; empty if nvidia-smi is missing or fails."""
    call = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        table = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout
        return dict(re.findall(r"^(\d+), *(GPU-\S+)$", table, re.M))
    return {}


def _absolute(entry: str, existing: dict[str, str]) -> str | None:
    """The device named by an entry of CUDA_VISIBLE_DEVICES, as a UUID if possible.

    None if there is no such device. An entry may be the beginning of a UUID, if it is unique. Parts
    of a device (MIG) are not in nvidia-smi's table; their names stay as they are.
    """
    if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", entry):
        return None
    if not existing or entry.startswith("MIG-"):
        return entry
    if entry.isdigit():
        return existing.get(str(int(entry)))
    found = [uuid for uuid in existing.values() if uuid.startswith(entry)]
    return found[0] if len(found) == 1 else None


@cache  # keeps the lock until the process ends
def _lease(devices: tuple[str, ...]) -> "tuple[str, BaseFileLock]":
    """Wait for a free device, lock it, and return its name and the lock."""
    from filelock import FileLock  # imported only if there are several devices

    try:
        LOCKS.mkdir(exist_ok=True)
        with suppress(PermissionError):  # the folder is another user's, who has done this
            LOCKS.chmod(0o1777)
        locks = {name: FileLock(LOCKS / name.replace("/", "_"), mode=0o666) for name in devices}
        quiet_until = 0.0
        while True:
            for name, lock in locks.items():
                if _acquire(lock):
                    return name, lock
            if time.monotonic() >= quiet_until:
                quiet_until = time.monotonic() + REMIND
                log.info(
                    "waiting for a GPU: all of %s are in use (`fuser -v %s/*` says by whom)",
                    ", ".join(devices),
                    LOCKS,
                )
            time.sleep(POLL)
    except OSError as error:
        raise RdpipeError(
            f"{LOCKS}: GPUs cannot be locked there ({error}); have its owner remove it, or name a "
            "single GPU in CUDA_VISIBLE_DEVICES."
        ) from error


def _acquire(lock: "BaseFileLock") -> bool:
    """Take a lock if it is free, and say whether it was."""
    with suppress(TimeoutError):
        lock.acquire(blocking=False)
    return lock.is_locked
