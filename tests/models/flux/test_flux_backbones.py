"""What holds for every backbone, whatever is inside."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from models.flux.backbones import BACKBONES, Backbone, BackboneOptions, Decoder, backbone, encoder

LENGTHS = (1, 5, 12, 36, 192)
SMALL = BackboneOptions(width=16, heads=2, modes=16)

every_backbone = pytest.mark.parametrize("name", BACKBONES)


def build(name, n_inputs=3, n_outputs=2, options=SMALL, seed=0):
    torch.manual_seed(seed)
    return backbone(name, n_inputs, n_outputs, options)


def series(batch, length, n_inputs=3, seed=1):
    return torch.randn(batch, length, n_inputs, generator=torch.Generator().manual_seed(seed))


@every_backbone
@pytest.mark.parametrize("length", LENGTHS)
@torch.no_grad()
def test_any_length_gives_one_vector_and_one_output_per_step(name, length):
    model = build(name).eval()
    x = series(4, length)
    hidden, out = model.encode(x), model(x)
    assert hidden.shape == (4, length, model.encoder.width) and out.shape == (4, length, 2)
    assert out.isfinite().all()
    torch.testing.assert_close(model.decoder(hidden), out)


@every_backbone
@torch.no_grad()
def test_the_defaults_take_a_single_input_and_many(name):
    for n_inputs in (1, 70):  # more inputs than channels
        torch.manual_seed(0)
        assert backbone(name, n_inputs, 1)(series(2, 7, n_inputs)).shape == (2, 7, 1)


@every_backbone
@pytest.mark.parametrize("length", LENGTHS)
@torch.no_grad()
def test_a_series_is_encoded_as_if_it_were_alone(name, length):
    model = build(name).eval()
    x = series(3, length)
    alone = torch.cat([model(one[None]) for one in x])
    torch.testing.assert_close(model(x), alone, rtol=1e-4, atol=1e-5)


@every_backbone
@pytest.mark.parametrize("length", [1, 192])
@torch.no_grad()
def test_evaluation_draws_nothing_and_repeats_itself(name, length):
    model = build(name).eval()
    x = series(2, length)
    first = model(x)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert torch.equal(model(x), first)
    assert torch.equal(torch.get_rng_state(), before)


@every_backbone
def test_the_same_seed_gives_the_same_training(name):
    def train(seed):
        model = build(name, seed=seed).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimiser.zero_grad()
            model(series(2, 100)).square().mean().backward()
            optimiser.step()
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(train(3), train(3))
    assert not torch.equal(train(3), train(4))


@every_backbone
@torch.no_grad()
def test_saved_parameters_are_the_whole_model(name):
    model, other = build(name, seed=0).eval(), build(name, seed=1).eval()
    x = series(2, 192)
    assert not torch.allclose(other(x), model(x))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


@every_backbone
def test_gradients_reach_every_parameter(name):
    model = build(name)
    model(series(4, 192)).square().mean().backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@every_backbone
@pytest.mark.parametrize("value", [0.0, 1e4])
def test_constant_and_large_inputs_have_finite_gradients(name, value):
    model = build(name)
    model(torch.full((2, 30, 3), value)).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@every_backbone
def test_a_step_sees_itself_and_its_neighbours_on_both_sides(name):
    model = build(name).eval()
    x = series(1, 40).requires_grad_()
    for step in (0, 11, 12, 39):  # ends, and the two sides of a chunk's border
        (gradient,) = torch.autograd.grad(model(x)[0, step].sum(), x)
        near = [other for other in (step - 1, step, step + 1) if 0 <= other < 40]
        assert (gradient[0, near].abs().amax(dim=1) > 0).all()


@every_backbone
@torch.no_grad()
def test_inputs_are_told_apart(name):
    model = build(name).eval()
    x = series(2, 24)
    assert not torch.allclose(model(x), model(x[..., [1, 0, 2]]), atol=1e-3)


@every_backbone
def test_outputs_and_gradients_survive_bfloat16(name):
    model = build(name, options=replace(SMALL, dropout=0.0, sampling_factor=100.0))
    x = series(2, 60)
    exact = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(x)
    assert out.dtype == torch.float32
    assert (out - exact).square().mean() < 0.05 * exact.var()
    out.square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@every_backbone
def test_a_small_set_is_learned_by_heart(name):
    model = build(name, 2, 1, replace(SMALL, dropout=0.0, layers=1))
    x = series(4, 24, 2)
    target = (x[..., :1] * x[..., 1:]) + x[..., :1].roll(1, dims=1)  # the last step's is the first step's
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.1 * target.var()


@torch.no_grad()
def test_decoders_may_share_an_encoder():
    torch.manual_seed(0)
    shared = encoder("transformer", 3, SMALL)
    first, second = (Backbone(shared, Decoder(shared.width, n)) for n in (1, 4))
    x = series(2, 5)
    assert first(x).shape == (2, 5, 1) and second(x).shape == (2, 5, 4)
    assert first.encoder is second.encoder


@torch.no_grad()
def test_the_decoder_is_one_hidden_layer_per_step():
    torch.manual_seed(0)
    decoder = Decoder(8, 3)
    hidden = torch.randn(2, 5, 8)
    between = (hidden @ decoder.hidden.weight.T + decoder.hidden.bias).clamp(min=0)
    torch.testing.assert_close(decoder(hidden), between @ decoder.out.weight.T + decoder.out.bias)


@pytest.mark.parametrize("given, meant", [("infomer", "informer"), ("FEDformer", "fedformer"), ("TimeXer2", "timexer")])
def test_an_unknown_name_is_answered_by_the_nearest(given, meant):
    with pytest.raises(ValueError, match=f"Unknown backbone '{given}': did you mean .*'{meant}'"):
        backbone(given, 3, 2)


def test_a_name_unlike_any_is_answered_by_all():
    with pytest.raises(ValueError, match="choose one of " + ", ".join(BACKBONES)):
        encoder("lstm", 3)


@every_backbone
@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 5, 4), (5, 3), (2, 5, 3, 1)])
def test_inputs_of_another_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"give \(batch, time, 3\)"):
        build(name)(torch.zeros(shape))


@pytest.mark.parametrize("n_inputs, n_outputs, missing", [(0, 2, "n_inputs is 0"), (3, 0, "n_outputs is 0")])
def test_no_input_or_output_is_refused(n_inputs, n_outputs, missing):
    with pytest.raises(ValueError, match=missing):
        backbone("transformer", n_inputs, n_outputs)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"width": 0}, "width is 0"),
        ({"layers": 0}, "layers is 0"),
        ({"width": 30}, "multiple of heads, 4"),
        ({"width": 9, "heads": 3}, "must be even"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"kernel_size": 4}, "must be odd"),
        ({"sampling_factor": 0.0}, "must be positive"),
        ({"trend_kernels": ()}, "one length or more"),
        ({"trend_kernels": (0, 13)}, "each >= 1"),
        ({"context": -1}, "context is -1"),
        ({"patch": 5}, "must divide chunk, 12, and context, 12"),
        ({"wavelet": "db9"}, "choose 'haar' or 'db2'"),
        ({"levels": 6}, "2\\^levels must not exceed the window, 36"),
        ({"wedge_share": 1.5}, r"must lie in \[0, 1\]"),
    ],
)
def test_options_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        BackboneOptions(**wrong)


IMPORT = """
import sys, time
import models.flux.backbones as backbones
assert "torch" not in sys.modules
import torch
start = time.process_time()
backbones.backbone({name!r}, 8, 3)
assert time.process_time() - start < 1.0, time.process_time() - start
assert not any(name == "bench" or name.startswith("bench.") for name in sys.modules)
modules = {{name.rpartition(".")[2] for name in sys.modules if name.startswith("models.flux.backbones.")}}
loaded = modules & set(backbones.BACKBONES)
assert {name!r} in loaded and len(loaded) <= 2, loaded
"""


@pytest.mark.parametrize("name", ["informer", "timexer"])
def test_building_one_imports_no_other_and_takes_less_than_a_second(name):
    subprocess.run([sys.executable, "-c", IMPORT.format(name=name)], check=True)
