"""What a running system promises, held against every fault that can be made on one machine.

Each test breaks one thing while a mixed load of tasks runs in real processes over real servers. Afterwards the same
checker reads what the provider was asked, which tools were called, what the store has and what clients saw, and says
where they contradict a promise. `docs/guarantees.md` is the list of the faults, with what was measured.
"""
