"""Every model is out: people get what there is, and the conversation goes on."""

from __future__ import annotations

from .deployment import Deployment
from .scripts import LONG, calls

FOUND = "So far:\n- look_up: look_up of item 1 is done"


async def test_what_the_tools_had_found_is_the_answer_of_a_task_that_no_model_answers(served: Deployment) -> None:
    provider, api = served.provider, served.api
    provider.control(script=[calls("look_up"), LONG])
    served.tools.hold("look_up")
    task = await api.submit("openai", "Where is it?")
    await served.tools.until_called("look_up", 1)
    provider.control(faults=["401/sim-openai"])
    served.tools.release()
    async with api.follow(task["id"]) as stream:
        done = await stream.check("partial")
    assert done["output"] == FOUND
    assert (done["error"]["code"], done["error"]["answer"]) == ("authentication_failed", "tool_results")
    assert done["reason"].endswith("; the output is what its tools had found so far")
    assert served.processes[0].logged("attempt_ended", status="partial", level="error", task_id=task["id"])

    provider.control(script=["It is on its way."], faults=[])
    after = await api.submit("openai", "And now?", session_id=task["session_id"])
    assert (await api.ended(after["id"]))["output"] == "It is on its way."
    messages = (await api.get(f"/v1/sessions/{task['session_id']}/messages")).body["messages"]
    assert [message["content"] for message in messages] == ["Where is it?", FOUND, "And now?", "It is on its way."]
    assert served.tools.counts() == {"look_up": 1}


async def test_a_task_that_has_nothing_to_say_waits_for_an_operator(served: Deployment) -> None:
    served.provider.control(faults=["401/sim-openai"])
    task = await served.api.submit("openai", "Where is it?")
    ended = await served.api.ended(task["id"])
    assert (ended["status"], ended["output"]) == ("dead", None)
