from roadworthy.domain.failure_class import FailureClass, Remedy

from .documents import table_after, text_of

SHOWN = {
    Remedy.AGAIN: "the same model again, then another one",
    Remedy.ANOTHER: "another model",
    Remedy.SHORTER: "another model, then a shorter prompt",
    Remedy.NOTHING: "nothing: it is not offered to others until one takes it",
}


def test_the_table_of_remedies_is_the_one_in_the_code():
    of_calls = [
        failure
        for failure in FailureClass
        if failure.treatment.remedy is not Remedy.NOTHING or failure is FailureClass.CONTENT_REFUSED
    ]
    assert table_after(text_of("docs/models.md"), "code | within") == [
        [f"`{failure.value}`", SHOWN[failure.treatment.remedy], "yes" if failure.treatment.blames_model else "no"]
        for failure in of_calls
    ]
