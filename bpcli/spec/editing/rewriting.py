"""The text of old nodes made that of new ones, wherever the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from bpcli.spec.dump import flow
from bpcli.spec.editing.block import Block
from bpcli.spec.editing.edits import Edits
from bpcli.spec.editing.flow import Flow
from bpcli.spec.editing.layout import Layout
from bpcli.spec.editing.rendering import as_entry, as_item, on_one_line
from bpcli.spec.nodes import Mapping, Node, Scalar, Sequence, plain


@dataclass(frozen=True)
class Around:
    """What a node stands in: brackets or none, and after which key of a block mapping, if any."""

    brackets: bool = False
    key: Scalar | None = None


@dataclass
class Rewriting:
    """Goes down old and new nodes together; what is the same object, or says the same, stays."""

    layout: Layout
    edits: Edits

    def patch(self, old: Node, new: Node, around: Around = Around()) -> None:
        new = _shorter(old, new)
        if old is new or repr(plain(old)) == repr(plain(new)):
            return
        match old, new:
            case Mapping(entries=(_, *_)), Mapping() if self._patch_entries(old, new, around):
                pass
            case Sequence(items=(_, *_)), Sequence() if self._patch_items(old, new, around):
                pass
            case _:
                self._replace(old, new, around)

    # -- mappings

    def _patch_entries(self, old: Mapping, new: Mapping, around: Around) -> bool:
        """Changed values, one entry fewer, or more at the end; False where it is more than that."""
        block = not around.brackets and self.layout.is_block(old)
        keys, wanted = _keys(old), _keys(new)
        if wanted[: len(keys)] == keys:
            for (key, before), (_, after) in zip(old.entries, new.entries, strict=False):
                self.patch(before, after, Around(not block, key if block else None))
            for key, value in new.entries[len(keys) :]:
                self._append(old, key, value, block)
            return True
        gone = [index for index, key in enumerate(keys) if key not in wanted]
        if len(gone) != 1 or len(wanted) == 0 or wanted != keys[: gone[0]] + keys[gone[0] + 1 :]:
            return False
        (Block if block else Flow)(self.layout, self.edits, old).remove(gone[0])
        for key, after in new.entries:
            found = old.find(key.text)
            assert found is not None
            self.patch(found[1], after, Around(not block, key if block else None))
        return True

    def _append(self, mapping: Mapping, key: Scalar, value: Node, block: bool) -> None:
        end = len(mapping.entries)
        if block:
            lines = as_entry(self.layout, key, value, step=self._step(mapping))
            Block(self.layout, self.edits, mapping).insert(end, lines)
        else:
            (text,) = as_entry(self.layout, key, value)
            Flow(self.layout, self.edits, mapping).insert(end, text)

    def _step(self, mapping: Mapping) -> int:
        """How far most mappings in this one are indented; 0 where most stand in braces."""
        inner = [value for _, value in mapping.entries if isinstance(value, Mapping)]
        blocks = [value for value in inner if self.layout.is_block(value)]
        if 2 * len(blocks) <= len(inner):
            return 0
        column = self.layout.column(mapping.start.offset)
        return self.layout.column(blocks[0].start.offset) - column

    # -- lists

    def _patch_items(self, old: Sequence, new: Sequence, around: Around) -> bool:
        """Items put in, taken away, put inside another or changed; False where it is all of it."""
        block = not around.brackets and self.layout.is_block(old)
        start, end = _shared(old, new)
        before, after = (
            old.items[start : len(old.items) - end],
            new.items[start : len(new.items) - end],
        )
        if len(after) == 1 and before and _holds(after[0], before):
            self._wrap(old, start, len(before), after[0], block)
        elif len(before) == len(after):
            for one, other in zip(before, after, strict=True):
                self.patch(one, other, Around(not block))
        elif len(after) == 1 and not before:
            self._insert(old, start, after[0], block)
        elif len(before) == 1 and not after and len(old.items) > 1:
            (Block if block else Flow)(self.layout, self.edits, old).remove(start)
        else:
            return False
        return True

    def _insert(self, list_: Sequence, index: int, item: Node, block: bool) -> None:
        if block:
            text = f"- {as_item(self.layout, item)}"
            Block(self.layout, self.edits, list_).insert(index, [text])
        else:
            text = on_one_line(self.layout, item)
            Flow(self.layout, self.edits, list_).insert(index, text)

    def _wrap(self, list_: Sequence, start: int, count: int, outer: Node, block: bool) -> None:
        assert isinstance(outer, Mapping)
        ((name, options),) = outer.entries
        assert isinstance(options, Mapping)
        written = [as_entry(self.layout, *entry)[0] for entry in options.entries[:-1]]
        if block:
            header = [f"- {flow(name.text)}:"]
            if written:
                header += [f"    {line}" for line in (*written, "layers:")]
            step = self._list_step() + (2 if written else 0)
            Block(self.layout, self.edits, list_).wrap(start, start + count, header, step)
            return
        before, after = f"{{{flow(name.text)}: [", "]}"
        if written:
            before, after = f"{{{flow(name.text)}: {{{', '.join(written)}, layers: [", "]}}"
        Flow(self.layout, self.edits, list_).wrap(start, start + count, before, after)

    def _list_step(self) -> int:
        """From the dash of a layer to the dashes of the layers inside it: as the file does it."""
        assert isinstance(self.layout.root, Mapping)
        found = self.layout.root.find("network")
        assert found is not None
        key, network = found
        return 2 + min(network.start.column - key.start.column, 2)

    # -- all else

    def _replace(self, old: Node, new: Node, around: Around) -> None:
        layout, start, stop = self.layout, old.start.offset, self.layout.end(old)
        bare = around.key is None and not around.brackets
        text = as_item(layout, new) if bare else on_one_line(layout, new)
        if around.key is not None and layout.is_block(old):
            self._pull_up(around.key, old, text)
        elif start == stop:  # nothing stands there
            self.edits.insert(start, f" {text}")
        else:
            self.edits.replace(start, stop, text)

    def _pull_up(self, key: Scalar, old: Node, text: str) -> None:
        """One line in place of the block below a key: the text behind the key, the block away."""
        layout = self.layout
        colon, end = layout.colon(key), layout.end(old)
        self.edits.insert(colon, f" {text}")
        if isinstance(old, Scalar):  # a block scalar, whose '|' is on the key's line
            self.edits.replace(colon, end, layout.newline)
        else:
            self.edits.remove(old.start.offset, layout.line_end(end))


def _shorter(old: Node, new: Node) -> Node:
    """The main option's value, where the old text gives that bare and the new needs no more."""
    if isinstance(new, Mapping) and len(new.entries) == 1 and not isinstance(old, Mapping):
        ((key, value),) = new.entries
        if key.start.line and key.start == key.end == old.start:  # written nowhere
            return value
    return new


def _keys(mapping: Mapping) -> list[str]:
    return [key.text for key, _ in mapping.entries]


def _shared(old: Sequence, new: Sequence) -> tuple[int, int]:
    """How many items at the start, and how many at the end, are the same objects."""
    pairs = zip(old.items, new.items, strict=False)
    start = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
    rest = zip(reversed(old.items[start:]), reversed(new.items[start:]), strict=False)
    return start, sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], rest))


def _holds(outer: Node, items: tuple[Node, ...]) -> bool:
    """Whether it is a new layer around just these."""
    match outer:
        case Mapping(entries=((_, Mapping(entries=(*_, (_, Sequence(items=inner))))),)):
            return len(inner) == len(items) and all(
                one is other for one, other in zip(inner, items, strict=True)
            )
    return False
