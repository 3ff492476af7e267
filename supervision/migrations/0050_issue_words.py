"""Write the words by which issues are found that were there before; new ones have theirs as they are made."""

from django.db import connection, migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from supervision.errors.words import vector_of

AT_ONCE = 1000
NEXT = """
SELECT issue.id, project.slug || '-' || issue.number, issue.title, issue.type, issue.value, issue.culprit, issue.child,
    ARRAY(SELECT tags.value FROM supervision_errortag AS tags WHERE tags.issue_id = issue.id LIMIT 50)
FROM supervision_errorissue AS issue
JOIN supervision_errorproject AS project ON project.id = issue.project_id
WHERE issue.id > %s
ORDER BY issue.id
LIMIT %s
"""
WRITE = "INSERT INTO supervision_errorissuesearch (issue_id, words) VALUES (%s, %s::tsvector) ON CONFLICT DO NOTHING"


def fill(_apps: StateApps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """By their keys: whoever has words already keeps them."""
    last = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT, [last, AT_ONCE])
            found = cursor.fetchall()
            if not found:
                return
            last = found[-1][0]
            cursor.executemany(WRITE, [(pk, vector_of([*texts, *tags])) for pk, *texts, tags in found])


class Migration(migrations.Migration):
    dependencies = [("supervision", "0049_issue_search")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
