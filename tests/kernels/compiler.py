"""The compiler of `reproduce.bench.machine_code`, and what tests ask of its reports."""

from reproduce.bench.machine_code import compile_source, find_disassembler, find_library, list_architectures, read_usage

__all__ = ["compile_source", "find_disassembler", "find_library", "list_architectures", "spills"]


def spills(log):
    """Kernel name -> bytes spilled to local memory."""
    return {name: spilled for name, (_, spilled, _) in read_usage(log).items()}
