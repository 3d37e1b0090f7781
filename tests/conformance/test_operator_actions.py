from roadworthy.testing.conformance.operator_actions import OperatorActionsContract


class TestOperatorActions(OperatorActionsContract):
    pass
