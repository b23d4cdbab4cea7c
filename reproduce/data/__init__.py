"""Where images come from: what a source is, its splits as uint8 tensors, and batches of them on the device.

source = identify("shapes")                                   # identity.py: name and fingerprint, no torch
dataset = load(source, recipe.data)                           # dataset.py: uint8 tensors
train, validation = hold_out(dataset.train, 0.05)             # dataset.py
for x_B3HW, y_B in Batches(train, 100, ...).epoch(0): ...     # batches.py, augment.py
"""
