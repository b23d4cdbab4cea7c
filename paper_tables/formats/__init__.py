"""One sheet, six forms: text, Markdown, LaTeX, HTML, CSV, JSON."""
