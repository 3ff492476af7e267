"""Roles of one process follow each other; they do not pile up."""

from supervision.runtime.node_process import NextRole, Role, serve


def test_a_process_goes_through_thousands_of_roles_without_its_stack_growing() -> None:
    left = 5000

    def promoted() -> Role | int:
        nonlocal left
        left -= 1
        return forked if left else 7

    def forked() -> int:
        raise NextRole(promoted)  # as in the child of a fork, deep in the guardian's calls

    assert serve(forked) == 7


def test_the_exit_status_is_that_of_the_last_role() -> None:
    assert serve(lambda: 3) == 3
