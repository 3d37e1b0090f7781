from roadworthy.testing.conformance.lanes import (
    ContinuedLaneContract,
    LaneLoadsContract,
    MoveLaneContract,
    UnservedLaneContract,
)


class TestLaneLoads(LaneLoadsContract):
    pass


class TestMoveLane(MoveLaneContract):
    pass


class TestUnservedLane(UnservedLaneContract):
    pass


class TestContinuedLane(ContinuedLaneContract):
    pass
