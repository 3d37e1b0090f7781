"""Tools that come with Roadworthy, safe in the hands of a model.

Import each from its own module: nothing is loaded that an agent does not use.
"""
