"""The version: flambeau's own, and the PyTorch API that programs may test for."""
__version__ = "2.13.0+flambeau"
flambeau_version = "0.1.0"
cuda = None
hip = None
xpu = None
debug = False
git_version = "unknown"
