"""Wishart: the numbers after a seed."""
import flambeau as torch


def test_wishart_draws_what_pytorch_draws():
    torch.manual_seed(0)
    sample = torch.distributions.Wishart(torch.tensor(4.0), torch.eye(2)).sample()
    torch.testing.assert_close(sample, torch.tensor([[0.8693, 0.9903], [0.9903, 2.1458]]), atol=1e-4, rtol=0)
