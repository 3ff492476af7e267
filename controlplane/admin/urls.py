"""Routes of `/admin/`, which Django calls `admin:…`."""

from controlplane.admin.index import site

urlpatterns = site.get_urls()
