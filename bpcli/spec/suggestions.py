"""The name that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# what other frameworks call things that have another name here
_ELSEWHERE = {
    "linear": ("dense",),
    "fully_connected": ("dense",),
    "fc": ("dense",),
    "swish": ("silu",),
    "logistic": ("sigmoid",),
    "xavier": ("glorot_uniform",),
    "xavier_uniform": ("glorot_uniform",),
    "xavier_normal": ("glorot_normal",),
    "kaiming": ("he_normal",),
    "kaiming_uniform": ("he_uniform",),
    "kaiming_normal": ("he_normal",),
    "categorical_crossentropy": ("cross_entropy",),
    "sparse_categorical_crossentropy": ("cross_entropy",),
    "binary_crossentropy": ("binary_cross_entropy",),
    "bce": ("binary_cross_entropy",),
    "l1": ("mae",),
    "mean_squared_error": ("mse",),
    "mean_absolute_error": ("mae",),
    "lr": ("learning_rate",),
    "eps": ("epsilon",),
    "weight_decay": ("l2", "adamw"),
    "gradient_clipping": ("clip_norm",),
    "model": ("network",),
    "layers": ("network",),
    "dataset": ("data",),
    "criterion": ("loss",),
    "scheduler": ("schedule",),
    "label": ("target", "labels"),
    "rate": ("learning_rate",),
}
_LONGEST = 40


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """``; did you mean 'relu'?``, or nothing where no name is near."""
    near = nearest(word, names)
    return f"; did you mean {near!r}?" if near else ""


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that the word most likely stands for."""
    if len(word) > _LONGEST:
        return None
    written = {name.lower(): name for name in names}
    meant = [name for name in _ELSEWHERE.get(word.lower(), ()) if name in written]
    meant += get_close_matches(word.lower(), written, n=1, cutoff=0.6)
    return written[meant[0]] if meant else None
