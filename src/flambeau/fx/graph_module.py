"""GraphModule: a module whose forward is the source made from a graph."""
from __future__ import annotations

import copy
import linecache
import sys
import traceback
import warnings
from typing import Any

import flambeau as torch
from flambeau.fx.graph import Graph, PythonCode

__all__ = ["GraphModule"]

_sources = 0


def _compile(code: PythonCode) -> Any:
    """The function `forward` of generated source; tracebacks show its lines."""
    global _sources
    _sources += 1
    name = f"<eval_with_key>.{_sources}"
    linecache.cache[name] = (len(code.src), None, [line + "\n" for line in code.src.splitlines()], name)
    scope = dict(code.globals)
    exec(compile(code.src, name, "exec"), scope)
    return scope["forward"]


def _copy_attribute(source: Any, target: Any, path: str) -> None:
    """Put what source has at path into target; empty modules are made on the way."""
    *prefix, last = path.split(".")
    for part in prefix:
        source = getattr(source, part)
        inner = getattr(target, part, None)
        if source is inner:
            return
        if inner is None:
            inner = torch.nn.Module()
            setattr(target, part, inner)
        target = inner
    _assign(target, last, getattr(source, last))


def _assign(target: Any, name: str, value: Any) -> None:
    if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
        target.register_buffer(name, value)
    else:
        setattr(target, name, value)


class GraphModule(torch.nn.Module):
    """GraphModule(root, graph): root's submodules and values that the graph names, with a forward made from the graph.

    root may be a dictionary from names to values. After a change of the graph call recompile().
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # each has its own class, for forward is looked up there
        if "_graph_module_base" in cls.__dict__:
            cls = cls._graph_module_base  # type: ignore[attr-defined]
        return torch.nn.Module.__new__(type("GraphModuleImpl", (cls,), {"_graph_module_base": cls, "__module__": cls.__module__,
                                                                         "__doc__": cls.__doc__}))

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        if isinstance(root, torch.nn.Module):
            self.training = root.training
            for node in graph.nodes:
                if node.op in ("get_attr", "call_module"):
                    _copy_attribute(root, self, node.target)
        elif isinstance(root, dict):
            wanted = [n.target for n in graph.nodes if n.op in ("get_attr", "call_module")]
            for name in wanted:
                if name not in root:
                    raise RuntimeError(f"Node references target {name} but that target was not provided in ``root``!")
            for name in sorted(wanted, key=lambda n: n.count(".")):
                place: Any = self
                *prefix, last = name.split(".")
                for part in prefix:
                    if not hasattr(place, part):
                        setattr(place, part, torch.nn.Module())
                    place = getattr(place, part)
                _assign(place, last, root[name])
        else:
            raise RuntimeError("Unsupported type " + str(root) + " passed for root!")
        self.graph = graph
        self._tracer_cls = graph._tracer_cls
        self.meta: dict[str, Any] = {}

    @property
    def graph(self) -> Graph:
        """The graph; setting it makes the source anew."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The source of forward."""
        return self._code

    def recompile(self) -> PythonCode:
        """Make the source from the graph again."""
        source = self._graph.python_code("self")
        self._code = source.src
        function = _compile(source)

        def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return function(self, *args, **kwargs)
            except Exception as error:
                _explain(error, function)
                raise

        codegen = self._graph._codegen
        own_io = type(codegen).process_inputs, type(codegen).process_outputs
        from flambeau.fx.graph import CodeGen

        plain = own_io == (CodeGen.process_inputs, CodeGen.process_outputs)
        type(self).forward = forward if not plain else function
        return source

    def add_submodule(self, target: str, m: Any) -> bool:
        """Put a module at a path; False if something else is in the way."""
        place: Any = self
        *prefix, last = target.split(".")
        for part in prefix:
            if not hasattr(place, part):
                setattr(place, part, torch.nn.Module())
            place = getattr(place, part)
            if not isinstance(place, torch.nn.Module):
                return False
        place.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove the module at a path; False if there is none."""
        place: Any = self
        *prefix, last = target.split(".")
        for part in prefix:
            place = getattr(place, part, None)
            if not isinstance(place, torch.nn.Module):
                return False
        if not isinstance(getattr(place, last, None), torch.nn.Module):
            return False
        delattr(place, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove the submodules that no node names."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op not in ("call_module", "get_attr"):
                continue
            parts = node.target.split(".")
            used.update(".".join(parts[:i]) for i in range(1, len(parts) + 1))
            if node.op == "call_module":
                try:
                    used.update(f"{node.target}.{name}" for name, _ in self.get_submodule(node.target).named_modules() if name)
                except AttributeError:
                    warnings.warn(f"node {node} calls {node.target}, which this module does not have", stacklevel=2)
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    def print_readable(self, print_output: bool = True, include_stride: bool = False, include_device: bool = False,
                       colored: bool = False, **options: Any) -> str:
        """The source as a class; printed unless print_output is False, and returned."""
        body = "\n".join("    " + line if line.strip() else line for line in self._code.strip("\n").splitlines())
        text = f"class {self._get_name()}(torch.nn.Module):\n{body}\n"
        for name, child in self.named_children():
            if isinstance(child, GraphModule):
                inner = child.print_readable(print_output=False).splitlines()
                text += f"\n    # {name}\n" + "\n".join("    " + line if line else line for line in inner) + "\n"
        if print_output:
            print(text)
        return text

    def to_folder(self, folder: str, module_name: str = "FxModule") -> None:
        """Not offered. NotImplementedError: use torch.save(module) and keep the program."""
        raise NotImplementedError("GraphModule.to_folder: writing a graph as a package is not offered; use torch.save on the module")

    def _state_without_class(self) -> dict:
        state = dict(self.__dict__)
        state.pop("_graph")
        return state

    def __reduce__(self) -> tuple:
        return _rebuild, (type(self)._graph_module_base, type(self).__name__, self._state_without_class(), self._graph)  # type: ignore

    def __deepcopy__(self, memo: dict) -> GraphModule:
        new = GraphModule.__new__(type(self))
        memo[id(self)] = new
        return _fill(new, type(self).__name__, copy.deepcopy(self._state_without_class(), memo), copy.deepcopy(self._graph, memo))

    def __copy__(self) -> GraphModule:
        return _fill(GraphModule.__new__(type(self)), type(self).__name__, self._state_without_class(), copy.copy(self._graph))

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, hint])


def _fill(module: GraphModule, name: str, state: dict, graph: Graph) -> GraphModule:
    torch.nn.Module.__init__(module)
    type(module).__name__ = name
    module.__dict__.update(state)
    module.graph = graph
    return module


def _rebuild(cls: type, name: str, state: dict, graph: Graph) -> GraphModule:
    return _fill(GraphModule.__new__(cls), name, state, graph)


def _explain(error: Exception, function: Any) -> None:
    """Say on stderr which line of the generated source failed."""
    last = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == function.__code__.co_filename]
    if last:
        print(f"Call using an FX-traced Module, line {last[-1].lineno} of the traced Module's generated forward function:\n"
              f"    {last[-1].line}", file=sys.stderr)
