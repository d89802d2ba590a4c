"""The shapes of a model in a directory or on the hub, with their predicted speeds: nothing is trained."""

from collections.abc import Sequence

import torch

from prunekit._support.progress import Progress
from prunekit.cut.checkpoint import plan_of
from prunekit.data.lengths import fit_workload, positions_of
from prunekit.find.plan import PruningPlan
from prunekit.latency.shapes import Shapes, calibrated_shapes, check_offered
from prunekit.latency.workload import example_input_maker
from prunekit.loading.device import device_of
from prunekit.loading.pretrained import graph_of, located, open_config, open_model
from prunekit.loading.structure import adapter_for
from prunekit.recipe import Workload


def shapes_for_model(
    place: str,
    workload: Workload,
    adapter: str | None,
    device: str,
    threads: int,
    progress: Progress | None = None,
    asked: tuple[Sequence[int], Sequence[float]] = ((), ()),
) -> Shapes:
    """The shapes of the model in a directory or on the hub; a model of audio or images reads as much as it takes.

    Raises `PrunekitError` before anything is timed for depths and sparsities that are `asked` for and do not exist.
    """
    directory = located(place)
    config = open_config(directory)
    _, known = adapter_for(config, adapter)
    model = open_model(directory, config, known, torch.float32, device_of(device))
    graph = graph_of(model, known)
    workload = fit_workload(workload, positions_of(model.config, model, known.ahead))
    check_offered(graph.after(plan_of(model) or PruningPlan()), *asked)
    return calibrated_shapes(model, known, graph, workload, threads, example_input_maker(known), progress)
