"""Which device a job computes on, and the lease that keeps other jobs off it.

Snakemake only counts GPUs. Where CUDA would see several, a process takes an exclusive lock on one
of them before CUDA starts, shows CUDA no other, and keeps it until it ends, even if it is killed. A
device is locked by its UUID, so that all checkouts and users of a machine keep out of each other's
way, however their CUDA_VISIBLE_DEVICES spell it.
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

LOCKS = Path("/tmp/rdpipe-devices")  # TMPDIR would differ between the users of a machine
POLL, REMIND = 1.0, 300.0  # seconds between two looks for a free device, and two lines of the log


@cache
def choose() -> torch.device:
    """The device to compute on: a GPU that only this process has, else the CPU.

    The first call takes the lease, waiting as long as others have all visible devices; it must come
    before anything else starts CUDA. Later calls answer the same. One device needs no lease.

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
            # where NVML is missing, counting devices has started CUDA, which still shows them all
            torch.cuda.set_device(visible.index(leased))
        log.info("computing on %s", torch.cuda.get_device_name())
        return torch.device("cuda")
    log.info("computing on the CPU%s", ": PyTorch finds no GPU that it can use" if visible else "")
    return torch.device("cpu")


def visible_devices() -> list[str]:
    """The devices that CUDA would see, in its order, without starting it.

    Those of CUDA_VISIBLE_DEVICES up to the first that does not exist, else all. By UUID where
    nvidia-smi is at hand: an index then counts as nvidia-smi does, in the order of the PCI bus.
    None if one is named twice, as CUDA has it.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:  # counted through NVML, which starts no CUDA
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
    """UUID of each device by its index, empty where nvidia-smi cannot tell."""
    call = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        table = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout
        return dict(re.findall(r"^(\d+), *(GPU-\S+)$", table, re.M))
    return {}


def _absolute(entry: str, existing: dict[str, str]) -> str | None:
    """What an entry of CUDA_VISIBLE_DEVICES names: a UUID if possible; None if it does not exist.

    A UUID may be cut short as long as it is unique. Parts of a device (MIG) are not in nvidia-smi's
    table; their names are absolute.
    """
    if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", entry):
        return None
    if not existing or entry.startswith("MIG-"):
        return entry
    if entry.isdigit():
        return existing.get(str(int(entry)))
    found = [uuid for uuid in existing.values() if uuid.startswith(entry)]
    return found[0] if len(found) == 1 else None


@cache  # which keeps the lock until the process ends
def _lease(devices: tuple[str, ...]) -> "tuple[str, BaseFileLock]":
    """One of several devices and the lock on it, as soon as one is free."""
    from filelock import FileLock  # only where there are several

    try:
        LOCKS.mkdir(exist_ok=True)
        with suppress(PermissionError):  # another user's, who has done it
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
    """Whether a lock could be had at once."""
    with suppress(TimeoutError):
        lock.acquire(blocking=False)
    return lock.is_locked
