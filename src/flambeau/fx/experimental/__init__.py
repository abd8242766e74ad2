"""torch.fx.experimental: names that libraries ask before they record below the level of functions, which is not offered."""
