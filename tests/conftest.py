"""Property tests draw the same cases every time; ATTNREPRO_RANDOM=1 lets them look for new ones."""

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("random")
settings.load_profile("random" if os.environ.get("ATTNREPRO_RANDOM") == "1" else "fixed")
