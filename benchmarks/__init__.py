"""What a task costs on this machine, beside the least that it could cost: `make bench`.

One file a benchmark, registered in `all_benchmarks.py`. Each workload also runs on a bare reference (`reference/`): an
API and a worker over the same PostgreSQL and Valkey that do only what durable tasks cannot do without. A figure of
another day or machine says little; its ratio to the reference of the same run says much.
"""
