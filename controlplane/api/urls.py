"""Routes of `/api/v1/`, by name. A new route needs a row in the tests' table of who may use it."""

from django.urls import path

from controlplane.api import people

app_name = "api"

urlpatterns = [
    path("me", people.Me.as_view(), name="me"),
    path("me/password", people.MyPassword.as_view(), name="my-password"),
    path("tokens", people.Tokens.as_view(), name="tokens"),
    path("tokens/<int:id>", people.TokenDetail.as_view(), name="token"),
    path("users", people.Users.as_view(), name="users"),
    path("users/<int:id>", people.UserDetail.as_view(), name="user"),
    path("users/<int:id>/login_link", people.UserLoginLink.as_view(), name="user-login-link"),
]
