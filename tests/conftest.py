"""What all tests share."""

from collections.abc import Iterator

import hypothesis
import pytest
import torch

# `make fuzz` asks for this one.
hypothesis.settings.register_profile("fuzz", max_examples=2000)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Models of tests are so small that they are slower on two threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _same_numbers_every_time():
    torch.manual_seed(0)
