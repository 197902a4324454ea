"""Several consumers of a group may work at once, each with messages of its own in hand."""

from alembic import op

from pairmark.storage.migrations.messaging_tables import seats

revision = "entitlements_0002"
down_revision = "entitlements_0001"


def upgrade() -> None:
    """Create the table of what is in hand."""
    op.execute(seats("entitlements"))
