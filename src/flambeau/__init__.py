"""flambeau: PyTorch's API over a small native core. `import flambeau as torch`."""
