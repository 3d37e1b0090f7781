"""Very many tasks through processes that keep being killed: `make soak TASKS=100000`.

Two API servers, two workers and two upkeeps work over a PostgreSQL and a Valkey. One of each kind is killed again and
again, the other one lives from the first task to the last: whether memory grows is seen there. The servers are killed
once each. At the end all that was promised is looked up in the store, and in what the tools themselves have counted.
"""
