from roadworthy.testing.conformance.dead_letters import (
    DiscardContract,
    OperatorActionsContract,
    ReadDeadLettersContract,
    ResumeContract,
)


class TestReadDeadLetters(ReadDeadLettersContract):
    pass


class TestResume(ResumeContract):
    pass


class TestDiscard(DiscardContract):
    pass


class TestOperatorActions(OperatorActionsContract):
    pass
