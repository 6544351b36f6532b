from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from models.flux.options import FluxOptions
from models.flux.stages import Stages, digest
from models.training import TrainingOptions, UnusableCheckpoint

TRAINING = TrainingOptions(epochs=4, batch_size=4, learning_rate=0.01, device="cpu", patience=10)


@dataclass
class Line:
    module: nn.Module
    identity: str
    n_samples: int = 8
    calls: int = 0

    def loss(self, positions):
        self.calls += 1
        return (self.module(positions[:, None].float() / 8)[:, 0] - 1).square().mean()

    def validation_loss(self):
        return float((self.module(torch.ones(1, 1)) - 1).square())


def line_of(made, seed=0):
    torch.manual_seed(seed)
    module = nn.Linear(1, 1)

    def task(identity):
        made.append(Line(module, identity))
        return made[-1]

    return module, task


def test_a_stage_is_trained_once_and_found_again(tmp_path):
    made, calls = [], []
    for _ in range(2):
        module, task = line_of(made)
        stages = Stages(tmp_path, None, None, "facts")
        stages.train("line", task, TRAINING, [module])
        values = stages.compute("square", lambda: calls.append(1) or {"x": torch.ones(2)}, 3)
        assert values["x"].tolist() == [1, 1]
    first, second = (list(part.module.parameters()) for part in made)
    assert made[0].calls == 8 and made[1].calls == 0 and calls == [1]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert [report.found for report in stages.reports] == [True, True]
    assert len(stages.reports[0].validation_losses) == 4
    assert not list(tmp_path.glob("*.training"))


def key_of(facts="facts", training=TRAINING, stage_facts=(1,), before=None, name="line"):
    made = []
    stages = Stages(None, None, None, facts)
    if before is not None:
        stages.compute("before", lambda: {}, before)
    _, task = line_of(made)
    stages.train(name, task, training, list(stage_facts))
    assert made[0].identity == stages.key
    return stages.key


def test_the_key_changes_with_all_that_changes_numbers_and_with_nothing_else():
    same = key_of()
    assert key_of(training=replace(TRAINING, checkpoint_seconds=1, progress_seconds=2, precision="float32")) == same
    others = [
        key_of(facts="other"),
        key_of(stage_facts=(2,)),
        key_of(name="other"),
        key_of(before=1),
        key_of(before=2),
        *(
            key_of(training=replace(TRAINING, **change))
            for change in ({"seed": 1}, {"epochs": 5}, {"patience": 9}, {"schedule": "halving"}, {"weight_decay": 0.1})
        ),
    ]
    assert len({same, *others}) == len(others) + 1


def test_digest_tells_values_types_and_shapes_apart():
    module = nn.Linear(2, 1)
    twin = nn.Linear(2, 1)
    twin.load_state_dict(module.state_dict())
    other = nn.Sequential(nn.Linear(2, 1))
    facts = [
        1,
        1.0,
        True,
        "1",
        None,
        [1],
        [[1]],
        [1, 1],
        np.array([1, 2]),
        np.array([[1], [2]]),
        np.array([1.0, 2.0]),
        np.array([1.0, 2.0], np.float32),
        {"a": 1},
        {"a": 2},
        module,
        other,
        FluxOptions(),
        FluxOptions(mixtures=3),
    ]
    assert len({digest(fact) for fact in facts}) == len(facts)
    assert digest(module) == digest(twin)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(torch.tensor([1.0])) == digest(np.array([1.0], np.float32))
    assert digest(np.arange(6)[::2]) == digest(np.array([0, 2, 4]))
    with pytest.raises(TypeError, match="object cannot be part"):
        digest(object())


def test_shared_stages_lie_apart(tmp_path):
    made = []
    module, task = line_of(made)
    stages = Stages(tmp_path / "own", tmp_path / "shared", None, None)
    stages.train("pre", task, TRAINING, [module], shared=True)
    stages.compute("own", lambda: {"x": torch.ones(1)}, None)
    assert [path.name[:3] for path in (tmp_path / "shared").glob("*.stage")] == ["pre"]
    assert [path.name[:3] for path in (tmp_path / "own").iterdir()] == ["own"]


def test_a_damaged_stage_is_named(tmp_path):
    stages = Stages(tmp_path, None, None, None)
    stages.compute("x", lambda: {"x": torch.ones(1)}, None)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnusableCheckpoint, match=r"x-.*\.stage cannot be read .* Delete it"):
        Stages(tmp_path, None, None, None).compute("x", dict, None)
    other = Stages(tmp_path, None, None, None)
    path.unlink()
    other.compute("y", lambda: {"x": torch.ones(1)}, None)
    (swapped,) = tmp_path.iterdir()
    swapped.rename(path)
    with pytest.raises(UnusableCheckpoint, match="another stage than its name says"):
        Stages(tmp_path, None, None, None).compute("x", dict, None)


def test_a_validation_loss_that_is_no_number_ends_the_stage():
    module = nn.Linear(1, 1)

    def task(identity):
        made = Line(module, identity)
        made.validation_loss = lambda: float("nan")
        return made

    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        Stages(None, None, None, None).train("line", task, TRAINING, [module])
