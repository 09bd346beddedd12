"""The options of every layer; what the layers compute stands in :mod:`bpcli.network.layers`."""

from __future__ import annotations

from dataclasses import dataclass

from bpcli.spec.initializers import GlorotUniform, Init, Normal, Orthogonal
from bpcli.spec.options import (
    Boolean,
    Choice,
    Either,
    Integer,
    Items,
    Layers,
    Name,
    Number,
    Text,
    Word,
    option,
)

# one number for all axes, or one for rows and one for columns
_PER_AXIS = Either((Integer(1), Items(Integer(1), count=2)))


@dataclass(frozen=True)
class LayerOptions:
    """What any layer takes; the class attribute ``name`` is what a spec calls the layer."""

    name = ""
    label: str | None = option(
        Name(), None, key="name", keyword=True, doc="a name of its own, else its type and ordinal"
    )


@dataclass(frozen=True)
class WeightedOptions(LayerOptions):
    """What layers with a weight and a bias take besides their own options."""

    init: Init = option(Choice("init"), GlorotUniform(), keyword=True, doc="of the weight")
    bias: bool | Init = option(
        Either((Boolean(), Choice("init"))), True, keyword=True, doc="false, or how it starts"
    )
    freeze: tuple[str, ...] = option(
        Items(Text(), least=0), (), keyword=True, doc="parameters that training leaves as they are"
    )


@dataclass(frozen=True)
class Dense(WeightedOptions):
    """An affine map of the last axis: x W + b."""

    name = "dense"
    units: int = option(Integer(1), doc="the size of the output's last axis")


@dataclass(frozen=True)
class ConvolutionOptions(WeightedOptions):
    """What layers take that compute the same weighted sum at every place."""

    filters: int = option(Integer(1), doc="the size of the output's last axis")
    kernel: int | tuple[int, int] = option(_PER_AXIS, 3, doc="how many places a sum spans")
    stride: int | tuple[int, int] = option(_PER_AXIS, 1, doc="how far it is from sum to sum")
    padding: str = option(Word(("same", "valid")), "same", doc="same: with zeros around the input")


@dataclass(frozen=True)
class Conv1d(ConvolutionOptions):
    """The same weighted sum at every place of a sequence (positions, features)."""

    name = "conv1d"
    kernel: int = option(Integer(1), 3, doc="how many positions a sum spans")
    stride: int = option(Integer(1), 1, doc="how far it is from sum to sum")


@dataclass(frozen=True)
class Conv2d(ConvolutionOptions):
    """The same weighted sum at every place of an image (rows, columns, channels)."""

    name = "conv2d"


@dataclass(frozen=True)
class PoolingOptions(LayerOptions):
    """What layers take that summarize windows, each feature by itself."""

    size: int | tuple[int, int] = option(_PER_AXIS, 2, doc="how many places a window spans")
    stride: int | tuple[int, int] | None = option(
        _PER_AXIS, None, doc="how far it is from window to window; default: size"
    )
    padding: str = option(
        Word(("valid", "same")), "valid", doc="same: windows may reach outside the input"
    )


@dataclass(frozen=True)
class Pooling1dOptions(PoolingOptions):
    """Windows of a sequence."""

    size: int = option(Integer(1), 2, doc="how many positions a window spans")
    stride: int | None = option(
        Integer(1), None, doc="how far it is from window to window; default: size"
    )


@dataclass(frozen=True)
class MaxPool1d(Pooling1dOptions):
    """The largest value of each window."""

    name = "max_pool1d"


@dataclass(frozen=True)
class MaxPool2d(PoolingOptions):
    """The largest value of each window."""

    name = "max_pool2d"


@dataclass(frozen=True)
class AvgPool1d(Pooling1dOptions):
    """The mean of each window; what reaches outside the input does not count."""

    name = "avg_pool1d"


@dataclass(frozen=True)
class AvgPool2d(PoolingOptions):
    """The mean of each window; what reaches outside the input does not count."""

    name = "avg_pool2d"


@dataclass(frozen=True)
class GlobalAvgPool1d(LayerOptions):
    """The mean of each feature over a sequence."""

    name = "global_avg_pool1d"


@dataclass(frozen=True)
class GlobalAvgPool2d(LayerOptions):
    """The mean of each channel over an image."""

    name = "global_avg_pool2d"


@dataclass(frozen=True)
class Embedding(LayerOptions):
    """A vector for each symbol of a vocabulary."""

    name = "embedding"
    dimension: int = option(Integer(1), doc="the size of a vector")
    vocabulary: int | None = option(
        Integer(1), None, doc="how many symbols there are; default: those of the data"
    )
    init: Init = option(Choice("init"), Normal(1.0), keyword=True, doc="of the vectors")
    freeze: tuple[str, ...] = option(Items(Text(), least=0), (), keyword=True)


@dataclass(frozen=True)
class Position(LayerOptions):
    """Adds to each position of a sequence a vector that tells where it stands."""

    name = "position"
    kind: str = option(Word(("learned", "sinusoidal")), "learned")
    init: Init = option(Choice("init"), Normal(0.02), keyword=True, doc="of learned vectors")
    freeze: tuple[str, ...] = option(Items(Text(), least=0), (), keyword=True)


