"""Composite operators: one file a family, each operator one decorated function over the native primitives."""
