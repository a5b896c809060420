"""The state of a training: an interrupted training goes on from it, and so does a longer one.

A state file is always whole. A training that goes on from it ends with the same numbers, to the
last bit, as one that was never interrupted (tests/training/test_state.py).
"""

import hashlib
import logging
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rdpipe.common.atomic import replacing
from rdpipe.common.progress import live
from rdpipe.training.pack import Pack

log = logging.getLogger("rdpipe")

_SO_FAR = ("history", "values", "diverged_at")  # of `Pack`
_MOMENTS = ("exp_avg", "exp_avg_sq")  # of `Engine`
_BEST = ("iteration", "objective", "history")  # of `Best`


def save(pack: Pack, path: Path, key: str) -> None:
    """Write the state of a pack; `key` says which training it belongs to.

    Raises
    ------
    OSError, SafetensorError
        If the file cannot be written; the old one stays.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(pack).items()}
    metadata = {"key": key, "step": str(pack.step), "sha256": _sha256(tensors)}
    with replacing(path) as new:
        save_file(tensors, new, metadata=metadata)


def save_run(pack: Pack, i: int, path: Path) -> None:
    """Write the state of run i alone, from which a longer training goes on."""
    own = {name: _axis(name, p, i) for name, p in _tensors(pack).items()}
    save_file(own, path, metadata={"step": str(pack.step)})


def go_on(pack: Pack, paths: Sequence[Path]) -> None:
    """Bring a new pack to where shorter trainings of its runs ended, all at the same step.

    Raises
    ------
    OSError, SafetensorError
        If a file cannot be read.
    """
    parts = []
    for path in paths:
        with safe_open(path, "pt") as file:
            pack.step = int(file.metadata()["step"])
            parts.append({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    names = parts[0]
    _restore(
        pack,
        {name: torch.cat([part[name] for part in parts], _runs_axis(name)) for name in names},
    )
    log.info("training goes on from the end of one of %s iterations", f"{pack.step:,}")


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hex sha256 of the names and values of tensors on the CPU."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _tensors(pack: Pack) -> dict[str, Tensor]:
    """All that the rest of a training depends on, by name."""
    tensors = {part: getattr(pack, part) for part in _SO_FAR}
    tensors |= {f"parameters/{name}": p for name, p in pack.engine.vae.parameters.items()}
    for part in _MOMENTS:
        tensors |= {f"{part}/{name}": p for name, p in getattr(pack.engine, part).items()}
    if pack.best:
        tensors |= {f"best/{name}": p for name, p in pack.best.vae.parameters.items()}
        tensors |= {f"best_{part}": getattr(pack.best, part) for part in _BEST}
    return tensors


def _restore(pack: Pack, tensors: Mapping[str, Tensor]) -> None:
    """The reverse of `_tensors`."""
    for name, p in pack.engine.vae.parameters.items():
        p.copy_(tensors[f"parameters/{name}"])
    for part in _MOMENTS:
        for name, moment in getattr(pack.engine, part).items():
            moment.copy_(tensors[f"{part}/{name}"])
    for part in _SO_FAR:
        setattr(pack, part, tensors[part])
    if pack.best:
        for name, p in pack.best.vae.parameters.items():
            p.copy_(tensors[f"best/{name}"])
        for part in _BEST:
            setattr(pack.best, part, tensors[f"best_{part}"])


def _runs_axis(name: str) -> int:
    """Which axis of a tensor is that of the runs: the first of parameters, else the last."""
    return 0 if "/" in name else -1


def _axis(name: str, tensor: Tensor, i: int) -> Tensor:
    """Run i of a tensor, with an axis of one run."""
    return tensor.detach().narrow(_runs_axis(name), i, 1).contiguous()


def save_if_possible(pack: Pack, path: Path, key: str) -> None:
    """Write the state of a pack. A full disk costs the state, not the training."""
    try:
        save(pack, path, key)
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be written (%s): training goes on without", path, error)


def resume(pack: Pack, path: Path, key: str) -> None:
    """Bring a new pack to where the state file left it.

    A file that cannot be read, that was damaged, or that is of another training, is told of and not
    used. From now on `rdpipe watch` shows D and R of the pack.
    """
    _let_watch(pack)
    if not path.exists():
        return
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be read (%s): training starts anew", path, error)
        return
    if metadata.get("key") != key:
        log.warning("%s is the state of another training: training starts anew", path)
        return
    if metadata.get("sha256") != _sha256(tensors):
        log.warning("%s was damaged after it had been saved: training starts anew", path)
        return
    _restore(pack, tensors)
    pack.step = int(metadata["step"])
    log.info("training goes on from iteration %s of %s", f"{pack.step:,}", path)


def _let_watch(pack: Pack) -> None:
    """Tell `live` how to look at D and R of a pack, for as long as there is the pack."""
    seen = weakref.ref(pack)

    def look() -> list[list[float]]:
        """D and R of each run: the mean of the steps since the last interval, or that interval."""
        pack = seen()
        if pack is None:
            return []
        values = pack.values if len(pack.values) else pack.history[-1:]
        return [run.tolist() for run in values[:, :2].mean(0).T] if len(values) else []

    live.info("pack", extra={"look": look})
