from roadworthy.testing.conformance.grades import GiveGradesContract, GradedSessionsContract


class TestGiveGrades(GiveGradesContract):
    pass


class TestGradedSessions(GradedSessionsContract):
    pass
