"""One page to click through attention maps: ``page`` fills the template, style and script that lie beside it."""
