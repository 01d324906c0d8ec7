"""What flows are asked for, as Prefect's form shows it.

Law: a parameter that several flows take is named and described once, here.

Prefect reads descriptions from docstrings in another style only, and drops those of annotations; in
`json_schema_extra` they reach the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from dedup.settings import Limits, Settings


def _shown(description: str, **bounds: Any) -> Any:
    return Field(**bounds, json_schema_extra={"description": description})


Inputs = Annotated[
    list[str],
    _shown("files, folders, patterns or URLs of Parquet, JSON Lines, CSV or text", min_length=1),
]
Inbox = Annotated[
    str, _shown("folder or URL where new files arrive; they stay where they are", min_length=1)
]
Output = Annotated[str, _shown("folder or URL that runs are published under", min_length=1)]
WithSettings = Annotated[
    Settings, _shown("how articles are read, compared and clustered; the defaults serve news")
]
WithLimits = Annotated[
    Limits, _shown("figures that stop a run before it is published, and leave the output as it was")
]
Retract = Annotated[Sequence[str], _shown("files with ids of articles to take down, one per line")]
Rebuild = Annotated[
    bool,
    _shown("forget what is remembered and cluster the whole inbox anew, as after other settings"),
]
Day = Annotated[
    date | None,
    _shown("take only files whose path names this day, as 2026-11-21; none takes all that is new"),
]
NotifySize = Annotated[
    int,
    _shown("articles at which a cluster is announced by an event; 0 announces none", ge=0),
]
WaitMinutes = Annotated[
    float,
    _shown("minutes to wait for another run under the same output; 0 fails at once", ge=0, le=1440),
]

First = Annotated[date, _shown("first day to take, as file paths name it: 2026-11-21")]
Last = Annotated[date, _shown("last day to take, itself included")]

Truth = Annotated[
    str, _shown("Parquet, CSV or JSON Lines: id,cluster or a,b,label[,weight]", min_length=1)
]
Level = Annotated[Literal["cluster", "story"], _shown("what is compared with the truth")]
LeastF1 = Annotated[
    float,
    _shown("F1 of pairs below which the run fails; higher is stricter, 0 never fails", ge=0, le=1),
]
