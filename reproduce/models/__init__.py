"""Networks: one file per family, and ``networks``, which builds one of an architecture in numbers."""
