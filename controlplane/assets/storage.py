"""Names and compression of collected files."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class AssetStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise is untyped
    """Content-hashed names, gzip and brotli beside each file; `import` between ES modules follows the hashed names.

    Before the first `collect` there is no manifest: names are then plain, and the middleware answers them from the
    source folders. So tests and a fresh checkout need no preparation, and a half-made collection is never named, because
    the manifest is written last.
    """

    support_js_module_import_aggregation = True
    manifest_strict = False
    max_post_process_passes = 20
    """One for each level of modules that name each other; a circle of them is refused, because it has no hash."""

    def stored_name(self, name: str) -> str:
        if not self.hashed_files:
            return name
        return str(super().stored_name(name))