@dataclass(frozen=True)
class RecurrentOptions(WeightedOptions):
    """What layers take that read a sequence step by step."""

    units: int = option(Integer(1), doc="the size of the hidden state")
    returns: str = option(
        Word(("sequence", "last")), "sequence", key="return", doc="the state of every step, or last"
    )
    recurrent_init: Init = option(
        Choice("init"), Orthogonal(), keyword=True, doc="of the recurrent weight, gate by gate"
    )


@dataclass(frozen=True)
class Rnn(RecurrentOptions):
    """The plain recurrent layer: the activation of x W + h U + b."""

    name = "rnn"
    activation: str = option(Word(("tanh", "relu")), "tanh")


@dataclass(frozen=True)
class Lstm(RecurrentOptions):
    """Long short-term memory: a cell that gates guard."""

    name = "lstm"


@dataclass(frozen=True)
class Gru(RecurrentOptions):
    """The gated recurrent unit."""

    name = "gru"


@dataclass(frozen=True)
class Attention(WeightedOptions):
    """Multi-head self-attention over the positions of a sequence."""

    name = "attention"
    heads: int = option(Integer(1), doc="must divide the features")
    causal: bool = option(Boolean(), False, doc="no position sees those after it")
    dropout: float = option(Number(low=0, below=1), 0.0, doc="of the attention weights")


@dataclass(frozen=True)
class Dropout(LayerOptions):
    """Zeroes a random share of the values while training."""

    name = "dropout"
    rate: float = option(Number(low=0, below=1), 0.5, doc="the share that is dropped")


@dataclass(frozen=True)
class Flatten(LayerOptions):
    """All axes of an example in one."""

    name = "flatten"


@dataclass(frozen=True)
class BatchNorm(LayerOptions):
    """Normalizes each feature over the batch (and over positions)."""

    name = "batch_norm"
    epsilon: float = option(Number(above=0), 1e-5)
    momentum: float = option(Number(low=0, high=1), 0.1, doc="the weight of the new batch")
    freeze: tuple[str, ...] = option(Items(Text(), least=0), (), keyword=True)


@dataclass(frozen=True)
class LayerNorm(LayerOptions):
    """Normalizes each example over its last axis."""

    name = "layer_norm"
    epsilon: float = option(Number(above=0), 1e-5)
    freeze: tuple[str, ...] = option(Items(Text(), least=0), (), keyword=True)


@dataclass(frozen=True)
class RmsNorm(LayerOptions):
    """Divides each example by the root mean square of its last axis."""

    name = "rms_norm"
    epsilon: float = option(Number(above=0), 1e-6)
    freeze: tuple[str, ...] = option(Items(Text(), least=0), (), keyword=True)


@dataclass(frozen=True)
class Residual(LayerOptions):
    """The input plus what the inner layers make of it."""

    name = "residual"
    layers: tuple[LayerOptions, ...] = option(Layers())
    projection: bool = option(
        Boolean(), False, doc="a linear map on the skip path where the shapes differ"
    )


@dataclass(frozen=True)
class Repeat(LayerOptions):
    """The same layers several times, each with weights of its own; written out before building."""

    name = "repeat"
    times: int = option(Integer(1))
    layers: tuple[LayerOptions, ...] = option(Layers())


@dataclass(frozen=True)
class Identity(LayerOptions):
    """x."""

    name = "identity"


@dataclass(frozen=True)
class Relu(LayerOptions):
    """max(x, 0)."""

    name = "relu"


@dataclass(frozen=True)
class LeakyRelu(LayerOptions):
    """x where positive, slope * x elsewhere."""

    name = "leaky_relu"
    slope: float = option(Number(), 0.01)


@dataclass(frozen=True)
class Elu(LayerOptions):
    """x where positive, alpha * (exp(x) - 1) elsewhere."""

    name = "elu"
    alpha: float = option(Number(), 1.0)


@dataclass(frozen=True)
class Selu(LayerOptions):
    """The scaled ELU that keeps mean 0 and variance 1."""

    name = "selu"


@dataclass(frozen=True)
class Gelu(LayerOptions):
    """x times the normal distribution function of x."""

    name = "gelu"
    approximate: str = option(Word(("none", "tanh")), "none")


@dataclass(frozen=True)
class Silu(LayerOptions):
    """x * sigmoid(x)."""

    name = "silu"


@dataclass(frozen=True)
class Tanh(LayerOptions):
    """tanh(x)."""

    name = "tanh"


@dataclass(frozen=True)
class Sigmoid(LayerOptions):
    """1 / (1 + exp(-x))."""

    name = "sigmoid"


@dataclass(frozen=True)
class Softplus(LayerOptions):
    """ln(1 + exp(x))."""

    name = "softplus"


@dataclass(frozen=True)
class Exponential(LayerOptions):
    """exp(x)."""

    name = "exponential"


@dataclass(frozen=True)
class Softmax(LayerOptions):
    """exp(x) over its sum along the last axis."""

    name = "softmax"


LAYERS: dict[str, type[LayerOptions]] = {
    layer.name: layer
    for layer in (
        Dense, Conv1d, Conv2d, MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool1d,
        GlobalAvgPool2d, Embedding, Position, Rnn, Lstm, Gru, Attention,
        Dropout, Flatten, BatchNorm, LayerNorm, RmsNorm, Residual, Repeat,
        Identity, Relu, LeakyRelu, Elu, Selu, Gelu, Silu, Tanh, Sigmoid, Softplus, Exponential,
        Softmax,
    )
}  # fmt: skip
