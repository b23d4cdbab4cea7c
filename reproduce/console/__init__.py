"""What a verb takes and prints: options, output, columns, logs, signals."""
