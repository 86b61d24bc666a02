"""A new index, filled beside the one that is searched, which then takes its place at once."""

from __future__ import annotations

from events.errors import Refused
from functions.adapters.elasticsearch.search import ALIAS, MAPPINGS, ElasticsearchIndex


class RebuiltIndex(ElasticsearchIndex):
    """An index that nobody searches until :meth:`take_over`. See :class:`functions.ports.SearchCopy`.

    Args:
        place: the alias whose index is to be replaced.
    """

    def __init__(self, url: str, *, place: str = ALIAS) -> None:
        super().__init__(url, alias=f"{place}-next")
        self._place = place

    def begin(self, *, again: bool) -> None:
        """Make the index.

        Args:
            again: begin anew where another rebuild was interrupted.

        Raises:
            Refused: 409, another rebuild is there.
            Unavailable: Elasticsearch could not be reached.
        """
        with self._errors():
            left = self._behind(self._alias)
            if left and not again:
                raise Refused("Conflict", status=409, detail="another rebuild runs or was interrupted: see --again")
            if left:
                self._client.indices.delete(index=left)
            name = f"{self._place}-v{1 + self._latest()}"
            self._client.indices.create(index=name, mappings=MAPPINGS, aliases={self._alias: {}})

    def take_over(self) -> None:
        """Take the place of the index that was searched, which is deleted. What is put from now on goes there.

        Raises:
            Unavailable: Elasticsearch could not be reached; the same call again is safe.
        """
        with self._errors():
            new, old = self._behind(self._alias), self._behind(self._place)
            adds = [{"add": {"index": each, "alias": self._place}} for each in new]
            removes = [{"remove": {"index": each, "alias": self._alias}} for each in new]
            deletes = [{"remove_index": {"index": each}} for each in old]
            self._client.indices.update_aliases(actions=[*adds, *removes, *deletes])
            self._alias = self._place

    def _behind(self, alias: str) -> list[str]:
        if not self._client.indices.exists_alias(name=alias):
            return []
        return list(self._client.indices.get_alias(name=alias))

    def _latest(self) -> int:
        """Return the number of the latest index that there is."""
        names = self._client.indices.get_alias(index=f"{self._place}-v*")
        numbers = (name.removeprefix(f"{self._place}-v") for name in names)
        return max((int(number) for number in numbers if number.isdecimal()), default=0)
