# SPDX-License-Identifier: MIT
"""The eight kinds of job: how each is asked for, and what it makes.

One literal table, taken from Asana's OpenAPI document (June 2026).  What happens to a request
that matches a row is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of job.

    Attributes:
        path: Where it is asked for, by POST, as Asana's document writes it.
        field: The field of the job that holds what it makes.
        resource_type: The type of what it makes.
        subtype: The job's own ``resource_subtype``; Asana's document names only those of
            ``duplicate_task``, ``export_graph`` and ``export_resource``.
        default_name: What the result is called if nobody says; None for exports, which have
            no name.
        needs: The fields that the request must have.
        limited: Whether it counts towards the jobs that a token may have in progress at once,
            which are duplications, instantiations and exports (source: Asana's documentation).
    """

    path: str
    field: str
    resource_type: str
    subtype: str
    default_name: str | None
    needs: tuple[str, ...]
    limited: bool = True

    @property
    def is_export(self) -> bool:
        """Whether it makes something to download."""
        return self.default_name is None


TABLE = {
    "duplicate_portfolio": Kind(
        path="/portfolios/{portfolio_gid}/duplicate",
        field="new_portfolio",
        resource_type="portfolio",
        subtype="duplicate_portfolio",
        default_name="Copied portfolio",
        needs=("name",),
    ),
    "duplicate_project": Kind(
        path="/projects/{project_gid}/duplicate",
        field="new_project",
        resource_type="project",
        subtype="duplicate_project",
        default_name="Copied project",
        needs=("name",),
    ),
    "duplicate_task": Kind(
        path="/tasks/{task_gid}/duplicate",
        field="new_task",
        resource_type="task",
        subtype="duplicate_task",
        default_name="Copied task",
        needs=(),
    ),
    "export_graph": Kind(
        path="/exports/graph",
        field="new_graph_export",
        resource_type="graph_export",
        subtype="graph_export_request",
        default_name=None,
        needs=("parent",),
    ),
    "export_resource": Kind(
        path="/exports/resource",
        field="new_resource_export",
        resource_type="export_request",
        subtype="export_request",
        default_name=None,
        needs=("workspace",),
    ),
    "instantiate_project": Kind(
        path="/project_templates/{project_template_gid}/instantiateProject",
        field="new_project",
        resource_type="project",
        subtype="instantiate_project",
        default_name="Project from a template",
        needs=("name",),
    ),
    "instantiate_task": Kind(
        path="/task_templates/{task_template_gid}/instantiateTask",
        field="new_task",
        resource_type="task",
        subtype="instantiate_task",
        default_name="Task from a template",
        needs=(),
    ),
    "save_as_template": Kind(
        path="/projects/{project_gid}/saveAsTemplate",
        field="new_project_template",
        resource_type="project_template",
        subtype="save_as_template",
        default_name="Saved template",
        needs=("name", "public"),
        limited=False,
    ),
}

KINDS = tuple(sorted(TABLE))
"""The names of the kinds."""
