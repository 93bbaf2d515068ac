"""Builds a document from the events of PyYAML's parser: one pass, no recursion, no nodes, no marks kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from magnus.definition.located import LocatedDict, LocatedList, pack, unpack
from magnus.definition.mistake import Mistake
from magnus.definition.variables import MARKER, UnsetVariable, broken_message, is_encodable, unset_message
from magnus.definition.yaml_scalars import (
    MERGE_KEY,
    ScalarReader,
    ScalarValueError,
    UnknownTagError,
    is_container_tag,
    shown_tag,
)
from magnus.definition.yaml_syntax import mistake_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus.definition.variables import Variables

BASE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser: libyaml's where PyYAML was built with it, else the one in Python, some five times slower."""

EXPANSION_LIMIT = 1_000_000
"""How many values the aliases of one document may stand for, each 64 characters of text counted as one more.

A few lines of nested aliases can stand for more values than fit into any memory; no pipeline comes near a million.
"""

_KEY_TEXT_LIMIT = 80
_NO_KEY = object()
"""The mapping waits for a key."""
_DROPPED = object()
"""The key was refused, so its value is read and forgotten."""
_MERGE = object()
"""The key was `<<`."""


class Tree(NamedTuple):
    """What the events of a document came to.

    Attributes:
        value: The document's value; None also where the document is empty.
        place: Packed place of the value.
        is_empty: Whether there was nothing but blanks and comments.
        unset: Variables without a value, left as they stand.
        mistakes: What was refused; *value* is incomplete if there are any.
    """

    value: Any
    place: int
    is_empty: bool
    unset: tuple[UnsetVariable, ...]
    mistakes: list[Mistake]


def build_tree(text: str, variables: Variables | None, loader: Any = None) -> Tree:
    """Read the YAML document *text*.

    Args:
        text: The whole document, without a byte order mark.
        variables: Values for `${NAME}`; None leaves such text alone.
        loader: A loader class of PyYAML, of which only the parser is used; None for the quickest that there is.
    """
    builder = _Builder(variables)
    try:
        builder.read(_events(text, loader or BASE_LOADER))
    except _GiveUp as exc:
        builder.mistakes.append(exc.mistake)
    except yaml.YAMLError as exc:
        builder.mistakes.append(mistake_of(exc, text))
    except (ValueError, OverflowError) as exc:
        # The parser in Python does not check the numbers in `\U` escapes and in `%YAML`.
        builder.mistakes.append(Mistake(f"not valid YAML: {exc}"))
    return builder.tree()


def _events(text: str, loader: Any) -> Iterator[Any]:
    parser = loader(text)
    try:
        event = None
        while type(event) is not StreamEndEvent:
            event = parser.get_event()
            yield event
    finally:
        parser.dispose()


class _GiveUp(Exception):  # noqa: N818 - not an error of its own, only the way out of the loop
    """Reading on would make no sense."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


class _Anchor(NamedTuple):
    """What an alias stands for."""

    value: Any
    weight: int
    unset: tuple[str, ...]


class _Frame:
    """A mapping or list that has begun and not ended."""

    __slots__ = ("anchor", "key", "key_place", "merges", "places", "value", "weight")

    def __init__(self, value: LocatedDict | LocatedList, place: int, anchor: str | None, weight: int) -> None:
        self.value = value
        self.places = [place]
        self.anchor = anchor
        self.weight = weight
        """The document's weight before this container."""
        self.key: Any = _NO_KEY
        self.key_place = 0
        self.merges: list[tuple[Any, int]] | None = None


