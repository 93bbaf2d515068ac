"""Scopes of names: which file of a run a step means by a name.

Every branch that isolates (an item of a map, a branch of a parallel node) has a name space of its own, called by the branch's
internal name; the graphs around it are visible from inside, nearest first. A graph sees its own names and, under the plain
name or as `<node>/<branch or item>/<name>`, the names that the branches of its nodes have put.

A catalog is flat. A name of a branch is stored below `_branches/<node>/<branch>/`, once for each level, and the core's own
notes are stored below `_magnus/`. Nothing here reads or writes: `ScopedEntries` is an index over entries that others read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote

from magnus.domain.file_patterns import LOG_FOLDER, NOTES_FOLDER
from magnus.domain.names import ROOT_BRANCH, parent, split
from magnus.domain.nothing import NOTHING
from magnus.domain.wording import first_of
from magnus.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from magnus.domain.file_patterns import FilePattern

BRANCHES = "_branches"
"""The folder of the names that branches have put, in the catalog and in the name space of each branch around."""

OBJECTS = "_objects"
"""The folder of the files in which objects are stored."""

OBJECT_SUFFIX = ".object"

_STAGED = f"{NOTES_FOLDER}/staged/"
_JOINED = f"{NOTES_FOLDER}/joined/"
_JSON_MARK = "%="
_SLASH = "%2f"
"""Stands for a slash in the name of a node; `names.encode_map_value` writes its own escapes in upper case."""

_NAMES_SHOWN = 5


class Entry(Protocol):
    """The part of an entry of the catalog that decides between names."""

    @property
    def data_hash(self) -> str:
        """SHA-256 of the content."""


E = TypeVar("E", bound=Entry)


class Place(NamedTuple):
    """The position of a step from which names are looked up.

    Attributes:
        graph: The internal name of the graph that the step stands in.
        scopes: The isolating branches around it, outermost first, without the outermost graph.
    """

    graph: str = ROOT_BRANCH
    scopes: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """The step's own name space."""
        return self.scopes[-1] if self.scopes else ROOT_BRANCH


class Found(NamedTuple, Generic[E]):
    """A file that a pattern means.

    Attributes:
        name: The name under which the step gets it.
        entry: The entry of the catalog.
    """

    name: str
    entry: E


def stored_name(scope: str, name: str) -> str:
    """Return the catalog's name for *name* in *scope*; `split_stored` is the inverse."""
    return f"{_folder(scope)}{name}"


def split_stored(stored: str) -> tuple[str, str]:
    """Return the scope and the name that `stored_name` was called with."""
    scope: list[str] = []
    while stored.startswith(f"{BRANCHES}/"):
        parts = stored.split("/", 3)
        if len(parts) != 4:  # noqa: PLR2004 - the folder, a node, a branch and the rest
            break
        scope += (parts[1].replace(_SLASH, "/"), parts[2].replace(_SLASH, "/"))
        stored = parts[3]
    return ".".join(scope), stored


def staged_name(token: str, stored: str) -> str:
    """Return the name under which an attempt keeps *stored* until it has succeeded."""
    return f"{_STAGED}{token}/{stored}"


def attempt_token(step_name: str, attempt_number: int) -> str:
    """Return the part of staged names that tells an attempt from every other one of its run."""
    return f"{sha256(step_name.encode()).hexdigest()[:32]}.{attempt_number}"


def join_mark(node: str, stored: str) -> str:
    """Return the name that says: when *node* was joined, its branches had put the name of the own entry *stored*."""
    return f"{_JOINED}{_node_token(node)}/{stored}"


def is_staged(stored: str) -> bool:
    """Return whether the entry counts only once an attempt has succeeded."""
    return stored.startswith(_STAGED)


def is_note(stored: str) -> bool:
    """Return whether the entry is one of the core's own, which no step and no person gets."""
    return stored.startswith(f"{NOTES_FOLDER}/")


def is_reserved(name: str) -> bool:
    """Return whether a step may not put a file under *name*."""
    return name.startswith((f"{BRANCHES}/", f"{NOTES_FOLDER}/")) or name in {BRANCHES, NOTES_FOLDER}


