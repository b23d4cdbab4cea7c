"""The local operators on CUDA: sources, how they are compiled, and how they are launched."""
