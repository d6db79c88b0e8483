"""Products of 8-bit integers: exact on any unit, near the layer in fp32, and each row's alone."""

import pytest
import torch
from torch import nn

from prefens.members.nn import int8_linear
from prefens.members.nn.int8_linear import MAX_WEIGHT, Int8Linear, has_int8_units, quantize


def layer(inputs: int, outputs: int) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs)


@torch.inference_mode()
def test_units_and_fp32_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the largest sums too, which 8-bit weights overflow on CPUs without VNNI, and which fp32 must hold."""
    linear = layer(1536, 8)
    inputs = torch.randn(50, 1536)
    linear.weight[0], linear.weight[1], inputs[0], inputs[1] = 0.5, -0.5, 3.0, -3.0
    results = []
    for units in (False, has_int8_units()):
        monkeypatch.setattr(int8_linear, "has_int8_units", lambda units=units: units)
        results.append(Int8Linear(linear)(inputs))
    assert torch.equal(*results)
    torch.testing.assert_close(results[0][0, 0], 1536 * 1.5 + linear.bias[0])


@torch.inference_mode()
def test_each_row_is_near_the_layer_whatever_lies_beside_it() -> None:
    linear = layer(384, 96)
    inputs = torch.randn(40, 384) * torch.logspace(-3, 3, 40)[:, None]  # one scale for all would lose the small ones
    inputs[5] = 0.0
    outputs, expected = Int8Linear(linear)(inputs), linear(inputs)
    error = (outputs - expected).norm(dim=1) / (expected - linear.bias).norm(dim=1).clamp_min(1e-9)
    assert error.max() < 0.03
    assert torch.equal(outputs[5], linear.bias)
    for rows in (slice(7, 8), slice(3, 20)):
        assert torch.equal(Int8Linear(linear)(inputs[rows]), outputs[rows])
    assert Int8Linear(linear)(inputs.view(2, 20, 384)).shape == (2, 20, 96)


@torch.inference_mode()
def test_all_linear_layers_of_a_module_are_replaced() -> None:
    model = nn.Sequential(layer(8, 8), nn.ModuleDict({"inner": nn.Sequential(layer(8, 8), nn.GELU())}))
    quantize(model)
    assert sum(isinstance(module, Int8Linear) for module in model.modules()) == 2
    assert not any(isinstance(module, nn.Linear) for module in model.modules())
    assert model[0].integers.abs().max() == MAX_WEIGHT
