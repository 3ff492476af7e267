"""Routes of `/api/v1/`, by name. A new route needs a row in the tests' table of who may use it."""

from django.urls import path

from controlplane.api import audit, children, commands, fleet, index, output, people, trees

app_name = "api"

urlpatterns = [
    path("", index.Index.as_view(), name="index"),
    path("me", people.Me.as_view(), name="me"),
    path("me/password", people.MyPassword.as_view(), name="my-password"),
    path("tokens", people.Tokens.as_view(), name="tokens"),
    path("tokens/<int:id>", people.TokenDetail.as_view(), name="token"),
    path("users", people.Users.as_view(), name="users"),
    path("users/<int:id>", people.UserDetail.as_view(), name="user"),
    path("users/<int:id>/login_link", people.UserLoginLink.as_view(), name="user-login-link"),
    path("trees", trees.Trees.as_view(), name="trees"),
    path("trees/<str:tree>", trees.TreeDetail.as_view(), name="tree"),
    path("trees/<str:tree>/export", trees.TreeExport.as_view(), name="tree-export"),
    path("trees/<str:tree>/revisions", trees.Revisions.as_view(), name="revisions"),
    path("trees/<str:tree>/revisions/<int:number>", trees.RevisionDetail.as_view(), name="revision"),
    path("trees/<str:tree>/diff", trees.Diff.as_view(), name="diff"),
    path("trees/<str:tree>/rollback", trees.Rollback.as_view(), name="rollback"),
    path("plan", trees.Plan.as_view(), name="plan"),
    path("validate", trees.Validate.as_view(), name="validate"),
    path("tree_schema", trees.TreeSchema.as_view(), name="tree-schema"),
    path("rollouts", trees.Rollouts.as_view(), name="rollouts"),
    path("rollouts/<int:id>", trees.RolloutDetail.as_view(), name="rollout"),
    path("nodes", fleet.Nodes.as_view(), name="nodes"),
    path("nodes/<str:node>", fleet.NodeDetail.as_view(), name="node"),
    path("nodes/<str:node>/drain", fleet.NodeDrain.as_view(), name="node-drain"),
    path("nodes/<str:node>/undrain", fleet.NodeUndrain.as_view(), name="node-undrain"),
    path("strays", fleet.Strays.as_view(), name="strays"),
    path("observed", children.ObservedState.as_view(), name="observed"),
    path("counts", children.Counts.as_view(), name="counts"),
    path("children", children.Children.as_view(), name="children"),
    path("children/<path:key>", children.ChildDetail.as_view(), name="child"),
    path("incarnations", children.Incarnations.as_view(), name="incarnations"),
    path("events", children.Events.as_view(), name="events"),
    path("logs", output.Logs.as_view(), name="logs"),
    path("logs/follow", output.LogsFollow.as_view(), name="logs-follow"),
    path("explain", output.Explain.as_view(), name="explain"),
    path("commands", commands.Commands.as_view(), name="commands"),
    path("operations", commands.Operations.as_view(), name="operations"),
    path("operations/<uuid:id>", commands.OperationDetail.as_view(), name="operation"),
    path("audit", audit.Audit.as_view(), name="audit"),
    path("audit/export", audit.AuditExport.as_view(), name="audit-export"),
    path("audit/verify", audit.AuditVerify.as_view(), name="audit-verify"),
    path("audit/<int:seq>", audit.AuditEntryDetail.as_view(), name="audit-entry"),
]
