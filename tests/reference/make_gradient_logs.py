"""Writes tests/reference/gradients/*.jsonl with PyTorch and the hook that docs/gradients_jsonl.md
shows:

    python tests/reference/make_gradient_logs.py

`deep_sigmoid` is the very example of that page.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "gradients_jsonl.md"
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)

OTHERS = """
import torch
from torch import nn

from gradient_log import GradientLog


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.first, self.second = (
            nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)
        )

    def forward(self, x):
        return x + self.second(torch.relu(self.first(self.norm(x))))


def train(name, model, inputs, targets, optimizer, blocks=()):
    log = GradientLog(model, f"{name}.jsonl", blocks)
    for step in range(1, 41):
        rows = torch.randint(0, len(inputs), (64,))
        loss = nn.functional.cross_entropy(model(inputs[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        log.after_backward()
        optimizer.step()
        log.after_step(step, loss.item())


def he(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(module.bias)


torch.manual_seed(0)
inputs = torch.randn(512, 20)
targets = (inputs[:, 0] * inputs[:, 1] > 0).long()
layers = [nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)]
model = nn.Sequential(*layers).apply(he)
train("relu_he", model, inputs, targets, torch.optim.Adam(model.parameters(), 0.01))

model = nn.Sequential(nn.Linear(20, 32), *[Block(32) for _ in range(6)], nn.Linear(32, 2))
train("residual", model, inputs, targets, torch.optim.Adam(model.parameters(), 0.003), Block)

images = torch.randn(512, 3, 8, 8)
targets = (images[:, 0].mean((1, 2)) > 0).long()
layers = []
for channels in (3, 12, 12):
    layers += [nn.Conv2d(channels, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(inplace=True)]
model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(768, 2))
train("convolutions", model, images, targets, torch.optim.Adam(model.parameters(), 0.003))

model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
rows = torch.full((512, 20), 1e30)
train("overflow", model, rows, targets, torch.optim.SGD(model.parameters(), 1.0))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, content in FILE.findall(PAGE.read_text(encoding="utf-8")):
            (folder / name).write_text(content, encoding="utf-8")
        (folder / "others.py").write_text(OTHERS, encoding="utf-8")
        for script in ("train.py", "others.py"):
            subprocess.run([sys.executable, script], cwd=folder, check=True)
        (folder / "gradients.jsonl").rename(folder / "deep_sigmoid.jsonl")
        (HERE / "gradients").mkdir(exist_ok=True)
        for log in folder.glob("*.jsonl"):
            (HERE / "gradients" / log.name).write_text(rounded(log.read_text()), encoding="utf-8")


def rounded(text: str) -> str:
    """Numbers with six digits: enough, and a third of the size."""
    return re.sub(r"\d+\.\d{6,}(?:e[-+]\d+)?", lambda found: f"{float(found[0]):.6g}", text)


if __name__ == "__main__":
    main()
