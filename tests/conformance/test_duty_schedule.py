from roadworthy.testing.conformance.duty_schedule import DutyScheduleContract


class TestDutySchedule(DutyScheduleContract):
    pass
