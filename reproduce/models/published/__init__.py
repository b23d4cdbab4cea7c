"""How the authors of the studies call the weights of their networks, family by family, and what we call them.

families.translate(state)      # our names, and the rows that could have such a network
"""
