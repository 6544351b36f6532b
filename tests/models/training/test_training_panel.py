import numpy as np
import pytest
import torch

from models.training import DevicePanel, Panel, Scaling
from models.training import panel as panel_module

CPU = torch.device("cpu")


def make_panel(n_cells=5, n_times=7, **changes):
    generator = np.random.default_rng(0)
    arrays = {
        "climate": generator.normal(3, 2, (n_cells, n_times, 4)).astype(np.float32),
        "static": generator.random((n_cells, 2)).astype(np.float32),
        "lon": generator.uniform(-180, 180, n_cells),
        "lat": generator.uniform(-90, 90, n_cells),
        "step_of_year": np.arange(n_times) % 5 + 1,
    }
    return Panel(**arrays | changes)


def test_windows_equal_a_literal_loop_and_repeat_the_first_step():
    panel, window = make_panel(), 4
    data = DevicePanel(panel, window, CPU)
    cells, times = np.array([0, 4, 2, 1]), np.array([0, 6, 2, 3])
    batch = data.gather(torch.from_numpy(cells), torch.from_numpy(times))
    for row, (cell, time) in enumerate(zip(cells, times, strict=True)):
        for position in range(window):
            step = max(0, time - window + 1 + position)
            np.testing.assert_array_equal(batch.windows[row, position], panel.climate[cell, step])
            assert batch.steps[row, position] == panel.step_of_year[step] - 1
        np.testing.assert_array_equal(batch.static[row], panel.static[cell])


def test_a_memory_map_is_shared_not_copied(tmp_path):
    panel = make_panel()
    np.save(tmp_path / "climate.npy", panel.climate)
    mapped = make_panel(climate=np.load(tmp_path / "climate.npy", mmap_mode="r"))
    data = DevicePanel(mapped, 3, CPU)
    assert data.climate.data_ptr() == mapped.climate.ctypes.data


def test_scaling_uses_training_samples_only_and_is_exact_over_blocks(monkeypatch):
    panel = make_panel()
    cells, times = np.array([0, 0, 3, 3, 1]), np.array([0, 1, 1, 2, 6])
    whole = Scaling.of_samples(panel, cells, times)
    np.testing.assert_allclose(whole.climate_mean, panel.climate[cells, times].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(whole.climate_scale, panel.climate[cells, times].std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(whole.static_scale, panel.static[cells].std(axis=0), rtol=1e-5)
    monkeypatch.setattr(panel_module, "_SAMPLES_PER_BLOCK", 2)
    blocks = Scaling.of_samples(panel, cells, times)
    np.testing.assert_allclose(blocks.climate_scale, whole.climate_scale, rtol=1e-6)
    climate = panel.climate.copy()
    climate[4], climate[:, 5] = 1e9, -1e9  # no training sample lies there
    other = Scaling.of_samples(make_panel(climate=climate), cells, times)
    assert torch.equal(other.climate_mean, whole.climate_mean)


def test_a_constant_feature_gets_scale_one():
    panel = make_panel()
    panel.climate[..., 2] = np.float32(273.15)
    scaling = Scaling.of_samples(panel, np.arange(5), np.arange(5))
    assert scaling.climate_scale[2] == 1 and scaling.climate_mean[2] == pytest.approx(273.15)


def test_a_window_longer_than_the_series_repeats_its_first_step():
    panel = make_panel()
    batch = DevicePanel(panel, 12, CPU).gather(torch.tensor([1]), torch.tensor([6]))
    assert torch.equal(batch.windows[0, 5:], torch.from_numpy(panel.climate[1]).float())
    assert torch.equal(batch.windows[0, :6], torch.from_numpy(panel.climate[1, :1]).float().expand(6, -1))


@pytest.mark.parametrize(
    "name, place", [("climate", "cell 2, time step 3, feature 1"), ("static", "cell 2, static feature 1")]
)
def test_nan_is_named_by_its_place(name, place, monkeypatch):
    monkeypatch.setattr(panel_module, "_BLOCK_BYTES", 1)  # one cell at a time
    array = getattr(make_panel(), name).copy()
    array[(2, 3, 1) if name == "climate" else (2, 1)] = np.nan
    with pytest.raises(ValueError, match=f"{name} is NaN or infinite at {place}"):
        make_panel(**{name: array})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"climate": np.zeros((5, 7))}, "climate has shape"),
        ({"static": np.zeros((4, 2))}, "static has shape"),
        ({"lon": np.zeros(3)}, "lon has shape"),
        ({"lat": np.full(5, 91.0)}, "lat must lie"),
        ({"step_of_year": np.arange(7)}, "counted from 1"),
        ({"step_of_year": np.ones(7)}, "counted from 1"),
        ({"climate": np.ma.masked_less(np.zeros((5, 7, 4)) - 9999, 0)}, "climate has 140 masked values"),
        ({"climate": np.full((5, 7, 4), 1e39)}, "climate is too large for single precision at cell 0"),
    ],
)
def test_bad_arrays_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_panel(**change)


@pytest.mark.parametrize(
    "cells, times, message",
    [
        ([0, 1], [0], "of one length"),
        ([], [], "no sample"),
        ([5], [0], r"cells must hold integers in \[0, 5\)"),
        ([0], [-1], r"times must hold integers in \[0, 7\)"),
    ],
)
def test_bad_samples_are_refused(cells, times, message):
    with pytest.raises(ValueError, match=message):
        make_panel().check_samples(np.array(cells, dtype=int), np.array(times, dtype=int))