@lru_cache(maxsize=4096)
def address(internal_name: str) -> str:
    """Return the path by which people call a branch: `each/north`, with the item as JSON writes it."""
    parts = split(internal_name)
    return "/".join(
        _item_part(part) if index % 2 else part.replace("/", _SLASH) for index, part in enumerate(parts)
    )


def readable_name(stored: str) -> str:
    """Return the path by which people call a stored file: `each/north/result.txt`."""
    scope, name = split_stored(stored)
    return f"{address(scope)}/{name}" if scope else name


def shown(name: str) -> str:
    """Return a file's name as messages call it: the file of an object by the object's name."""
    folder, _, file = name.rpartition("/")
    if not (file.endswith(OBJECT_SUFFIX) and (folder == OBJECTS or folder.endswith(f"/{OBJECTS}"))):
        return name
    path = folder[: -len(OBJECTS)]
    return f"{path}{unquote(file.removesuffix(OBJECT_SUFFIX), errors='surrogatepass')}"


@dataclass(slots=True)
class _Graph(Generic[E]):
    """What is known of one graph.

    Attributes:
        own: Its own names, by their first part.
        below: What the branches of its nodes have put: node, then plain name, then the scope that put it.
        branches: The internal names of these branches, by their address relative to this graph.
    """

    own: dict[str, dict[str, E]] = field(default_factory=dict)
    below: dict[str, dict[str, dict[str, E]]] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)


