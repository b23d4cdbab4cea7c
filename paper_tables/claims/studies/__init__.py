"""The claims of each study."""
