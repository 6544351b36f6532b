from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.pml import (
    IGBP_CLASSES,
    IGBP_PARAMETERS,
    IgbpParameters,
    PmlForcing,
    carbon_dioxide,
    gross_primary_productivity,
    gross_primary_productivity_of_class,
    saturation_vapour_pressure,
    temperature_response,
    vapour_pressure_deficit,
)
from bench.errors import BenchError

VEGETATED = [row for row in IGBP_PARAMETERS if row.am_25 > 0]


def forcing(tavg: float, vpd: float, rs: float, co2: float = 410.0) -> PmlForcing:
    return PmlForcing(*(np.array([[value]]) for value in (tavg, vpd, rs, co2)))


def one(tavg: float, vpd: float, rs: float, lai: float, row: IgbpParameters, co2: float = 410.0) -> float:
    return float(gross_primary_productivity_of_class(forcing(tavg, vpd, rs, co2), np.array([[lai]]), row)[0, 0])


def literal(tavg: float, vpd: float, rs: float, lai: float, row: IgbpParameters, co2: float) -> float:
    """The equations of Zhang et al. 2019 as they stand in the paper, for one value."""
    par = 0.45 * rs * 4.57
    f_vpd = max(0.0, min(1.0, (row.vpd_max - vpd) / (row.vpd_max - row.vpd_min)))
    f_t = min(math.exp(0.031 * (tavg - 25)) / (1 + math.exp(0.115 * (tavg - 41))), 1)
    am = row.am_25 * f_t
    p1 = am * row.alpha * row.eta * par
    p2 = am * row.alpha * par
    p3 = am * row.eta * co2
    p4 = row.alpha * row.eta * par * co2
    k = row.extinction
    logarithm = math.log((p2 + p3 + p4) / (p2 + p3 * math.exp(k * lai) + p4))
    return co2 * p1 / (p2 * k + p4 * k) * (k * lai + logarithm) * f_vpd * 3600 * 24 * 12 * 1e-6


