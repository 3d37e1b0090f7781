"""What every `TaskStore` must do, in parts of one promise each."""

from roadworthy.testing.conformance.task_store_cancel import CancelContract, CancelWinsContract
from roadworthy.testing.conformance.task_store_claim import ClaimContract, ClaimOrderContract
from roadworthy.testing.conformance.task_store_fairness import FairShareContract, NobodyStarvesContract
from roadworthy.testing.conformance.task_store_read import ReadTasksContract
from roadworthy.testing.conformance.task_store_sessions import (
    BusySessionContract,
    InterruptContract,
    RejectContract,
)
from roadworthy.testing.conformance.task_store_settle import SettleContract, SettleFenceContract
from roadworthy.testing.conformance.task_store_submit import SubmitContract
from roadworthy.testing.conformance.task_store_tier import TierContract


class TaskStoreContract(
    SubmitContract,
    BusySessionContract,
    RejectContract,
    InterruptContract,
    ClaimContract,
    ClaimOrderContract,
    FairShareContract,
    NobodyStarvesContract,
    SettleContract,
    SettleFenceContract,
    CancelContract,
    CancelWinsContract,
    ReadTasksContract,
    TierContract,
):
    """A `TaskStore`, given `stores`."""
