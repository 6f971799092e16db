"""A few kills of the real service; `python -m tests.chaos.rounds` does hundreds."""

from tests.chaos.rounds import run


def test_a_service_that_is_killed_keeps_what_it_promised() -> None:
    outcome = run(
        3,
        database="sqlite",
        seed=7,
        captures=6,
        phases=("upload", "analysis", "push"),
        say=lambda _: None,
    )

    assert outcome.broken == ()
    assert outcome.kills == {"upload": 1, "analysis": 1, "push": 1}
    assert outcome.captures == 6
    assert outcome.findings > 0
    assert outcome.messages >= outcome.findings
