from roadworthy.testing.conformance.similar_replies import (
    DroppedSimilarRepliesContract,
    LessonsContract,
    SimilarRepliesContract,
)


class TestSimilarReplies(SimilarRepliesContract):
    pass


class TestDroppedSimilarReplies(DroppedSimilarRepliesContract):
    pass


class TestLessons(LessonsContract):
    pass
