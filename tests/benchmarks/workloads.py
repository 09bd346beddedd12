"""The networks that step times are compared on, and data of their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A dense network: its sizes, the activation between them, and the size of a batch."""

    sizes: tuple[int, ...]
    batch_size: int
    activation: str = "relu"
    batch_norm: bool = False

    @property
    def binary(self) -> bool:
        return self.sizes[-1] == 1

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Float32 inputs and class numbers; XOR's four rows for the network of two inputs."""
        if self.sizes[0] == 2:
            return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])
        random = np.random.default_rng(0)
        rows = 4096
        classes = random.integers(0, max(2, self.sizes[-1]), rows)
        return random.standard_normal((rows, self.sizes[0]), np.float32), classes


WORKLOADS = {
    "w1": Workload((784, 256, 128, 10), 64),
    "w2": Workload((64, 64, 32, 10), 32),
    "w3": Workload((784, 512, 512, 10), 128),
    "w4": Workload((784, 1024, 1024, 1024, 10), 256),
    "w5": Workload((2, 8, 1), 4, "tanh"),
    "w6": Workload((100, *[100] * 20, 10), 64),
    "w10": Workload((256, *[256] * 6, 10), 128, batch_norm=True),
}
LEARNING_RATE = 0.001  # of Adam, in all of them