class ScopedEntries(Generic[E]):
    """An index over the entries of one run: looking up a name costs the same however many names other branches hold."""

    def __init__(self) -> None:
        """Begin with no entry."""
        self._graphs: dict[str, _Graph[E]] = {}
        self._staged: dict[str, dict[str, E]] = {}
        self._marks: dict[str, dict[str, E]] = {}

    def add(self, stored: str, entry: E) -> None:
        """Add an entry, or replace that of the same stored name."""
        if stored.startswith(_STAGED):
            token, _, name = stored.removeprefix(_STAGED).partition("/")
            self._staged.setdefault(token, {})[name] = entry
        elif stored.startswith(_JOINED):
            node, _, name = stored.removeprefix(_JOINED).partition("/")
            self._marks.setdefault(name, {})[node] = entry
        else:
            scope, name = split_stored(stored)
            self._graph(scope).own.setdefault(name.partition("/")[0], {})[name] = entry
            for graph, node in _around(scope):
                self._graph(graph).below.setdefault(node, {}).setdefault(name, {})[scope] = entry

    def remove(self, stored: str) -> None:
        """Remove an entry, if it is there."""
        if stored.startswith(_STAGED):
            token, _, name = stored.removeprefix(_STAGED).partition("/")
            _discard(self._staged, token, name)
        elif stored.startswith(_JOINED):
            node, _, name = stored.removeprefix(_JOINED).partition("/")
            _discard(self._marks, name, node)
        else:
            scope, name = split_stored(stored)
            _discard(self._graph(scope).own, name.partition("/")[0], name)
            for graph, node in _around(scope):
                below = self._graph(graph).below.get(node, {})
                _discard(below, name, scope)
                if not below:
                    self._graph(graph).below.pop(node, None)

    def staged(self, token: str) -> Mapping[str, E]:
        """Return what an attempt has staged, by stored names."""
        return self._staged.get(token, {})

    def staged_by(self, token: str) -> list[str]:
        """Return the names of all staged entries of an attempt, whichever process ran it: *token* begins theirs."""
        tokens = [each for each in self._staged if each.startswith(f"{token}.")]
        return [staged_name(each, name) for each in tokens for name in self._staged[each]]

    def all_staged(self) -> list[str]:
        """Return the names of the staged entries of all attempts."""
        return [staged_name(token, name) for token, names in self._staged.items() for name in names]

    def marks_by(self, nodes: Iterable[str]) -> list[str]:
        """Return the names of the join marks that the joins of *nodes* have made."""
        if not self._marks:
            return []
        tokens = {_node_token(node) for node in nodes}
        return [
            f"{_JOINED}{node}/{name}"
            for name, marked in self._marks.items()
            for node in marked
            if node in tokens
        ]

    def marks_of(self, stored: str) -> list[str]:
        """Return the names of the join marks that hide the own entry *stored*."""
        return [f"{_JOINED}{node}/{stored}" for node in self._marks.get(stored, ())]

    def collisions(self, node: str, scope: str) -> dict[str, E]:
        """Return the marks to be made when *node*, whose graph has the names of *scope*, has ended.

        Only for names that both the scope itself and branches of the node have put.
        """
        own = self._own(scope)
        marks: dict[str, E] = {}
        for name in self._graph(parent(node)).below.get(node, {}):
            entry = own.get(name.partition("/")[0], {}).get(name)
            if entry is not None:
                marks[join_mark(node, stored_name(scope, name))] = entry
        return marks

    def left_over(self, node: str, branches: Iterable[str]) -> list[str]:
        """Return the stored names that branches of *node* other than *branches* have put, in an earlier run."""
        known = set(branches)
        depth = len(split(node)) + 1
        return [
            stored_name(scope, name)
            for name, scopes in self._graph(parent(node)).below.get(node, {}).items()
            for scope in scopes
            if ".".join(split(scope)[:depth]) not in known
        ]

    def find_exactly(self, name: str, place: Place) -> E | None:
        """Return the file that is called exactly *name* for a step at *place*, plainly or by its address.

        Raises:
            ExecutionError: Branches have put it with different contents.
        """
        for level in self._levels(place):
            entry = level.exact(name)
            if entry is not None:
                return entry
        return None

    def find(self, pattern: FilePattern, place: Place, nearer: Mapping[str, E] = NOTHING) -> list[Found[E]]:
        """Return the files that a step at *place* means by *pattern*, ordered by name.

        Args:
            pattern: The pattern, compiled.
            place: The position of the step.
            nearer: Files that the pattern means too, and that hide those of the same names.

        Raises:
            ExecutionError: Branches have put a name with different contents, and the pattern means all of them at once.
        """
        found = dict(nearer)
        for level in self._levels(place):
            here: dict[str, E] = {}
            for name, entry in level.matching(pattern, found):
                if here.setdefault(name, entry).data_hash != entry.data_hash:
                    raise ExecutionError(_not_told_apart(name))
            found = here | found
        return [Found(name, found[name]) for name in sorted(found)]

    def visible(self, place: Place, limit: int) -> list[str]:
        """Return up to *limit* names that a step at *place* could get."""
        names: dict[str, None] = {}
        for level in self._levels(place):
            for name in level.names():
                names.setdefault(name)
                if len(names) >= limit:
                    return list(names)
        return list(names)

    def count_visible(self, place: Place) -> int:
        """Return how many names a step at *place* could get, those of branches once each."""
        return sum(1 for level in self._levels(place) for _ in level.names())

    # For _Level

    def live_own(self, scope: str, name: str) -> tuple[E | None, frozenset[str] | None]:
        """Return the own entry of *scope*, and the tokens of the nodes whose branches have hidden it since.

        The tokens are None where nothing hides it, or it is not there.
        """
        entry = self._own(scope).get(name.partition("/")[0], {}).get(name)
        if entry is None or not self._marks:
            return entry, None
        marks = self._marks.get(stored_name(scope, name), {})
        hiding = frozenset(node for node, mark in marks.items() if mark.data_hash == entry.data_hash)
        return entry, hiding or None

    def _levels(self, place: Place) -> Iterator[_Level[E]]:
        scopes = set(place.scopes)
        graph, inside = place.graph, ""
        while True:
            scope = graph
            while scope and scope not in scopes:
                scope = parent(parent(scope))
            yield _Level(self, graph, scope, inside, self._graphs.get(graph))
            if not graph:
                return
            inside = parent(graph)
            graph = parent(inside)

    def own_names(self, scope: str) -> Mapping[str, Mapping[str, E]]:
        """Return the own names of *scope*, by their first part."""
        return self._own(scope)

    def branch_at(self, graph: str, parts: Sequence[str], inside: str) -> Iterator[tuple[str, str]]:
        """Yield each branch below *graph* that *parts* leads to, with the rest of the parts as a name."""
        known = self._graphs.get(graph)
        while known is not None and len(parts) > 2:  # noqa: PLR2004 - a node, a branch and something in it
            branch = known.branches.get((parts[0], parts[1]))
            if branch is None or (branch and parent(branch) == inside):
                return
            if not branch:
                raise ExecutionError(_not_told_apart("/".join(parts)))
            parts = parts[2:]
            yield branch, "/".join(parts)
            known = self._graphs.get(branch)

    def _own(self, scope: str) -> Mapping[str, dict[str, E]]:
        graph = self._graphs.get(scope)
        return graph.own if graph is not None else {}

    def _graph(self, name: str) -> _Graph[E]:
        graph = self._graphs.get(name)
        if graph is None:
            graph = self._graphs[name] = _Graph()
            if name:
                around = self._graph(parent(parent(name)))
                node, branch = address(name).split("/")[-2:]
                known = around.branches.setdefault((node, branch), name)
                if known != name:
                    around.branches[node, branch] = ""
        return graph