def random_case(n_cells: int = 6, n_times: int = 5) -> tuple[PmlForcing, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    shape = (n_cells, n_times)
    drivers = PmlForcing(
        tavg=random.uniform(-5, 35, shape),
        vpd=random.uniform(0.1, 3.4, shape),
        rs=random.uniform(5, 350, shape),
        co2=np.linspace(400, 420, n_times),
    )
    return drivers, random.uniform(0.05, 6, shape), random.dirichlet(np.ones(len(IGBP_CLASSES)), n_cells)


@pytest.mark.parametrize("row", VEGETATED, ids=lambda row: row.name)
@pytest.mark.parametrize("weather", [(25, 0.5, 250, 3.0, 410.0), (4, 2.0, 80, 0.4, 370.0), (38, 3.2, 320, 6.5, 420.0)])
def test_equals_the_equations_as_printed(row: IgbpParameters, weather: tuple[float, ...]) -> None:
    tavg, vpd, rs, lai, co2 = weather
    assert one(tavg, vpd, rs, lai, row, co2) == pytest.approx(literal(tavg, vpd, rs, lai, row, co2), rel=1e-10)


def test_a_value_worked_out_by_hand() -> None:
    # All parameters round: PAR = 2.0565 * 100, Am f_T = 10 * (1 / (1 + e^-1.84)), k LAI = 1, no stress.
    row = IgbpParameters("round", 0.05, 0.05, 10.0, 0.5, 1.0, 3.0)
    am, carbon, light = 10 / (1 + math.exp(-1.84)), 20.0, 0.05 * 205.65
    lit = light * (am + carbon)
    canopy = math.log((lit + am * carbon) / (lit / math.e + am * carbon))
    expected = carbon * am / (carbon + am) / 0.5 * canopy * 1.0368
    assert one(25, 0.5, 100, 2.0, row, 400.0) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(6.354, abs=1e-3)


@pytest.mark.parametrize("row", VEGETATED, ids=lambda row: row.name)
def test_limits(row: IgbpParameters) -> None:
    assert one(25, 0.5, 0.0, 3.0, row) == 0.0
    assert one(25, 0.5, 250.0, 0.0, row) == 0.0
    assert one(25, row.vpd_max, 250.0, 3.0, row) == 0.0
    assert one(25, row.vpd_max + 2, 250.0, 3.0, row) == 0.0
    assert one(25, row.vpd_min, 250.0, 3.0, row) == one(25, 0.0, 250.0, 3.0, row) > 0
    # In full light each layer of leaves assimilates Am e Ca / (Am + e Ca), so the canopy LAI times as much.
    am, carbon = row.am_25 * float(temperature_response(np.array(25.0))), row.eta * 410.0
    ceiling = 3.0 * am * carbon / (am + carbon) * 1.0368
    assert one(25, 0.0, 1e9, 3.0, row) == pytest.approx(ceiling, rel=1e-4)


def test_unvegetated_classes_yield_nothing() -> None:
    for name in ("SNO", "water"):
        assert one(25, 0.5, 250, 3, IGBP_PARAMETERS[IGBP_CLASSES.index(name)]) == 0.0


@pytest.mark.parametrize("row", VEGETATED, ids=lambda row: row.name)
def test_monotone_in_leaves_and_saturating_in_light(row: IgbpParameters) -> None:
    leaves = np.linspace(0, 8, 60)[None, :]
    constant = PmlForcing(*(np.full_like(leaves, value) for value in (22.0, 0.6, 220.0, 410.0)))
    assert np.all(np.diff(gross_primary_productivity_of_class(constant, leaves, row)) > 0)
    light = np.linspace(0, 400, 60)[None, :]
    response = gross_primary_productivity_of_class(replace(constant, rs=light), np.full_like(light, 3.0), row)
    assert np.all(np.diff(response) > 0)
    assert np.all(np.diff(response, 2) < 0)


def test_the_mean_is_weighted_by_land_cover() -> None:
    drivers, lai, fractions = random_case()
    expected = np.zeros_like(lai)
    for index, row in enumerate(IGBP_PARAMETERS):
        expected += fractions[:, index, None] * gross_primary_productivity_of_class(drivers, lai, row)
    np.testing.assert_allclose(gross_primary_productivity(drivers, lai, fractions), expected, rtol=1e-13)
    by_step = np.repeat(fractions[:, None, :], lai.shape[1], axis=1)
    np.testing.assert_allclose(gross_primary_productivity(drivers, lai, by_step), expected, rtol=1e-13)
    with pytest.raises(BenchError, match="17"):
        gross_primary_productivity(drivers, lai, fractions[:, :5])


def test_vapour_pressure() -> None:
    # FAO 56, annex 2, table 2.3: 3.168 kPa at 25 degC, 1.228 kPa at 10 degC.
    np.testing.assert_allclose(saturation_vapour_pressure(np.array([25.0, 10.0])), [3.168, 1.228], atol=6e-4)
    deficit = vapour_pressure_deficit(np.array(25.0), np.array(10.0), np.array(0.005), np.array(100.0))
    assert float(deficit) == pytest.approx((3.168 + 1.228) / 2 - 0.005 * 100 / (0.622 + 0.378 * 0.005), abs=1e-3)
    assert float(vapour_pressure_deficit(np.array(5.0), np.array(0.0), np.array(0.02), np.array(100.0))) == 0.0


def test_temperature_response_is_a_share_with_an_optimum() -> None:
    temperature = np.linspace(-100, 100, 401)
    response = temperature_response(temperature)
    assert response.min() >= 0 and response.max() <= 1
    assert 28 < temperature[response.argmax()] < 34


def test_numpy_and_torch_agree() -> None:
    torch = pytest.importorskip("torch")
    drivers, lai, fractions = random_case()
    tensors = PmlForcing(*(torch.from_numpy(values) for values in vars(drivers).values()))
    actual = gross_primary_productivity(tensors, torch.from_numpy(lai), torch.from_numpy(fractions)).numpy()
    np.testing.assert_allclose(actual, gross_primary_productivity(drivers, lai, fractions), rtol=1e-10)


def test_autograd_equals_finite_differences() -> None:
    torch = pytest.importorskip("torch")
    drivers, lai, fractions = random_case()
    names = ("tavg", "vpd", "rs", "lai")
    values = {
        name: torch.from_numpy(lai if name == "lai" else getattr(drivers, name)).requires_grad_() for name in names
    }
    tensors = PmlForcing(values["tavg"], values["vpd"], values["rs"], torch.from_numpy(drivers.co2))
    gradients = torch.autograd.grad(
        gross_primary_productivity(tensors, values["lai"], torch.from_numpy(fractions)).sum(),
        list(values.values()),
    )
    for name, gradient in zip(names, gradients, strict=True):

        def at(step: float, name: str = name) -> np.ndarray:
            if name == "lai":
                return gross_primary_productivity(drivers, lai + step, fractions)
            return gross_primary_productivity(replace(drivers, **{name: getattr(drivers, name) + step}), lai, fractions)

        np.testing.assert_allclose(gradient.numpy(), (at(1e-5) - at(-1e-5)) / 2e-5, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_finite_at_the_edges(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    edges = [
        [tavg, vpd, rs, lai]
        for tavg in (-90.0, 0.0, 60.0)
        for vpd in (0.0, 9.0)
        for rs in (0.0, 400.0)
        for lai in (0.0, 20.0)
    ]
    columns = [
        torch.tensor(column, dtype=getattr(torch, dtype))[:, None].requires_grad_()
        for column in zip(*edges, strict=True)
    ]
    tensors = PmlForcing(*columns[:3], torch.full_like(columns[0], 410.0))
    fractions = torch.full((len(edges), len(IGBP_CLASSES)), 1 / len(IGBP_CLASSES), dtype=getattr(torch, dtype))
    value = gross_primary_productivity(tensors, columns[3], fractions)
    assert torch.isfinite(value).all()
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(value.sum(), columns))


@settings(max_examples=150, deadline=None)
@given(
    tavg=st.floats(-300, 300),
    vpd=st.floats(0, 20),
    rs=st.floats(0, 600),
    lai=st.floats(0, 30),
    co2=st.floats(250, 1000),
)
def test_finite_and_never_negative(tavg: float, vpd: float, rs: float, lai: float, co2: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        for row in IGBP_PARAMETERS:
            value = one(tavg, vpd, rs, lai, row, co2)
            assert math.isfinite(value) and value >= 0


def test_carbon_dioxide_is_looked_up_by_month() -> None:
    dates = np.array(["2019-01-01", "2019-01-25", "2019-02-02", "2020-12-26"], dtype="datetime64[D]")
    np.testing.assert_array_equal(carbon_dioxide(dates), [409.92, 409.92, 410.34, 414.14])
    with pytest.raises(BenchError, match="1975"):
        carbon_dioxide(np.array(["1975-06-01"], dtype="datetime64[D]"))


def test_torch_is_not_imported_with_the_module() -> None:
    code = "import sys, bench.data.pml, bench.data.simulated; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
