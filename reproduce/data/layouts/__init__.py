"""How data sets lie on disk: which files are which split and class, and what is left out. No torch; nothing is decoded.

class_folders.list_images(root)      a folder per class, with or without splits; Tiny-ImageNet's annotations
label_lists.list_images(root)        images in one folder beside a CSV file of their labels
shards.find_shards(root)             Parquet or Arrow tables of encoded images (read by encoded_tables)
"""
