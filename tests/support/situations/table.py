"""All situations."""

from typing import Final

from tests.support.situations import foreign, pods
from tests.support.situations.situation import Situation

SITUATIONS: Final[tuple[Situation, ...]] = (*pods.SITUATIONS, *foreign.SITUATIONS)
