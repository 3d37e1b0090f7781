from roadworthy.domain.failure_class import FailureClass

from .documents import table_after, text_of


def shown_pauses(failure: FailureClass) -> str:
    pauses = failure.treatment.pauses
    if not pauses:
        return "no"
    return "at once" if pauses == (0.0,) else ", ".join(f"{pause:g}" for pause in pauses) + " s"


def test_the_table_of_failures_is_the_one_in_the_code():
    assert table_after(text_of("docs/failures.md"), "code | what happened") == [
        [f"`{failure.value}`", failure.treatment.what, shown_pauses(failure), failure.treatment.advice]
        for failure in FailureClass
    ]
