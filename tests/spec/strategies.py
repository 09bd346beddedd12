"""Random specs, made from the options themselves."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from bpcli.spec import options
from bpcli.spec.checks import violations, written_out
from bpcli.spec.model import FAMILIES, METRIC, Spec
from bpcli.spec.options import Kind, options_of

TEXTS = st.one_of(
    st.sampled_from(["a", "x y", "no", "12:30", "1e-3", "null", "~", "a: b", "- a", "#", "", "é€😀",
                     "'", '"', "\\", "a\nb", "\t", "\x85\u2028", "=", "<<", "0o7", " a ", "a#b"]),
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"),
            max_size=12),
)  # fmt: skip
NAMES = TEXTS.filter(lambda text: text and "." not in text)


def of_kind(kind: Kind, depth: int) -> st.SearchStrategy[Any]:
    """Values of the kind as the model keeps them; layers nest no deeper than ``depth``."""
    match kind:
        case options.Integer():
            return st.integers(kind.low or 0, options.LARGEST_INTEGER)
        case options.Number():
            low, high = (
                kind.low if kind.above is None else kind.above,
                kind.high if kind.below is None else kind.below,
            )
            return st.floats(
                low,
                high,
                exclude_min=kind.above is not None,
                exclude_max=kind.below is not None,
                allow_nan=False,
                allow_infinity=False,
            ).map(lambda number: number + 0.0)
        case options.Boolean():
            return st.booleans()
        case options.Text():
            return TEXTS
        case options.Name():
            return NAMES
        case options.Word():
            return st.sampled_from(kind.words)
        case options.Items():
            inner = of_kind(kind.kind, depth)
            sizes = (kind.count, kind.count) if kind.count else (kind.least, 3)
            return st.lists(inner, min_size=sizes[0] or 0, max_size=sizes[1]).map(tuple)
        case options.Numbers():
            row = st.tuples(*[of_kind(options.Number(), 0)] * 2)
            return st.one_of(of_kind(options.Number(), 0), row, st.tuples(row, row, row))
        case options.Either():
            return st.one_of([of_kind(one, depth) for one in kind.kinds])
        case options.Choice():
            models = list(FAMILIES[kind.family].values())
            if depth <= 0:
                models = [model for model in models if not hasattr(model, "layers")]
                models = [model for model in models if model.name not in ("residual", "repeat")]
            return st.sampled_from(models).flatmap(lambda model: of_model(model, depth - 1))
        case options.Layers():
            return st.lists(of_kind(options.Choice("layer"), depth), min_size=1, max_size=3).map(
                tuple
            )
        case options.Record():
            return of_model(kind.model, depth)
        case options.Mapping():
            keys = TEXTS.filter(lambda text: text != "<<")  # a merge key to some readers of YAML
            pairs = st.dictionaries(keys, of_kind(kind.kind, depth), max_size=3)
            return pairs.map(lambda found: tuple(found.items()))
    raise AssertionError(f"no strategy for {kind}")


def of_model(model: type, depth: int) -> st.SearchStrategy[Any]:
    """Instances of the model class that break no rule."""
    fields = {
        option.field: of_kind(option.kind, depth)
        if option.required
        else st.just(option.default) | of_kind(option.kind, depth)
        for option in options_of(model)
    }
    allowed = st.fixed_dictionaries(fields).filter(lambda values: not [*violations(model, values)])
    return allowed.map(lambda values: model(**values))


SOURCES = st.one_of(
    st.fixed_dictionaries(
        {"path": st.just("a.csv")},
        optional={"target": of_kind(options.Items(options.Text()), 0), "header": st.booleans()},
    ),
    st.fixed_dictionaries({"path": st.just("a.npz")}, optional={"inputs": TEXTS, "targets": TEXTS}),
    st.fixed_dictionaries({"inputs": TEXTS, "targets": TEXTS}),
    st.fixed_dictionaries({"images": TEXTS, "labels": TEXTS}),
    st.fixed_dictionaries({"generate": of_kind(options.Choice("generator"), 0)}),
)


@st.composite
def specs(draw: Any) -> Spec:
    from bpcli.spec.data import DataOptions, SourceOptions, Split

    network = draw(
        of_kind(options.Layers(), 2).filter(lambda layers: written_out(layers) <= 10_000)
    )
    validation = draw(st.none() | SOURCES.map(lambda source: SourceOptions(**source)))
    split = Split() if validation else Split(validation=draw(st.sampled_from([0.1, 0.25])))
    rest = {
        option.field: draw(st.just(option.default) | of_kind(option.kind, 0))
        for option in options_of(Spec)
        if option.key in ("optimizer", "schedule", "training", "diagnosis", "seed", "dtype")
    }
    data = DataOptions(**draw(SOURCES), validation=validation, split=split)
    loss = draw(of_kind(options.Choice("loss"), 0))
    return Spec(data, network, loss, name=draw(NAMES), **rest)


__all__ = ["METRIC", "specs"]
