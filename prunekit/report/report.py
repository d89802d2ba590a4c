"""The report of a run as data: what `report.json` holds."""

import re
from pathlib import Path

from pydantic import ValidationError

from prunekit._support.frozen import FrozenModel
from prunekit.errors import PrunekitError
from prunekit.measure.answers import AnswersSection
from prunekit.measure.equivalence import Equivalence
from prunekit.report.data_section import DataSection
from prunekit.report.kept_units import KeptSection
from prunekit.report.sections import (
    LatencySection,
    LayersSection,
    ParametersSection,
    QualitySection,
    RecoveredStage,
    Sample,
    SecondsSection,
    SparsitySection,
    SpentSection,
    WidthsSection,
)


class Report(FrozenModel):
    """Everything a run found out. Example: 2 of 12 decoder layers kept, 3.0x the speed, 91% of the word accuracy.

    A section that was not measured is None: `quality` without test rows, `latency` without workloads, `equivalence`
    where nothing was cut. `recovery` is empty where that was one training of all weights, and `kept` is None in reports
    from before there were maps.
    """

    adapter: str
    strategy: str | None
    task: str | None
    seed: int
    environment: dict[str, str | int]
    parameters: ParametersSection
    sparsity: SparsitySection
    layers: LayersSection
    widths: WidthsSection
    kept: KeptSection | None = None
    quality: QualitySection | None = None
    latency: LatencySection | None = None
    equivalence: Equivalence | None = None
    seconds: SecondsSection = SecondsSection()
    spent: SpentSection = SpentSection()
    recovery: tuple[RecoveredStage, ...] = ()
    data: DataSection | None = None
    answers: AnswersSection | None = None
    samples: tuple[Sample, ...] = ()

    @classmethod
    def load(cls, path: Path | str) -> "Report":
        """Read a `report.json`; raises `PrunekitError` for a file that is missing, or is none."""
        try:
            return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise PrunekitError(f"The report {str(path)!r} cannot be read: {error.strerror}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise PrunekitError(f"{str(path)!r} is no report of this version: {where}: {first['msg']}.") from error

    def json_text(self) -> str:
        """The text of `report.json`: lists of numbers take one line each."""
        absent = {name for name in ("data", "answers") if getattr(self, name) is None}  # in reports from before them
        absent |= set() if self.recovery else {"recovery"}
        text = self.model_dump_json(indent=2, exclude=absent)
        return re.sub(r"\[\n[-\d.,\s]+\]", lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", text) + "\n"
