"""How exactly matrices are multiplied.

Parameters, sums and everything elementwise keep their own precision; only the factors of products
(and of convolutions, which are products) may be rounded, where a device is faster for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# torch's words for what factors are rounded to, on the CPU and on a GPU. There TF32 keeps three
# more bits than bfloat16, and a step is bound by its memory traffic either way.
_FACTORS = {
    "float64": ("ieee", "ieee"),
    "float32": ("ieee", "ieee"),
    "tf32": ("ieee", "tf32"),
    "bfloat16": ("bf16", "tf32"),
}


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Multiply matrices of float32 in a precision, for as long as the context lasts.

    Parameters
    ----------
    precision
        "float32" (or "float64"): factors are as they are. "tf32": on a GPU they are rounded to
        TF32, 11 significant bits. "bfloat16": on a CPU to bfloat16, 8 bits, on a GPU to TF32.
        Products of factors rounded are added up in float32.
    """
    on_cpu, on_gpu = _FACTORS[precision]
    backends: Any = torch.backends
    wanted = [
        (backends.mkldnn.matmul, on_cpu), (backends.mkldnn.conv, on_cpu),
        (backends.cuda.matmul, on_gpu), (backends.cudnn.conv, on_gpu),
    ]  # fmt: skip
    before = [backend.fp32_precision for backend, _ in wanted]
    for backend, factors in wanted:
        backend.fp32_precision = factors
    try:
        yield
    finally:
        for (backend, _), factors in zip(wanted, before, strict=True):
            backend.fp32_precision = factors