class _Level(NamedTuple, Generic[E]):
    """One of the graphs around a step, as the step sees it.

    Attributes:
        entries: The index.
        name: The graph's internal name.
        scope: The name space that the graph has or shares.
        inside: The node of this graph that the step itself is inside; its branches are invisible. Empty for none.
        known: What the index has of the graph; None for nothing.
    """

    entries: ScopedEntries[E]
    name: str
    scope: str
    inside: str
    known: _Graph[E] | None

    def exact(self, name: str) -> E | None:
        """Return the entry that is called *name* here, plainly or by its address.

        Raises:
            ExecutionError: Branches have put it with different contents.
        """
        own, hiding = self.entries.live_own(self.scope, name)
        if own is not None and hiding is None:
            return own
        candidates = self._put_by_branches(name, hiding)
        if candidates:
            return self._only(name, candidates)
        for branch, rest in self.entries.branch_at(self.name, name.split("/"), self.inside):
            entry, _ = self.entries.live_own(branch, rest)
            if entry is not None:
                return entry
        return own if self.name == self.scope else None  # hidden by branches that the step cannot see

    def matching(self, pattern: FilePattern, nearer: Mapping[str, E]) -> Iterator[tuple[str, E]]:
        """Yield what the pattern means here, without the names that a *nearer* graph has given.

        Raises:
            ExecutionError: Branches have put a name with different contents, and the pattern has no address of theirs.
        """
        yield from self._matching_own(pattern, nearer)
        own = self.entries.own_names(self.scope)
        plain: dict[str, dict[str, E]] = {}
        for name, scopes in self._visible_below():
            is_shadowed = name in nearer or name in own.get(name.partition("/")[0], {})
            if is_shadowed or not pattern.matches(name):
                yield from self._addressed(pattern, name, scopes)
            else:
                plain.setdefault(name, {}).update(scopes)
        for name, each in plain.items():
            scopes = self._ends(name, each)
            if len({entry.data_hash for entry in scopes.values()}) == 1:
                yield name, next(iter(scopes.values()))
            elif addressed := list(self._addressed(pattern, name, scopes)):
                yield from addressed
            else:
                self._only(name, scopes)

    def _matching_own(self, pattern: FilePattern, nearer: Mapping[str, E]) -> Iterator[tuple[str, E]]:
        for top, names in self.entries.own_names(self.scope).items():
            if not pattern.may_begin_with(top):
                continue
            for name, entry in names.items():
                if name in nearer or not pattern.matches(name):
                    continue
                _, hiding = self.entries.live_own(self.scope, name)
                candidates = self._put_by_branches(name, hiding) if hiding is not None else {}
                if candidates:
                    yield name, self._only(name, candidates)
                elif hiding is None or self.name == self.scope:
                    yield name, entry

    def _visible_below(self) -> Iterator[tuple[str, dict[str, E]]]:
        """Yield each name that visible branches have put, once for each node, with the entries by scope."""
        for node, names in (self.known.below if self.known is not None else {}).items():
            if node != self.inside:
                yield from names.items()

    def names(self) -> Iterator[str]:
        """Yield the names of this graph, and the addresses of those below it."""
        for top, names in self.entries.own_names(self.scope).items():
            if top != LOG_FOLDER:
                yield from names
        for name, scopes in self._visible_below():
            for scope in scopes:
                yield self._address(scope, name)

    def _addressed(self, pattern: FilePattern, name: str, scopes: Mapping[str, E]) -> Iterator[tuple[str, E]]:
        if pattern.is_single_part:
            return
        for scope, entry in scopes.items():
            path = self._address(scope, name)
            if pattern.matches(path):
                yield path, entry

    def _put_by_branches(self, name: str, hiding: frozenset[str] | None) -> dict[str, E]:
        """Return the entries that visible branches have put, by scope; only of the nodes that hide an own entry, if any."""
        candidates: dict[str, E] = {}
        for node, names in (self.known.below if self.known is not None else {}).items():
            if node != self.inside and name in names and (hiding is None or _node_token(node) in hiding):
                candidates.update(names[name])
        return self._ends(name, candidates)

    def _ends(self, name: str, candidates: dict[str, E]) -> dict[str, E]:
        """Return those of *candidates* that their branches ended with: inside a branch the same rules hold."""
        if len(candidates) <= 1:
            return candidates
        live = {scope for scope in candidates if self.entries.live_own(scope, name)[1] is None}
        return {
            scope: entry
            for scope, entry in candidates.items()
            if scope in live and not any(graph in live for graph, _ in _around(scope))
        }

    def _only(self, name: str, candidates: Mapping[str, E]) -> E:
        first = next(iter(candidates.values()))
        if all(entry.data_hash == first.data_hash for entry in candidates.values()):
            return first
        raise ExecutionError(ambiguous(name, sorted(self._address(scope, name) for scope in candidates)))

    def _address(self, scope: str, name: str) -> str:
        return f"{address(scope)}/{name}" if not self.name else f"{_below(self.name, scope)}/{name}"