class _Builder:
    """The state of one reading."""

    def __init__(self, variables: Variables | None) -> None:
        self.mistakes: list[Mistake] = []
        self._variables = variables
        self._scalars = ScalarReader()
        self._frame = _Frame(LocatedList(), 0, None, 0)
        """The innermost open container; at the bottom a list that holds the document."""
        self._outer: list[_Frame] = []
        self._anchors: dict[str, _Anchor | None] = {}
        """None while the anchored container is open."""
        self._names: dict[str, str] = {}
        """Every key once: the steps of a pipeline share their keys."""
        self._weight = 0
        self._borrowed = 0
        self._documents = 0
        self._unset: dict[tuple[int, str | int], tuple[UnsetVariable, ...]] = {}
        """By identity of the holder, and key."""

    def read(self, events: Iterable[Any]) -> None:
        """Take all *events* of a stream."""
        handlers = {
            ScalarEvent: self._on_scalar,
            MappingStartEvent: self._on_mapping,
            SequenceStartEvent: self._on_sequence,
            MappingEndEvent: self._on_end,
            SequenceEndEvent: self._on_end,
            AliasEvent: self._on_alias,
            DocumentStartEvent: self._on_document,
        }
        for event in events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def tree(self) -> Tree:
        """Return what was built so far."""
        bottom = self._outer[0] if self._outer else self._frame
        is_empty = not bottom.value
        value = None if is_empty else bottom.value[0]  # type: ignore[index]  # the bottom is a list
        place = pack(1, 1) if is_empty else bottom.places[1]
        unset = tuple(variable for group in self._unset.values() for variable in group)
        return Tree(value, place, is_empty, unset, self.mistakes)

    def _on_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            message = "a second document begins here; a file holds one, so remove this `---` and what follows"
            raise _GiveUp(Mistake(message, *unpack(_place(event))))

    def _on_scalar(self, event: Any) -> None:
        place = _place(event)
        text = event.value
        self._weight += 1 + (len(text) >> 6)
        if event.style == '"' and not is_encodable(text):
            self._refuse(
                place,
                "an escape stands for half of a surrogate pair, which is no character; write the character",
            )
            text = ""
        plain = event.implicit[0]  # so is a scalar that PyYAML resolves in spite of a bare `!`
        frame = self._frame
        if frame.key is _NO_KEY and type(frame.value) is LocatedDict:
            if plain and text == MERGE_KEY:
                self._begin_merge(place)
            else:
                self._take_key(self._read_key(event, text, place, plain=plain), place)
            return
        unset: tuple[str, ...] = ()
        if MARKER in text and self._variables is not None:
            value, unset = self._expand(event, text, place, plain=plain)
        else:
            value = self._value(event, text, place, plain=plain)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(value, 1 + (len(text) >> 6), unset)
        self._put(value, place, unset)

    def _on_mapping(self, event: Any) -> None:
        self._open(event, LocatedDict())

    def _on_sequence(self, event: Any) -> None:
        self._open(event, LocatedList())

    def _on_end(self, _event: Any) -> None:
        frame = self._frame
        if frame.merges is not None:
            self._merge(frame)
        frame.value.set_places(frame.places)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchor(frame.value, self._weight - frame.weight, ())
        self._frame = self._outer.pop()

    def _on_alias(self, event: Any) -> None:
        place = _place(event)
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            self._refuse(place, _alias_message(event.anchor, is_open=event.anchor in self._anchors))
            anchor = _Anchor(None, 1, ())
            if self._wants_key():
                self._take_key(_DROPPED, place)
                return
        self._weight += anchor.weight
        self._borrowed += anchor.weight
        if self._borrowed > EXPANSION_LIMIT:
            message = f"the aliases up to here stand for more than {EXPANSION_LIMIT:,} values; use fewer"
            raise _GiveUp(Mistake(message, *unpack(place)))
        if not self._wants_key():
            self._put(anchor.value, place, anchor.unset)
        elif anchor.unset:
            self._refuse_unset(anchor.unset, place)
            self._take_key(_DROPPED, place)
        else:
            self._take_key(self._checked_key(anchor.value, f"*{event.anchor}", place), place)

    def _open(self, event: Any, value: LocatedDict | LocatedList) -> None:
        place = _place(event)
        if not is_container_tag("map" if type(value) is LocatedDict else "seq", event.tag):
            self._refuse_tag(place, shown_tag(event.tag))
        if self._wants_key():
            found = "a mapping" if type(value) is LocatedDict else "a list"
            self._refuse(
                place,
                f"{found} stands where a name was expected; if braces or brackets are text, put it in quotes",
            )
            self._take_key(_DROPPED, place)
        else:
            self._put(value, place, ())
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._outer.append(self._frame)
        self._frame = _Frame(value, place, event.anchor, self._weight)
        self._weight += 1

    def _put(self, value: Any, place: int, unset: tuple[str, ...]) -> None:
        frame = self._frame
        holder = frame.value
        key: Any
        if type(holder) is LocatedList:
            key = len(holder)
            holder.append(value)
            frame.places.append(place)
        else:
            key = frame.key
            frame.key = _NO_KEY
            if key is _DROPPED:
                return
            if key is _MERGE:
                frame.merges = [*(frame.merges or ()), (value, place)]
                return
            holder[key] = value
            frame.places.append(frame.key_place)
            frame.places.append(place)
        if unset:
            self._remember_unset(unset, key, place)

    def _value(self, event: Any, text: str, place: int, *, plain: bool) -> Any:
        try:
            if plain:
                return self._scalars.plain(text)
            return text if event.tag is None else self._scalars.tagged(event.tag, text)
        except UnknownTagError as exc:
            self._refuse_tag(place, str(exc))
        except ScalarValueError as exc:
            self._refuse(place, f"{_shown(text)} cannot be read as {exc}; put it in quotes if it is text")
        return None

    def _expand(self, event: Any, text: str, place: int, *, plain: bool) -> tuple[Any, tuple[str, ...]]:
        assert self._variables is not None  # noqa: S101 - for the type checker; the caller has looked
        expansion = self._variables.expand(text)
        self._refuse_broken(expansion.broken, place)
        if expansion.unset or not plain:
            return self._value(event, expansion.text, place, plain=False), expansion.unset
        if not expansion.whole or not expansion.text:
            return expansion.text, ()
        try:
            return self._scalars.plain(expansion.text), ()
        except ScalarValueError:
            return expansion.text, ()

    def _wants_key(self) -> bool:
        return self._frame.key is _NO_KEY and type(self._frame.value) is LocatedDict

    def _read_key(self, event: Any, text: str, place: int, *, plain: bool) -> Any:
        if MARKER in text and self._variables is not None:
            expansion = self._variables.expand(text)
            self._refuse_broken(expansion.broken, place)
            self._refuse_unset(expansion.unset, place)
            # A name is always text, even where the variable's value looks like a number.
            key: Any = _DROPPED if expansion.unset or expansion.broken else expansion.text
        else:
            before = len(self.mistakes)
            value = self._value(event, text, place, plain=plain)
            key = self._checked_key(value, text, place) if len(self.mistakes) == before else _DROPPED
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor("" if key is _DROPPED else key, 1 + (len(text) >> 6), ())
        return key

    def _checked_key(self, value: Any, text: str, place: int) -> Any:
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list):
            self._refuse(
                place,
                f"{text} is a {'mapping' if isinstance(value, dict) else 'list'}; a name has to be text",
            )
        elif value is None and not text:
            self._refuse(place, "a name is missing before the `:`")
        else:
            kind = "nothing (null)" if value is None else {bool: "true or false"}.get(type(value), "a number")
            self._refuse(place, f'the name {_shown(text)} is read as {kind}; put it in quotes: "{text}"')
        return _DROPPED

    def _take_key(self, key: Any, place: int) -> None:
        frame = self._frame
        if key is not _DROPPED:
            key = self._names.setdefault(key, key)
            if type(frame.value) is LocatedDict and key in frame.value:
                first = unpack(frame.places[1 + 2 * frame.value.index_of(key)])
                self._refuse(
                    place, f"the key {_shown(key)} is there twice, first at {first}; remove or rename one"
                )
                key = _DROPPED
        frame.key = key
        frame.key_place = place

    def _begin_merge(self, place: int) -> None:
        frame = self._frame
        frame.key = _MERGE
        frame.key_place = place
        if frame.merges is not None:
            self._refuse(
                place, "a second `<<` in one mapping; merge several mappings with one list: `<<: [*a, *b]`"
            )

    def _merge(self, frame: _Frame) -> None:
        """Add what *frame* merges: its own keys win, then those of earlier sources; order as PyYAML has it."""
        items: dict[str, tuple[Any, int, int, LocatedDict]] = {}
        target = frame.value
        assert type(target) is LocatedDict  # noqa: S101 - for the type checker; lists have no keys
        for value, place in frame.merges or ():
            sources = value if type(value) is LocatedList else [value]
            for source in reversed(sources):
                if type(source) is LocatedDict and source is not target:
                    for (key, item), places in zip(source.items(), source.packed_places(), strict=False):
                        items[key] = (item, *places, source)
                else:
                    self._refuse(
                        place, "`<<` takes a mapping, or a list of mappings, to merge; found something else"
                    )
        own = frame.places
        for index, (key, item) in enumerate(target.items()):
            items[key] = (item, own[1 + 2 * index], own[2 + 2 * index], target)
        target.clear()
        frame.places = own[:1]
        for key, (item, key_place, value_place, source) in items.items():
            target[key] = item
            frame.places += (key_place, value_place)
            variables = self._unset.get((id(source), key)) if self._unset and source is not target else None
            if variables:
                self._remember_unset(tuple(variable.name for variable in variables), key, value_place)

    def _remember_unset(self, names: tuple[str, ...], key: str | int, place: int) -> None:
        frame = self._frame
        if not self._outer:
            variables = tuple(UnsetVariable(name, None, 0, (), unpack(place)) for name in names)
        else:
            # From the second frame on: the bottom holds the document and has no name.
            path = tuple(_step(outer) for outer in self._outer[1:])
            holder = frame.value
            variables = tuple(UnsetVariable(name, holder, key, (*path, key), unpack(place)) for name in names)
        self._unset[id(frame.value), key] = variables

    def _refuse(self, place: int, message: str) -> None:
        self.mistakes.append(Mistake(message, *unpack(place)))

    def _refuse_tag(self, place: int, tag: str) -> None:
        known = "!!str, !!int, !!float, !!bool, !!null, !!map, !!seq"
        self._refuse(
            place,
            f"the tag {_shown(tag)} is not one of those that fit here ({known}); remove it, or put text in quotes",
        )

    def _refuse_unset(self, names: Iterable[str], place: int) -> None:
        for name in names:
            self._refuse(place, unset_message(name))

    def _refuse_broken(self, names: Iterable[str], place: int) -> None:
        for name in names:
            self._refuse(place, broken_message(name))


def _place(event: Any) -> int:
    mark = event.start_mark
    return pack(mark.line + 1, mark.column + 1)


def _step(frame: _Frame) -> str | int:
    """Return the key or index under which the container that was opened last in *frame* stands."""
    if isinstance(frame.value, LocatedList):
        return len(frame.value) - 1
    return next(reversed(frame.value), "")


def _alias_message(name: str, *, is_open: bool) -> str:
    if is_open:
        return f"*{name} stands inside what it refers to; a value cannot hold itself"
    return f'nothing above is marked &{name}; if *{name} is text, put it in quotes: "*{name}"'


def _shown(text: str) -> str:
    """Quote *text* for a message, cut if it is long."""
    return repr(text if len(text) <= _KEY_TEXT_LIMIT else text[:_KEY_TEXT_LIMIT] + "...")
