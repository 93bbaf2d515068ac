"""Where the items of a map are put for Step Functions, and how many and how large they may be. Pure.

What only the rendered file knows stands in the address, as its query: `fan`, in a job, puts the items there, and keeps
the limits.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from magnus.errors import ConfigurationError
from magnus_executor_stepfunctions.expressions import PLACE, FilledIn, filled_in
from magnus_executor_stepfunctions.limits import LARGEST_DATA, LARGEST_OVERRIDES

if TYPE_CHECKING:
    from magnus.domain.render_plan import RenderedNode

_ROOM_BESIDE_ITEMS = 65_536
"""Bytes of a state's data for what is not items: what S3 says of an object, why a job failed."""

MOST_DISTRIBUTED = 80_000
"""Items: of each, three bytes come out of the map, all of which must fit into a state's data."""


class ItemsPlace(NamedTuple):
    """Where the items of one map are.

    Attributes:
        bucket: Of S3.
        prefix: Of keys, with a slash at its end, or empty.
        key: Of the map's node.
        inline: Whether the list becomes part of the state's data.
        most: How many items there may be.
        longest: How many characters an item may have in the command of a job.
    """

    bucket: str
    prefix: str
    key: str
    inline: bool
    most: int
    longest: int

    @property
    def object_key(self) -> FilledIn:
        """The key in the bucket, as an expression."""
        return filled_in(f"{self.prefix}{{}}/{self.key}.json", PLACE)

    @property
    def address(self) -> FilledIn:
        """What `--items-to` is given, as an expression."""
        kind = "inline" if self.inline else "distributed"
        query = f"map={kind}&most={self.most}&longest={self.longest}"
        return filled_in(f"s3://{self.bucket}/{self.prefix}{{}}/{self.key}.json?{query}", PLACE)


def place_of(node: RenderedNode, items: str, *, inline: bool, most: int, overrides_size: int) -> ItemsPlace:
    """Return the place of a map's items below the address *items*."""
    bucket, _, prefix = items.removeprefix("s3://").strip("/").partition("/")
    return ItemsPlace(
        bucket,
        f"{prefix}/" if prefix else "",
        node.key,
        inline,
        most,
        max(0, LARGEST_OVERRIDES - overrides_size),
    )


def check_items(place: str, text: str) -> tuple[str, str]:
    """Refuse a list that the target does not take; return bucket and key.

    Raises:
        ConfigurationError: It is too long, too large, or an item is; or *place* is no address of ours.
    """
    address, _, query = place.partition("?")
    given = {name: values[0] for name, values in parse_qs(query).items()}
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not key or set(given) != {"map", "most", "longest"}:
        raise ConfigurationError(
            f"items cannot be put to '{place}', which is no place that a state machine names; render the pipeline with this "
            "configuration"
        )
    items: list[str] = json.loads(text)
    most, longest = int(given["most"]), int(given["longest"])
    if len(items) > most:
        raise ConfigurationError(
            f"the map has {len(items)} items, and Step Functions takes {most} of them in this machine "
            f"(map {given['map']}); {_FEWER[given['map']]}"
        )
    for item in items:
        if (length := len(json.dumps(item)) - 2) > longest:
            raise ConfigurationError(
                f"an item of the map needs {length} characters in the command of a job, and AWS Batch has {longest} left "
                f"for it: {item[:80]}...; iterate over something shorter, such as names of files"
            )
    size = len(json.dumps(text))
    if given["map"] == "inline" and size > (most_bytes := LARGEST_DATA - _ROOM_BESIDE_ITEMS):
        raise ConfigurationError(
            f"the items of the map need {size} bytes, and Step Functions takes {most_bytes} in the data of a state; "
            "leave out `max_concurrency`, or set it above 40: the list is then read item by item"
        )
    return bucket, key


_FEWER = {
    "inline": "leave out `max_concurrency`, or set it above 40: each item then has a history of its own",
    "distributed": "iterate over groups of items",
}