def ambiguous(name: str, addresses: Sequence[str]) -> str:
    """Return the message for a plain *name* that branches put with different contents, found at *addresses*."""
    is_object = shown(name) != name
    paths = [shown(path) for path in addresses]
    message = (
        f"{shown(name)!r} was put with different contents by {len(paths)} branches: "
        f"{first_of(paths, _NAMES_SHOWN)}; get one of them"
    )
    glob = _common_glob(addresses)
    return f"{message}, or all by {glob!r}" if glob and not is_object else message


def _not_told_apart(path: str) -> str:
    return (
        f"{path!r} was put by two branches whose items are written alike, such as the number 1 and the text '1'; give the "
        "items of the map different texts"
    )


def _common_glob(paths: Sequence[str]) -> str:
    columns = [path.split("/") for path in paths]
    if len({len(parts) for parts in columns}) != 1:
        return ""
    same = [set(parts) for parts in zip(*columns, strict=True)]
    return "/".join(_escaped(next(iter(parts))) if len(parts) == 1 else "*" for parts in same)


def _escaped(part: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in part)


@lru_cache(maxsize=4096)
def _folder(scope: str) -> str:
    parts = [part.replace("/", _SLASH) for part in split(scope)]
    return "".join(
        f"{BRANCHES}/{node}/{branch}/" for node, branch in zip(parts[::2], parts[1::2], strict=True)
    )


@lru_cache(maxsize=4096)
def _around(scope: str) -> tuple[tuple[str, str], ...]:
    """Return each graph around *scope*, with the node of it that the scope is below."""
    found: list[tuple[str, str]] = []
    while scope:
        node = parent(scope)
        scope = parent(node)
        found.append((scope, node))
    return tuple(found)


@lru_cache(maxsize=4096)
def _below(graph: str, scope: str) -> str:
    return address(scope)[len(address(graph)) + 1 :]


@lru_cache(maxsize=4096)
def _node_token(node: str) -> str:
    return sha256(node.encode()).hexdigest()[:16]


def _item_part(branch: str) -> str:
    """Return the part of an address for the name of a branch: text as it is, any other value as JSON writes it."""
    return branch.removeprefix(_JSON_MARK).replace("/", _SLASH)


def _discard(groups: dict[str, dict[str, E]], key: str, name: str) -> None:
    group = groups.get(key)
    if group is not None:
        group.pop(name, None)
        if not group:
            del groups[key]
