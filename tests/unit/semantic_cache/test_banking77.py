"""The beginning of a public data set with the real embedder; `make bench` streams more of it."""

import pytest
from benchmarks.question_sets import BANKING77, banking77
from benchmarks.question_stream import ERROR_BUDGET, stream

FIRST = 800


@pytest.mark.skipif(not BANKING77.exists(), reason=f"{BANKING77} is not there")
async def test_bank_customers_get_right_answers():
    pytest.importorskip("onnxruntime", reason="the extra `embeddings` is not installed")
    from roadworthy.adapters.offline_embedder import OfflineEmbedder

    questions, embedder = banking77()[:FIRST], OfflineEmbedder()
    made: list[list[float]] = []
    for start in range(0, FIRST, embedder.most):
        made += await embedder.embed([question.text for question in questions[start : start + embedder.most]])
    await embedder.close()
    streamed = await stream(questions, dict(zip([question.text for question in questions], made, strict=True)))
    assert streamed.error_rate <= ERROR_BUDGET
    # About the first half of them is needed to learn anything.
    assert streamed.hit_rate > 0.1
