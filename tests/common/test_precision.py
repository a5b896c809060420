"""Precision of products: what torch is told, for how long, and what comes of it."""

import pytest
import torch

from rdpipe.common.precision import products

# of products and convolutions on a CPU, and on a GPU
TOLD = {
    "float64": ["ieee", "ieee", "ieee", "ieee"],
    "float32": ["ieee", "ieee", "ieee", "ieee"],
    "tf32": ["ieee", "ieee", "tf32", "tf32"],
    "bfloat16": ["bf16", "bf16", "tf32", "tf32"],
}
FACTOR = 1 + 2**-9  # one bit more than bfloat16 has


def told() -> list[str]:
    """How torch rounds factors at present."""
    mkldnn, cuda, cudnn = torch.backends.mkldnn, torch.backends.cuda, torch.backends.cudnn
    parts = (mkldnn.matmul, mkldnn.conv, cuda.matmul, cudnn.conv)
    return [part.fp32_precision for part in parts]


def square(device: str = "cpu", factor: float = FACTOR) -> torch.Tensor:
    """A product whose every entry is 64 times the square of a factor."""
    factors = torch.full((64, 64), factor, device=device)
    return factors @ factors


def rounded_by_hand() -> torch.Tensor:
    """The same product where this CPU has been told to round it to bfloat16."""
    matmul = torch.backends.mkldnn.matmul
    before, matmul.fp32_precision = matmul.fp32_precision, "bf16"
    product = square()
    matmul.fp32_precision = before
    return product


@pytest.mark.parametrize("precision", TOLD)
def test_torch_is_told_for_as_long_as_the_context_lasts(precision: str) -> None:
    before = told()
    with products(precision):
        assert told() == TOLD[precision]
    assert told() == before
    with pytest.raises(ZeroDivisionError), products(precision):
        raise ZeroDivisionError
    assert told() == before


def test_contexts_may_be_nested() -> None:
    with products("bfloat16"):
        with products("float32"):
            assert told() == TOLD["float32"]
        assert told() == TOLD["bfloat16"]


def test_an_unknown_precision_is_an_error_and_changes_nothing() -> None:
    before = told()
    with pytest.raises(KeyError), products("float16"):
        pass
    assert told() == before


@pytest.mark.parametrize("precision", TOLD)
def test_products_are_rounded_where_the_cpu_can(precision: str) -> None:
    exact, rounded = torch.full((64, 64), 64 * FACTOR**2), rounded_by_hand()
    with products(precision):
        inside = square()
    if precision == "bfloat16":
        assert torch.equal(inside, rounded)
        torch.testing.assert_close(inside, exact, rtol=2**-7, atol=0)
    else:
        torch.testing.assert_close(inside, exact, rtol=1e-7, atol=0)
    torch.testing.assert_close(square(), exact, rtol=1e-7, atol=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("precision", "rounds"), [("float32", False), ("tf32", True)])
def test_products_on_a_gpu_are_rounded_to_tf32(precision: str, rounds: bool) -> None:
    factor = 1 + 2**-13  # two bits more than TF32 has
    with products(precision):
        inside = square("cuda", factor).cpu()
    assert torch.equal(inside, torch.full((64, 64), 64.0)) == rounds
