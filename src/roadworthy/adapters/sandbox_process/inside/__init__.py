"""What runs in the sandbox's own processes, which see the standard library and nothing of Roadworthy.

They are started with these files alone on their path, as a package named `inside`: hence the relative imports. What
they import delays every run, so they do without what costs milliseconds: `json`, `re`, `pathlib`, `dataclasses`.
"""
