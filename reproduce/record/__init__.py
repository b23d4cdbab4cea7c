"""What stays on disk of a run: ledger, manifest, checked files."""
