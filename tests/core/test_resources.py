"""What a process may use of its machine."""

import ctypes
import sys

import psutil
import pytest

from prefens.core.resources import release_memory


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library keeps nothing"
)
def test_freed_memory_goes_back_to_the_system() -> None:
    """Blocks that are too small for a mapping of their own stay with glibc while one behind them is in use."""
    process, blocks = psutil.Process(), [b"x" * (64 << 10) for _ in range(1500)]
    last = blocks[-1]
    blocks.clear()
    kept = process.memory_info().rss
    release_memory()
    assert kept - process.memory_info().rss > 50e6
    assert len(last) == 64 << 10
